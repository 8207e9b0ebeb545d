/* SPDX-License-Identifier: MIT */
#include "tcpwatch.h"

#include <inttypes.h>
#include <stdbool.h>

#include "tool.h"

struct watched {
    struct tcp_entry entry; /* its first member */
    bool open, established;
    bool seen[2], fin[2];
    uint32_t first_sequence[2]; /* of the first payload byte */
    uint32_t payload[2];        /* furthest byte seen */
};

void tcpwatch_init(struct tcpwatch *watch)
{
    *watch = (struct tcpwatch){.open = 0};
    tcp_table_init(&watch->table, sizeof(struct watched));
}

void tcpwatch_deinit(struct tcpwatch *watch)
{
    tcp_table_deinit(&watch->table);
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
    struct watched *watched = tcp_table_add(&watch->table, segment);

    if (watched->open && watched->first_sequence[INITIATOR] == segment->sequence + 1)
        return;
    connection_closed(watch, watched);
    *watched = (struct watched){.entry = watched->entry, .open = true};
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
    if ((flags & TCP_FIN) != 0 && !watched->fin[role]) {
        watched->fin[role] = true;
        watch->fins++;
    }
    if ((flags & TCP_RST) != 0)
        watch->resets++;
    if ((flags & TCP_RST) != 0 || (watched->fin[0] && watched->fin[1]))
        connection_closed(watch, watched);
}

void tcpwatch_packet(struct tcpwatch *watch, const uint8_t *bytes, size_t length)
{
    struct segment segment;
    struct watched *watched;
    int role;

    if (!segment_parse(&segment, bytes, length))
        return;
    if ((segment.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        syn_seen(watch, &segment);
        return;
    }
    watched = tcp_table_find(&watch->table, &segment, &role);
    if (watched == NULL)
        return;
    if ((segment.flags & TCP_SYN) != 0 && role == RESPONDER && !watched->seen[role]) {
        watched->seen[role] = true;
        watched->first_sequence[role] = segment.sequence + 1;
    }
    if (role == INITIATOR && watched->seen[RESPONDER] && (segment.flags & TCP_RST) == 0)
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
