/* SPDX-License-Identifier: MIT */
/*
 * A relay's UDP port as the mapping of a NAT (RFC 4787): who may send to it, and how long
 * it stays. One mapping serves all destinations of a flow (REQ-1). Only datagrams that go
 * out refresh it (REQ-6), so a stranger cannot keep it.
 *
 * The filter is independent of the endpoint (REQ-8), or goes by the address. It always goes
 * by the address while the flow has talked to ports 53 and 123 alone, since nobody but the
 * server has anything to tell a client of DNS or NTP.
 */
#ifndef SPLITSOCKS_MAPPING_H
#define SPLITSOCKS_MAPPING_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

/* Addresses remembered, the least recent goes first: as many as a flow has bindings. */
#define MAPPING_PEERS_MAX 64
/* The default that RFC 4787 section 4.3 recommends. */
#define MAPPING_IDLE_NS (300 * NS_PER_S)
/* A mapping of DNS or NTP alone that was answered: longer than resolvers wait for a second
 * server (5 s), so that the answers to all queries of one port get through. */
#define MAPPING_ANSWERED_NS (10 * NS_PER_S)

struct mapping {
    struct address *peers; /* owned; port 0; the newest is the first */
    uint8_t count, room;   /* of `peers` */
    bool by_address;       /* as asked for */
    bool brief;            /* it has talked to ports 53 and 123 alone */
    bool answered;         /* a peer has sent something since the last datagram out */
    uint64_t sent_at_ns;   /* the last datagram out */
};

enum mapping_verdict {
    MAPPING_SOLICITED,   /* the flow has sent something to the address */
    MAPPING_UNSOLICITED, /* the filter lets it in; it is the first to go where room ends */
    MAPPING_FILTERED,
};

/* It is idle from `now` on. */
void mapping_init(struct mapping *mapping, bool by_address, uint64_t now);
/* Safe on a zeroed mapping. */
void mapping_deinit(struct mapping *mapping);

/* A datagram goes out to the address. Returns OK or ERROR_MEMORY; then it must not go,
 * since its answer would not be let in. */
int mapping_send(struct mapping *mapping, const struct address *to,
                 uint64_t now) MUST_CHECK;
/* A datagram came from the address. */
enum mapping_verdict mapping_receive(struct mapping *mapping, const struct address *from);
/* When the mapping ends, unless something goes out before. */
uint64_t mapping_ends_at(const struct mapping *mapping);

#endif
