/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/packet_memory.h>

#include <splitsocks/config/state.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/state_file.h>

#include <jansson.h>

#define SECTION "mtu"
/* Most names in the file; more than any machine has paths. */
#define NAMES_MAX 1000

/* ---- the file ---- */

static uint16_t load(const struct state_file *file, const char *name)
{
    json_t *document = state_file_read(file);
    json_int_t size =
        json_integer_value(json_object_get(state_section(document, SECTION), name));

    json_decref(document);
    return size >= PACKET_SIZE_MIN && size <= PACKET_SIZE_MAX ? (uint16_t)size : 0;
}

struct change {
    const char *name;
    uint16_t size;
};

static bool apply(json_t *document, void *context)
{
    const struct change *change = context;
    json_t *section = json_deep_copy(state_section(document, SECTION));

    if (!json_is_object(section) || json_object_size(section) > NAMES_MAX) {
        json_decref(section);
        section = json_object();
    }
    json_object_del(section, change->name);
    if (change->size != 0)
        json_object_set_new(section, change->name, json_integer(change->size));
    return state_set_section(document, SECTION, section) == OK;
}

static void save(struct state_file *file, const char *name, uint16_t size)
{
    struct change change = {.name = name, .size = size};

    /* Failures are logged; a size that is not saved will be found again. */
    if (file->path != NULL && load(file, name) != size)
        (void)!state_file_change(file, true, apply, &change);
}

/* ---- the notes ---- */

void packet_memory_init(struct packet_memory *memory, struct state_file *file)
{
    *memory = (struct packet_memory){.file = file};
}

uint16_t packet_memory_get(struct packet_memory *memory, unsigned index, const char *name,
                           uint64_t signature)
{
    struct packet_note *note = &memory->notes[index];

    if (!note->known)
        *note = (struct packet_note){.known = true, .size = load(memory->file, name)};
    if (note->size != 0 && note->signature != 0 && note->signature != signature)
        packet_memory_set(memory, index, name, signature, 0);
    note->signature = signature;
    return note->size;
}

void packet_memory_set(struct packet_memory *memory, unsigned index, const char *name,
                       uint64_t signature, uint16_t size)
{
    memory->notes[index] =
        (struct packet_note){.known = true, .size = size, .signature = signature};
    save(memory->file, name, size);
}

void packet_memory_reuse(struct packet_memory *memory, unsigned index)
{
    memory->notes[index] = (struct packet_note){.known = false};
}
