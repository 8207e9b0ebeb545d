/* SPDX-License-Identifier: MIT */
/*
 * Black holes: paths on which packets above some size vanish, and nobody tells (the ICMP
 * message that should is filtered, or never sent by a tunnel). TCP alone does not get over
 * that unless the kernel probes for it, and then slowly.
 *
 * `struct large_packets` is what the sender knows of one direction of a path. A connection
 * on which a large packet was sent, and none has ever arrived, proves nothing by its death:
 * the path may have been out. When something small that was sent later does arrive, the
 * size was the cause. Networks that limit how much a connection may carry look different:
 * there, the first large packets of a connection do arrive.
 *
 * `struct packet_ladder` holds the packet size that a path uses, and when a larger one is
 * tried again. Sizes are those of IP packets; times are nanoseconds, given by the caller.
 */
#ifndef SPLITSOCKS_PACKET_SIZE_H
#define SPLITSOCKS_PACKET_SIZE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/outbox/types.h>

#include <stdbool.h>
#include <stdint.h>

/* Payload that fits wherever anything does: a datagram of 576 bytes, which every host takes
 * (RFC 791), less 40 of headers, 12 of timestamps, and a JOIN header. */
#define PACKET_SMALL 480
/* Payload of a connection's packets on Ethernet, while TCP has not said: 1500 less headers
 * and timestamps. */
#define PACKET_PAYLOAD_USUAL 1448
/* What a packet has on top of its payload: IPv4, TCP and timestamps. For IPv6, 20 more:
 * taking it for smaller than it is does no harm. */
#define PACKET_HEADERS 52
/* Connections in a row that must have lost what is large. One alone may be bad luck: on a
 * path that drops a tenth of its packets, the first one is sent again once and still lost
 * on one connection in a hundred. */
#define LARGE_FAILURES 2

struct large_packets {
    uint64_t lost_ns;    /* when it was sent, while its loss is not explained; 0: none is */
    uint64_t failed_ns;  /* when the last failure was counted */
    uint32_t lost_bytes; /* payload of that packet */
    unsigned failures;   /* in a row, since a packet as large last arrived */
    uint32_t failed_bytes; /* least payload that failed in this row */
    bool passed;           /* one of full size has arrived since the last failure */
};

/* A connection has ended on which a packet of `bytes` payload, sent at `sent_ns`, and all
 * its repetitions were lost, and nothing as large had arrived. */
void large_packets_lost(struct large_packets *large, uint64_t sent_ns, uint32_t bytes);
/* Something that was sent on the path at `sent_ns` has arrived; true when that is one more
 * failure of what is large. */
bool large_packets_explain(struct large_packets *large, uint64_t sent_ns, uint64_t now);
/* A packet of so much payload has arrived; `full`: its connection sends none larger. */
void large_packets_passed(struct large_packets *large, uint32_t bytes, bool full);
/* Packets of that payload fail on the path, as far as is known. */
bool large_packets_fail(const struct large_packets *large, uint32_t bytes);
/* How long to wait behind a failure before that is tried again. */
uint64_t large_packets_wait_ns(const struct large_packets *large);

/* The directions of which a larger size was found too large. */
enum { PACKET_UP = 1, PACKET_DOWN = 2 };

struct packet_ladder {
    uint16_t size;      /* IP packets of the path; 0: the link's own */
    uint8_t directions; /* that do not let larger ones through, or-ed */
    bool given_up;      /* no size helps: the link's own is used until the retry */
    uint8_t doublings;  /* of the wait: larger sizes that failed since it was set */
    uint64_t wait_ns;   /* from a failure to the first try of a larger size */
    uint64_t
        retry_ns; /* when a larger size is tried; TIME_NEVER: not, or it is under way */
};

/* `wait_ns`: the first wait; TIME_NEVER: larger sizes are never tried again. */
void packet_ladder_init(struct packet_ladder *ladder, uint64_t wait_ns);
/* Packets of `size` fail in the direction; true when another size is to be used now. */
bool packet_ladder_lower(struct packet_ladder *ladder, unsigned size, unsigned direction,
                         uint64_t now);
/* It was so when the path was last used, or somebody who knows has said so. */
void packet_ladder_set(struct packet_ladder *ladder, uint16_t size, uint64_t now);
/* A larger size is to be tried now, with one connection: this one (0: the link's own). */
uint16_t packet_ladder_try(struct packet_ladder *ladder);
/* The trial has ended, without the larger size having passed where it has to. `failed`: it
 * was seen to fail. */
void packet_ladder_tried(struct packet_ladder *ladder, bool failed, uint64_t now);
/* It has passed, in the directions that matter. */
void packet_ladder_raise(struct packet_ladder *ladder, uint16_t size, uint64_t now);

#endif
