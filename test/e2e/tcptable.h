/* SPDX-License-Identifier: MIT */
/* TCP segments read from IP packets, and a table of the connections that they belong to.
 * IPv4, and IPv6 without extension headers. */
#ifndef TEST_E2E_TCPTABLE_H
#define TEST_E2E_TCPTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
enum { INITIATOR, RESPONDER };

struct segment {
    uint8_t address[2][16]; /* source, destination */
    uint16_t port[2];
    uint32_t sequence, payload;
    uint8_t flags;
};

struct connection {
    uint8_t address[2][16]; /* by role */
    uint16_t port[2];
};

/* What an entry of a table begins with. */
struct tcp_entry {
    struct connection connection;
    bool used;
};

struct tcp_table {
    uint8_t *entries; /* owned; open addressing, a power of two */
    size_t slots, used, entry_size;
};

/* False when the packet is no whole TCP segment. */
bool segment_parse(struct segment *segment, const uint8_t *bytes, size_t length);

/* The connection that the segment belongs to if its sender has that role. */
struct connection segment_connection(const struct segment *segment, int sender);

void tcp_table_init(struct tcp_table *table, size_t entry_size);
void tcp_table_deinit(struct tcp_table *table);

/* The entry of a segment's connection, and the role of the sender; NULL when the table has
 * no such connection. Entries move when one is added. */
void *tcp_table_find(const struct tcp_table *table, const struct segment *segment,
                     int *sender);

/* The entry of the connection that a SYN begins; a new one is zero but for its beginning.
 */
void *tcp_table_add(struct tcp_table *table, const struct segment *syn);

/* The entry in a slot of the table, 0 to `slots` - 1; NULL when it is free. */
void *tcp_table_slot(const struct tcp_table *table, size_t index);

#endif
