/* SPDX-License-Identifier: MIT */
#include "tcpwatch.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { INITIATOR, RESPONDER };

struct key {
    uint8_t address[2][16]; /* by role */
    uint16_t port[2];
};

struct watched {
    struct key key;
    bool used, open, established;
    bool seen[2], fin[2];
    uint32_t first_sequence[2]; /* of the first payload byte */
    uint32_t payload[2];        /* furthest byte seen */
};

struct segment {
    uint8_t address[2][16]; /* source, destination */
    uint16_t port[2];
    uint32_t sequence, payload;
    uint8_t flags;
};

void tcpwatch_init(struct tcpwatch *watch)
{
    *watch = (struct tcpwatch){.slots = 1024};
    watch->table = allocate(watch->slots, sizeof(*watch->table));
}

void tcpwatch_deinit(struct tcpwatch *watch)
{
    free(watch->table);
}

static uint32_t read32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The offset of the TCP header and the packet's end; false when it is no TCP. */
static bool find_tcp(struct segment *segment, const uint8_t *bytes, size_t length,
                     size_t *tcp, size_t *end)
{
    enum { TCP = 6 };

    memset(segment, 0, sizeof(*segment));
    if (length >= 20 && bytes[0] >> 4 == 4 && bytes[9] == TCP) {
        memcpy(segment->address[0], bytes + 12, 4);
        memcpy(segment->address[1], bytes + 16, 4);
        *tcp = (size_t)(bytes[0] & 15) * 4;
        *end = read16(bytes + 2);
    } else if (length >= 40 && bytes[0] >> 4 == 6 && bytes[6] == TCP) {
        memcpy(segment->address[0], bytes + 8, 16);
        memcpy(segment->address[1], bytes + 24, 16);
        *tcp = 40;
        *end = 40 + (size_t)read16(bytes + 4);
    } else {
        return false;
    }
    return *end <= length && *tcp + 20 <= *end;
}

static bool parse(struct segment *segment, const uint8_t *bytes, size_t length)
{
    size_t tcp, end, data;

    if (!find_tcp(segment, bytes, length, &tcp, &end))
        return false;
    data = tcp + (size_t)(bytes[tcp + 12] >> 4) * 4;
    if (data > end)
        return false;
    segment->port[0] = read16(bytes + tcp);
    segment->port[1] = read16(bytes + tcp + 2);
    segment->sequence = read32(bytes + tcp + 4);
    segment->flags = bytes[tcp + 13];
    segment->payload = (uint32_t)(end - data);
    return true;
}

static struct key key_of(const struct segment *segment, int source_role)
{
    struct key key = {.port = {0}};

    for (int i = 0; i < 2; i++) {
        int role = i == 0 ? source_role : !source_role;

        memcpy(key.address[role], segment->address[i], sizeof(key.address[role]));
        key.port[role] = segment->port[i];
    }
    return key;
}

/* FNV-1a */
static size_t hash(const struct key *key)
{
    const uint8_t *bytes = (const uint8_t *)key;
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(*key); i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (size_t)(value ^ value >> 32);
}

/* The key's slot, or the free one where it belongs. */
static struct watched *slot_of(const struct tcpwatch *watch, const struct key *key)
{
    size_t index = hash(key) & (watch->slots - 1);

    while (watch->table[index].used &&
           memcmp(&watch->table[index].key, key, sizeof(*key)) != 0)
        index = (index + 1) & (watch->slots - 1);
    return &watch->table[index];
}

static void grow(struct tcpwatch *watch)
{
    struct watched *old = watch->table;
    size_t slots = watch->slots;

    watch->slots *= 2;
    watch->table = allocate(watch->slots, sizeof(*watch->table));
    for (size_t i = 0; i < slots; i++) {
        if (old[i].used)
            *slot_of(watch, &old[i].key) = old[i];
    }
    free(old);
}

