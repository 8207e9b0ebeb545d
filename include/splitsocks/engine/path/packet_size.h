/* SPDX-License-Identifier: MIT */
/*
 * Black holes: paths on which packets above some size vanish without notice (the ICMP
 * message is filtered, or a tunnel never sends it). TCP alone does not get past that,
 * unless the kernel probes for it, and then slowly.
 *
 * `struct large_packets` is the sender's knowledge of one direction of a path. When a
 * connection dies on which a large packet was sent and none ever arrived, that alone
 * proves nothing: the path may have been out. When something small that was sent later
 * does arrive, the size was the cause. Networks that limit how much a connection may carry
 * look different: there, the first large packets of a connection do arrive.
 *
 * `struct packet_ladder` holds the packet size that a path uses, and the time when a
 * larger one is tried again. Sizes are those of IP packets; times are nanoseconds, given
 * by the caller.
 */
#ifndef SPLITSOCKS_PACKET_SIZE_H
#define SPLITSOCKS_PACKET_SIZE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/outbox/types.h>

#include <stdbool.h>
#include <stdint.h>

/* Payload that passes on every path: a datagram of 576 bytes, which every host accepts
 * (RFC 791), less 40 of headers, 12 of timestamps, and a JOIN header. */
#define PACKET_SMALL 480
/* Payload of a connection's packets on Ethernet, assumed until TCP reports it: 1500 less
 * headers and timestamps. */
#define PACKET_PAYLOAD_USUAL 1448
/* Headers of a packet: IPv4, TCP and timestamps. IPv6 needs 20 more; counting too few does
 * no harm. */
#define PACKET_HEADERS 52
/* Connections in a row that must have lost their large packets. One alone may be bad luck:
 * on a path that drops a tenth of its packets, one connection in a hundred loses its first
 * packet and the repetition. */
#define LARGE_FAILURES 2

struct large_packets {
    uint64_t lost_sent_at_ns; /* send time of a loss not explained yet; 0: none */
    uint64_t failed_at_ns;    /* when the last failure was counted */
    uint32_t lost_bytes;      /* payload of that packet */
    unsigned failures;        /* in a row, since a packet of that size last arrived */
    uint32_t failed_bytes;    /* least payload that LARGE_FAILURES in a row bear out */
    uint32_t previous_bytes;  /* payload of the last failure, unless one as large arrived */
    bool passed;           /* a full-sized packet has arrived since the last failure */
};

/* A connection has ended that had sent a packet of `bytes` payload at `sent_at_ns`. The
 * packet and all its repetitions were lost, and nothing as large had arrived. */
void large_packets_lost(struct large_packets *large, uint64_t sent_at_ns, uint32_t bytes);
/* Something that was sent on the path at `sent_at_ns` has arrived. True when that shows
 * that a lost packet was too large: one more failure. */
bool large_packets_explain(struct large_packets *large, uint64_t sent_at_ns, uint64_t now);
/* A packet with this payload has arrived; `full`: its connection sends none larger. */
void large_packets_passed(struct large_packets *large, uint32_t bytes, bool full);
/* Whether packets with this payload fail on the path, as far as is known. */
bool large_packets_fail(const struct large_packets *large, uint32_t bytes);
/* How long to wait after a failure before such a packet is sent again. */
uint64_t large_packets_wait_ns(const struct large_packets *large);

/* The directions in which a larger size has failed. */
enum { PACKET_UP = 1, PACKET_DOWN = 2 };

struct packet_ladder {
    uint16_t size;      /* IP packets of the path; 0: the link's own */
    uint8_t directions; /* PACKET_UP, PACKET_DOWN, or-ed: where larger ones fail */
    bool given_up;      /* no size helps: the link's own is used until the retry */
    uint8_t doublings;  /* larger sizes that failed: each doubles the wait */
    uint64_t retry_after_ns; /* from a failure to the first try of a larger size */
    uint64_t retry_at_ns;    /* next try of a larger size; TIME_NEVER: none */
};

/* `retry_after_ns`: the first wait; TIME_NEVER: larger sizes are never tried again. */
void packet_ladder_init(struct packet_ladder *ladder, uint64_t retry_after_ns);
/* Packets of `size` fail in the direction; true when the path must use another size
 * now. */
bool packet_ladder_lower(struct packet_ladder *ladder, unsigned size, unsigned direction,
                         uint64_t now);
/* Sets the size that the path used before, or that the configuration gives. */
void packet_ladder_set(struct packet_ladder *ladder, uint16_t size, uint64_t now);
/* The larger size (0: the link's own) that one connection should try now. */
uint16_t packet_ladder_try(struct packet_ladder *ladder);
/* The trial has ended before the larger size has passed in the necessary directions.
 * `failed`: packets of that size were lost. */
void packet_ladder_tried(struct packet_ladder *ladder, bool failed, uint64_t now);
/* The larger size has passed in the necessary directions. */
void packet_ladder_raise(struct packet_ladder *ladder, uint16_t size, uint64_t now);

#endif
