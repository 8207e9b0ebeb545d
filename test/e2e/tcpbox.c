/* SPDX-License-Identifier: MIT */
#include "tcpbox.h"

#include <inttypes.h>
#include <string.h>

#include "tool.h"

enum { IP_HEADER = 20, TCP_HEADER = 20 };

struct boxed {
    struct tcp_entry entry;  /* its first member */
    uint32_t first_sequence; /* of the initiator's SYN */
    uint32_t next[2];        /* sequence numbers after all that has passed, by role */
    uint64_t bytes;          /* that counted */
    bool cut;
};

void tcpbox_init(struct tcpbox *box)
{
    *box = (struct tcpbox){.most = 0};
    tcp_table_init(&box->table, sizeof(struct boxed));
}

void tcpbox_deinit(struct tcpbox *box)
{
    tcp_table_deinit(&box->table);
}

static bool set_most(struct tcpbox *box, const char *value)
{
    size_t length = strcspn(value, "/");
    const char *counted = value + length;
    char size[32];

    if (length >= sizeof(size))
        return false;
    memcpy(size, value, length);
    size[length] = '\0';
    box->counts[INITIATOR] = *counted == '\0' || strcmp(counted, "/up") == 0;
    box->counts[RESPONDER] = *counted == '\0' || strcmp(counted, "/down") == 0;
    return (box->counts[INITIATOR] || box->counts[RESPONDER]) &&
           parse_size(size, &box->most);
}

bool tcpbox_set(struct tcpbox *box, const char *words)
{
    static const char freeze[] = "freeze=", reset[] = "reset=";

    box->most = 0;
    if (strcmp(words, "none") == 0)
        return true;
    box->resets = strncmp(words, reset, strlen(reset)) == 0;
    if (box->resets)
        return set_most(box, words + strlen(reset));
    return strncmp(words, freeze, strlen(freeze)) == 0 &&
           set_most(box, words + strlen(freeze));
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

/* ---- packets ---- */

/* The SYN of a new connection, of a port used again, or sent once more. */
static struct boxed *syn_seen(struct tcpbox *box, const struct segment *segment)
{
    struct boxed *boxed = tcp_table_add(&box->table, segment);

    if (boxed->bytes == 0 || boxed->first_sequence != segment->sequence)
        *boxed = (struct boxed){.entry = boxed->entry, .first_sequence = segment->sequence};
    return boxed;
}

static void passed(struct boxed *boxed, const struct segment *segment, int sender)
{
    uint32_t end = segment->sequence + segment->payload +
                   ((segment->flags & (TCP_SYN | TCP_FIN)) != 0 ? 1 : 0);

    if ((segment->flags & TCP_SYN) != 0 || (int32_t)(end - boxed->next[sender]) > 0)
        boxed->next[sender] = end;
}

enum tcpbox_verdict tcpbox_packet(struct tcpbox *box, const uint8_t *bytes, size_t length,
                                  struct tcpbox_resets *resets)
{
    struct segment segment;
    struct boxed *boxed;
    int sender = INITIATOR;

    if (length == 0 || bytes[0] >> 4 != 4 || !segment_parse(&segment, bytes, length))
        return TCPBOX_PASS;
    if ((segment.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        boxed = syn_seen(box, &segment);
    else
        boxed = tcp_table_find(&box->table, &segment, &sender);
    if (boxed == NULL)
        return TCPBOX_PASS;
    if (boxed->cut)
        return TCPBOX_DROP;
    if (box->counts[sender])
        boxed->bytes += length;
    if (box->most == 0 || boxed->bytes <= box->most) {
        passed(boxed, &segment, sender);
        return TCPBOX_PASS;
    }
    boxed->cut = true;
    box->cut++;
    if (!box->resets)
        return TCPBOX_DROP;
    write_reset(resets->to_sender, boxed, sender);
    write_reset(resets->to_receiver, boxed, !sender);
    return TCPBOX_RESET;
}

void tcpbox_report(const struct tcpbox *box, FILE *out)
{
    fprintf(out, "{\"cut\":%" PRIu64 "}", box->cut);
}
