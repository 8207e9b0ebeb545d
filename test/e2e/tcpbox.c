/* SPDX-License-Identifier: MIT */
#include "tcpbox.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { IP_HEADER = 20, TCP_HEADER = 20, PACKET = 1500 };

/* A rate lets so much through at once, and four packets in any case: less than that stops
 * TCP. */
#define BURST_S 0.1
#define BURST_PACKETS 4

struct boxed {
    struct tcp_entry entry;  /* its first member */
    uint32_t first_sequence; /* of the initiator's SYN */
    uint32_t next[2];        /* sequence numbers after all that has passed, by role */
    struct tcpbox_limits *limits;
    double jitter;    /* -1 to 1 */
    uint64_t bytes;   /* that counted */
    uint64_t carried; /* all that passed */
    uint64_t began_at_ns;
    double tokens[2]; /* bytes that the rate lets pass, by role, as of `filled_at_ns` */
    uint64_t filled_at_ns[2];
    bool finished[2]; /* the FIN of a side has passed */
    bool begun, cut;
    bool open;                /* counts in limits->open */
    uint64_t forgotten_at_ns; /* when the entry of a dead one ends; 0: it is not dead */
};

void tcpbox_init(struct tcpbox *box)
{
    *box = (struct tcpbox){.count = 1, .random = 1};
    tcp_table_init(&box->table, sizeof(struct boxed));
}

void tcpbox_deinit(struct tcpbox *box)
{
    tcp_table_deinit(&box->table);
}

/* ---- limits ---- */

static struct tcpbox_limits *limits_of(struct tcpbox *box, uint16_t port)
{
    for (size_t i = 1; i < box->count; i++)
        if (box->limits[i].port == port)
            return &box->limits[i];
    return &box->limits[0];
}

/* Every connection has the limits of its port, also after these have changed. */
static void assign_limits(struct tcpbox *box)
{
    for (size_t i = 0; i < box->count; i++)
        box->limits[i].open = 0;
    for (size_t i = 0; i < box->table.slots; i++) {
        struct boxed *boxed = tcp_table_slot(&box->table, i);

        if (boxed == NULL)
            continue;
        boxed->limits = limits_of(box, boxed->entry.connection.port[RESPONDER]);
        boxed->limits->open += boxed->open;
    }
}

bool tcpbox_set(struct tcpbox *box, const char *words)
{
    struct tcpbox_limits limits = {.port = 0};
    struct tcpbox_limits *place = &box->limits[0];
    static const char prefix[] = "port=";

    if (strncmp(words, prefix, strlen(prefix)) == 0) {
        char *end;

        limits.port = (uint16_t)strtoul(words + strlen(prefix), &end, 10);
        if (limits.port == 0 || *end != ',')
            return false;
        words = end + 1;
        place = limits_of(box, limits.port);
        if (place == &box->limits[0]) {
            if (box->count == ARRAY_LENGTH(box->limits))
                return false;
            place = &box->limits[box->count];
        }
    }
    if (!tcpbox_read(&limits, words))
        return false;
    limits.syns = (double)limits.syns_per_second;
    *place = limits;
    if (limits.port == 0)
        box->count = 1;
    else if (place == &box->limits[box->count])
        box->count++;
    assign_limits(box);
    return true;
}

/* ---- resets ---- */

static void write16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void write32(uint8_t *bytes, uint32_t value)
{
    write16(bytes, (uint16_t)(value >> 16));
    write16(bytes + 2, (uint16_t)value);
}