static void connection_closed(struct tcpwatch *watch, struct watched *watched)
{
    if (watched->open)
        watch->open--;
    if (watched->established)
        watch->established--;
    watched->open = watched->established = false;
}

/* A SYN of a new connection, of a port used again, or sent once more. */
static void syn_seen(struct tcpwatch *watch, const struct segment *segment)
{
    struct key key = key_of(segment, INITIATOR);
    struct watched *watched;

    if (watch->used * 2 >= watch->slots)
        grow(watch);
    watched = slot_of(watch, &key);
    if (watched->used && watched->open &&
        watched->first_sequence[INITIATOR] == segment->sequence + 1)
        return;
    if (!watched->used)
        watch->used++;
    connection_closed(watch, watched);
    *watched = (struct watched){.key = key, .used = true, .open = true};
    watched->seen[INITIATOR] = true;
    watched->first_sequence[INITIATOR] = segment->sequence + 1;
    watch->connections++;
    watch->open++;
    watch->max_open = MAX(watch->max_open, watch->open);
}

/* The initiator goes on with it; to one that it has given up meanwhile it answers a reset.
 */
static void established_seen(struct tcpwatch *watch, struct watched *watched)
{
    if (!watched->open || watched->established)
        return;
    watched->established = true;
    watch->established++;
    watch->max_established = MAX(watch->max_established, watch->established);
}

static void payload_seen(struct tcpwatch *watch, struct watched *watched, int role,
                         const struct segment *segment)
{
    uint32_t end;

    if (!watched->seen[role] || segment->payload == 0)
        return;
    end = segment->sequence - watched->first_sequence[role] + segment->payload;
    if (end > watched->payload[role])
        watched->payload[role] = end;
    watch->max_payload[role] = MAX(watch->max_payload[role], watched->payload[role]);
}

static void end_seen(struct tcpwatch *watch, struct watched *watched, int role,
                     uint8_t flags)
{
    if (!watched->open)
        return;
    if ((flags & FIN) != 0 && !watched->fin[role]) {
        watched->fin[role] = true;
        watch->fins++;
    }
    if ((flags & RST) != 0)
        watch->resets++;
    if ((flags & RST) != 0 || (watched->fin[0] && watched->fin[1]))
        connection_closed(watch, watched);
}

void tcpwatch_packet(struct tcpwatch *watch, const uint8_t *bytes, size_t length)
{
    struct segment segment;
    struct watched *watched;
    struct key key;
    int role = INITIATOR;

    if (!parse(&segment, bytes, length))
        return;
    if ((segment.flags & (SYN | ACK)) == SYN) {
        syn_seen(watch, &segment);
        return;
    }
    key = key_of(&segment, INITIATOR);
    watched = slot_of(watch, &key);
    if (!watched->used) {
        role = RESPONDER;
        key = key_of(&segment, RESPONDER);
        watched = slot_of(watch, &key);
    }
    if (!watched->used)
        return;
    if ((segment.flags & SYN) != 0 && role == RESPONDER && !watched->seen[role]) {
        watched->seen[role] = true;
        watched->first_sequence[role] = segment.sequence + 1;
    }
    if (role == INITIATOR && watched->seen[RESPONDER] && (segment.flags & RST) == 0)
        established_seen(watch, watched);
    payload_seen(watch, watched, role, &segment);
    end_seen(watch, watched, role, segment.flags);
}

void tcpwatch_report(const struct tcpwatch *watch, FILE *out)
{
    fprintf(out,
            "{\"connections\":%" PRIu64 ",\"open\":%" PRIu64 ",\"max_open\":%" PRIu64
            ",\"max_established\":%" PRIu64 ",\"max_up\":%" PRIu64 ",\"max_down\":%" PRIu64
            ",\"resets\":%" PRIu64 ",\"fins\":%" PRIu64 "}",
            watch->connections, watch->open, watch->max_open, watch->max_established,
            watch->max_payload[0], watch->max_payload[1], watch->resets, watch->fins);
}
