/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_quota.h>

#include <splitsocks/base/log.h>
#include <splitsocks/config/state.h>
#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/state_file.h>

#include <jansson.h>
#include <string.h>

/* How long a path may exceed its quota unnoticed. */
#define COUNT_SECONDS 1.
#define SAVE_NS (5 * NS_PER_S)
#define SECTION "usage" /* of the state file */

/* ---- the file ---- */

static bool metered(const struct path_quota *quota, size_t index)
{
    return quota->paths->items[index].quota_bytes != CONFIG_UNLIMITED;
}

/* Reads the usable part of the file. */
static void load(struct path_quota *quota)
{
    json_t *document = state_file_read(quota->file);

    if (usage_read(&quota->usage, state_section(document, SECTION)) != OK)
        log_warning("the state file %s has no usable count of quotas: they count from zero",
                    quota->file->path);
    json_decref(document);
}

/* Adds the fresh bytes to the file's, which other processes may have changed meanwhile. A
 * missing or damaged section is made again from what is known. */
static bool merge(json_t *document, void *context)
{
    struct path_quota *quota = context;
    const json_t *section = state_section(document, SECTION);
    struct usage known = quota->usage;

    if (section == NULL || usage_read(&quota->usage, section) != OK)
        quota->usage = known;
    (void)usage_turn(&quota->usage, clock_wall());
    for (size_t i = 0; i < quota->paths->count; i++) {
        if (quota->fresh[i] == 0)
            continue;
        if (usage_add(&quota->usage, quota->paths->items[i].name, quota->fresh[i]) == OK)
            quota->fresh[i] = 0;
    }
    return state_set_section(document, SECTION, usage_write(&quota->usage)) == OK;
}

static bool anything_fresh(const struct path_quota *quota)
{
    for (size_t i = 0; i < quota->paths->count; i++)
        if (quota->fresh[i] > 0)
            return true;
    return false;
}

/* Bytes that cannot be saved count in this process, and saving is tried again. */
static void save(struct path_quota *quota, bool last)
{
    const struct usage usage = quota->usage;
    uint64_t fresh[CONFIG_PATHS_MAX];

    if (!anything_fresh(quota) && !quota->turned)
        return;
    memcpy(fresh, quota->fresh, sizeof(fresh));
    if (state_file_change(quota->file, last, merge, quota) == OK) {
        quota->turned = false;
        return;
    }
    quota->usage = usage;
    memcpy(quota->fresh, fresh, sizeof(fresh));
}

/* ---- counting ---- */

/* Adds what the session has counted since the last call. */
static void count(struct path_quota *quota)
{
    uint64_t now = clock_now();

    for (size_t i = 0; i < quota->paths->count * quota->hosts; i++) {
        struct path_status status;
        uint64_t bytes;

        if (!metered(quota, i / quota->hosts))
            continue;
        session_path_status(quota->session, (unsigned)i, now, &status);
        bytes = status.counters.wire_bytes_sent + status.counters.wire_bytes_received;
        quota->fresh[i / quota->hosts] += bytes - quota->counted[i];
        quota->counted[i] = bytes;
    }
}

static unsigned used_up(const struct path_quota *quota)
{
    unsigned bits = 0;

    for (size_t i = 0; i < quota->paths->count; i++)
        if (path_quota_used_up(quota, i))
            bits |= 1u << i;
    return bits;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct path_quota *quota = timer->data;
    unsigned before = used_up(quota);
    uint32_t month = quota->usage.month;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    if (quota->session != NULL)
        count(quota);
    /* Unsaved bytes belong to the month that has ended. */
    if (usage_turn(&quota->usage, clock_wall())) {
        quota->turned = true;
        if (quota->usage.month > month)
            memset(quota->fresh, 0, sizeof(quota->fresh));
    }
    if (quota->turned || now - quota->saved_at_ns >= SAVE_NS) {
        quota->saved_at_ns = now;
        save(quota, false);
    }
    if (used_up(quota) != before)
        quota->changed(quota->context);
}

void path_quota_attach(struct path_quota *quota, const struct session *session)
{
    if (quota->session != NULL && quota->loop != NULL)
        count(quota);
    quota->session = session;
    memset(quota->counted, 0, sizeof(quota->counted));
}

uint64_t path_quota_used(const struct path_quota *quota, size_t index)
{
    return usage_get(&quota->usage, quota->paths->items[index].name) + quota->fresh[index];
}

bool path_quota_used_up(const struct path_quota *quota, size_t index)
{
    return metered(quota, index) &&
           path_quota_used(quota, index) >= quota->paths->items[index].quota_bytes;
}

/* ---- life ---- */

void path_quota_init(struct path_quota *quota, struct ev_loop *loop,
                     const struct config_paths *paths, unsigned hosts,
                     struct state_file *file,
                     void (*changed)(void *context), void *context)
{
    *quota = (struct path_quota){.paths = paths,
                                 .hosts = hosts,
                                 .file = file,
                                 .changed = changed,
                                 .context = context};
    for (size_t i = 0; i < paths->count; i++)
        if (metered(quota, i))
            quota->loop = loop;
    if (quota->loop == NULL)
        return;
    load(quota);
    /* Only the file tells which month came before. */
    quota->turned = usage_turn(&quota->usage, clock_wall());
    save(quota, false);
    quota->saved_at_ns = clock_now();
    ev_timer_init(&quota->timer, on_timer, COUNT_SECONDS, COUNT_SECONDS);
    quota->timer.data = quota;
    ev_timer_start(loop, &quota->timer);
}

void path_quota_deinit(struct path_quota *quota)
{
    if (quota->loop == NULL)
        return;
    path_quota_attach(quota, NULL);
    save(quota, true);
    ev_timer_stop(quota->loop, &quota->timer);
    quota->loop = NULL;
}