/* The Internet checksum (RFC 1071) of an even number of bytes, on top of a sum. */
static uint16_t checksum(const uint8_t *bytes, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* A reset that seems to come from the peer of `role`, with the sequence number that is
 * expected next: RFC 5961 allows no other. */
static void write_reset(uint8_t bytes[TCPBOX_RESET_SIZE], const struct boxed *boxed,
                        int role)
{
    const struct connection *connection = &boxed->entry.connection;
    uint8_t *tcp = bytes + IP_HEADER;
    const uint32_t protocol_and_length = 6 + TCP_HEADER;

    memset(bytes, 0, TCPBOX_RESET_SIZE);
    bytes[0] = 0x45;
    write16(bytes + 2, TCPBOX_RESET_SIZE);
    bytes[8] = 64;
    bytes[9] = 6;
    memcpy(bytes + 12, connection->address[!role], 4);
    memcpy(bytes + 16, connection->address[role], 4);
    write16(bytes + 10, checksum(bytes, IP_HEADER, 0));
    write16(tcp, connection->port[!role]);
    write16(tcp + 2, connection->port[role]);
    write32(tcp + 4, boxed->next[!role]);
    write32(tcp + 8, boxed->next[role]);
    tcp[12] = TCP_HEADER / 4 << 4;
    tcp[13] = TCP_RST | TCP_ACK;
    /* The pseudo header: the addresses, the protocol and the length. */
    write16(tcp + 16, checksum(bytes + 12, 8 + TCP_HEADER, protocol_and_length));
}

/* ---- the connections that count as open ---- */

static void release(struct boxed *boxed)
{
    boxed->limits->open -= boxed->open;
    boxed->open = false;
}

/* An end was dropped: no further packet need come. */
static void abandon(struct boxed *boxed, uint64_t now)
{
    if (boxed->forgotten_at_ns == 0)
        boxed->forgotten_at_ns = now + boxed->limits->dead_ns;
}

static void forget_dead(struct tcpbox *box, uint64_t now)
{
    for (size_t i = 0; i < box->table.slots; i++) {
        struct boxed *boxed = tcp_table_slot(&box->table, i);

        if (boxed != NULL && boxed->open && boxed->forgotten_at_ns != 0 &&
            boxed->forgotten_at_ns <= now)
            release(boxed);
    }
}

static bool take_syn(struct tcpbox_limits *limits, uint64_t now)
{
    double most = (double)limits->syns_per_second;

    if (limits->syns_per_second == 0)
        return true;
    limits->syns =
        MIN(limits->syns + (double)(now - limits->filled_at_ns) / 1e9 * most, most);
    limits->filled_at_ns = now;
    if (limits->syns < 1)
        return false;
    limits->syns--;
    return true;
}

/* -1 to 1 */
static double random_sign(struct tcpbox *box)
{
    uint64_t z = box->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
}

/* ---- packets ---- */

/* The SYN of a new connection, of a port used again, or sent once more. */
static struct boxed *syn_seen(struct tcpbox *box, const struct segment *segment)
{
    struct boxed *boxed = tcp_table_add(&box->table, segment);

    if (boxed->limits != NULL && boxed->first_sequence == segment->sequence)
        return boxed;
    if (boxed->limits != NULL)
        release(boxed);
    *boxed = (struct boxed){.entry = boxed->entry,
                            .first_sequence = segment->sequence,
                            .limits = limits_of(box, segment->port[1]),
                            .jitter = random_sign(box)};
    return boxed;
}

/* Whether the network lets the SYN pass, of a connection that may have begun. */
static enum tcpbox_verdict judge_syn(struct tcpbox *box, struct boxed *boxed, uint64_t now)
{
    struct tcpbox_limits *limits = boxed->limits;

    if (limits->open_most > 0 && limits->open >= limits->open_most)
        forget_dead(box, now); /* which looks at the whole table */
    if (!limits->blocked && !take_syn(limits, now)) {
        box->dropped_syns++;
        return limits->refuses ? TCPBOX_REFUSE : TCPBOX_DROP;
    }
    if (boxed->begun)
        return TCPBOX_PASS;
    if (limits->blocked || (limits->open_most > 0 && limits->open >= limits->open_most)) {
        box->dropped_syns++;
        return TCPBOX_DROP;
    }
    boxed->begun = boxed->open = true;
    boxed->began_at_ns = now;
    limits->open++;
    return TCPBOX_PASS;
}

/* A limit of bytes or age, as it is for this connection. */
static double jittered(const struct boxed *boxed, uint64_t limit)
{
    return (double)limit * (1 + boxed->jitter * boxed->limits->jitter);
}

/* Whether the rate of the connection lets the packet pass. */
static bool within_rate(struct boxed *boxed, size_t length, int sender, uint64_t now)
{
    const struct tcpbox_limits *limits = boxed->limits;
    uint64_t rate = limits->police_rate;
    double bytes_per_s, most;

    if (limits->slow_after > 0 &&
        (double)boxed->carried > jittered(boxed, limits->slow_after))
        rate = rate > 0 ? MIN(rate, limits->slow_rate) : limits->slow_rate;
    if (rate == 0)
        return true;
    bytes_per_s = (double)rate / 8;
    most = MAX(bytes_per_s * BURST_S, BURST_PACKETS * PACKET);
    if (boxed->filled_at_ns[sender] == 0)
        boxed->tokens[sender] = most;
    else
        boxed->tokens[sender] +=
            (double)(now - boxed->filled_at_ns[sender]) / 1e9 * bytes_per_s;
    boxed->tokens[sender] = MIN(boxed->tokens[sender], most);
    boxed->filled_at_ns[sender] = now;
    if (boxed->tokens[sender] < (double)length)
        return false;
    boxed->tokens[sender] -= (double)length;
    return true;
}

static void passed(struct boxed *boxed, const struct segment *segment, size_t length,
                   int sender)
{
    uint32_t end = segment->sequence + segment->payload +
                   ((segment->flags & (TCP_SYN | TCP_FIN)) != 0 ? 1 : 0);

    boxed->carried += length;
    if ((segment->flags & TCP_SYN) != 0 || (int32_t)(end - boxed->next[sender]) > 0)
        boxed->next[sender] = end;
    boxed->finished[sender] |= (segment->flags & TCP_FIN) != 0;
    if ((segment->flags & TCP_RST) != 0 || (boxed->finished[0] && boxed->finished[1]))
        release(boxed);
}

static enum tcpbox_verdict cut(struct tcpbox *box, struct boxed *boxed, bool resets)
{
    boxed->cut = true;
    box->cut++;
    if (!resets)
        return TCPBOX_DROP;
    release(boxed);
    return TCPBOX_RESET;
}

/* As tcpbox_packet(), of a connection that is known. */
static enum tcpbox_verdict judge(struct tcpbox *box, struct boxed *boxed, size_t length,
                                 int sender, uint64_t now)
{
    const struct tcpbox_limits *limits = boxed->limits;

    if (boxed->cut)
        return TCPBOX_DROP;
    if (limits->age_ns > 0 &&
        (double)(now - boxed->began_at_ns) >= jittered(boxed, limits->age_ns))
        return cut(box, boxed, limits->age_resets);
    if (limits->counts[sender])
        boxed->bytes += length;
    if (limits->most > 0 && (double)boxed->bytes > jittered(boxed, limits->most))
        return cut(box, boxed, limits->resets);
    return within_rate(boxed, length, sender, now) ? TCPBOX_PASS : TCPBOX_DROP;
}

enum tcpbox_verdict tcpbox_packet(struct tcpbox *box, const uint8_t *bytes, size_t length,
                                  uint64_t now, struct tcpbox_resets *resets)
{
    enum tcpbox_verdict verdict = TCPBOX_PASS;
    struct segment segment;
    struct boxed *boxed;
    int sender = INITIATOR;

    if (length == 0 || bytes[0] >> 4 != 4 || !segment_parse(&segment, bytes, length))
        return TCPBOX_PASS;
    if ((segment.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        boxed = syn_seen(box, &segment);
        verdict = judge_syn(box, boxed, now);
    } else {
        boxed = tcp_table_find(&box->table, &segment, &sender);
    }
    if (boxed == NULL)
        return TCPBOX_PASS;
    if (verdict == TCPBOX_PASS)
        verdict = judge(box, boxed, length, sender, now);
    if (verdict == TCPBOX_PASS)
        passed(boxed, &segment, length, sender);
    else if (boxed->cut && (segment.flags & (TCP_RST | TCP_FIN)) != 0)
        abandon(boxed, now);
    if (verdict == TCPBOX_REFUSE)
        boxed->next[INITIATOR] = segment.sequence + 1;
    if (verdict == TCPBOX_RESET || verdict == TCPBOX_REFUSE) {
        write_reset(resets->to_sender, boxed, sender);
        write_reset(resets->to_receiver, boxed, !sender);
    }
    return verdict;
}

void tcpbox_report(struct tcpbox *box, uint64_t now, FILE *out)
{
    size_t open = 0;

    forget_dead(box, now);
    for (size_t i = 0; i < box->count; i++)
        open += box->limits[i].open;
    fprintf(out, "{\"cut\":%" PRIu64 ",\"dropped_syns\":%" PRIu64 ",\"open\":%zu}",
            box->cut, box->dropped_syns, open);
}
