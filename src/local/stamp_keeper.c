/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/stamp_keeper.h>

#include <splitsocks/base/log.h>
#include <splitsocks/config/stamps.h>
#include <splitsocks/config/state.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/state_file.h>

#include <jansson.h>

#define SECTION "stamp" /* of the state file */
/* Clocks that run well are corrected by less than this. */
#define TOLD_NS (2 * NS_PER_S)

void stamp_keeper_init(struct stamp_keeper *keeper, struct state_file *file,
                       const uint8_t relay_public_key[KEY_SIZE])
{
    *keeper = (struct stamp_keeper){.file = file};
    key_format(keeper->relay, relay_public_key);
}

static bool write_last(struct stamp_keeper *keeper, json_t *document)
{
    const json_t *section = state_section(document, SECTION);

    return state_set_section(document, SECTION,
                             stamps_with(section, keeper->relay, keeper->last)) == OK;
}

/* Takes over a newer stamp that another process has used. */
static void look(struct stamp_keeper *keeper, const json_t *document)
{
    uint64_t found = stamps_get(state_section(document, SECTION), keeper->relay);

    /* After the greatest stamp there would be no next one. */
    if (found < STAMP_MAX)
        keeper->last = MAX(keeper->last, found);
}

/* Saves a stamp only if the clock is not ahead of the last one. A clock that goes forward
 * makes no stamp twice, and the stamp is saved once the relay has answered. */
static bool take_next(json_t *document, void *context)
{
    struct stamp_keeper *keeper = context;
    uint64_t wall_ns = clock_wall();

    look(keeper, document);
    if (wall_ns > keeper->last)
        return false;
    keeper->last++;
    return write_last(keeper, document);
}

uint64_t stamp_keeper_next(struct stamp_keeper *keeper)
{
    uint64_t before = keeper->last, wall_ns;

    /* Without the file only this process's stamps are known, as the log has said. */
    (void)!state_file_change(keeper->file, true, take_next, keeper);
    wall_ns = clock_wall();
    if (wall_ns > keeper->last) {
        keeper->last = wall_ns;
        keeper->told = false;
        return wall_ns;
    }
    if (keeper->last == before)
        keeper->last++;
    if (keeper->last - wall_ns >= TOLD_NS && !keeper->told) {
        keeper->told = true;
        log_info(
            "this machine's clock is %llu s behind the last stamp for the relay: stamps "
            "go on from there",
            (unsigned long long)((keeper->last - wall_ns) / NS_PER_S));
    }
    return keeper->last;
}

static bool note_taken(json_t *document, void *context)
{
    struct stamp_keeper *keeper = context;
    uint64_t taken = keeper->last;

    look(keeper, document);
    return keeper->last == taken && write_last(keeper, document);
}

void stamp_keeper_taken(struct stamp_keeper *keeper, uint64_t stamp)
{
    keeper->last = MAX(keeper->last, MIN(stamp, STAMP_MAX - 1));
    (void)!state_file_change(keeper->file, true, note_taken, keeper);
}
