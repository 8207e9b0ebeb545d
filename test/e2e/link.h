/* SPDX-License-Identifier: MIT */
/* One direction of an emulated link, as a value: packets and the time go in, packets come
 * out.
 *
 *     put -> [loss] -> queue (drop-tail, served at the rate) -> delay line -> get
 *
 * A packet leaves the queue when the bottleneck has sent its last bit and arrives `delay`
 * plus a uniform share of `jitter` later, never before the packet ahead of it. A change of
 * the rate holds for the packets that are in the queue; a change of the delay for those
 * that leave it from then on. */
#ifndef TEST_E2E_LINK_H
#define TEST_E2E_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct packet {
    struct packet *next;
    uint64_t arrives_at_ns;
    size_t length;
    uint8_t bytes[];
};

struct packet_queue {
    struct packet *first, **last;
    size_t packets, bytes;
};

struct direction {
    /* These may be changed at any time. */
    uint64_t rate;      /* bits per second; 0: no bottleneck */
    uint64_t delay_ns;  /* one way */
    uint64_t jitter_ns; /* added to the delay, uniform in 0..jitter */
    uint64_t limit;     /* bytes the queue holds at most */
    uint64_t mtu;       /* longer packets vanish; 0: none does */
    double loss;        /* probability, 0..1 */
    bool off;           /* a black hole: packets that enter, wait or travel are lost */
    uint64_t flap_on_ns, flap_off_ns; /* so long up, then so long a black hole, and again;
                                         0: always up */

    uint64_t random; /* the generator's state, seeded by direction_init */
    /* Of the schedule; black holes that have begun since. */
    uint64_t flap_start_at_ns, flaps;
    struct packet_queue queue, line;
    uint64_t
        sending_until_ns; /* when the queue's first packet has been sent, if there is one */
    uint64_t last_arrival_at_ns;

    struct {
        uint64_t packets, bytes; /* delivered */
        uint64_t lost, overflowed, oversize, blackholed;
        uint64_t longest_queue; /* bytes */
        uint64_t latest_ns;     /* the most that a packet was delivered behind its time */
    } stats;
};

void direction_init(struct direction *direction, uint64_t seed);
void direction_deinit(struct direction *direction);

/* Sets one "key=value": rate, delay, jitter, loss, limit, mtu, off, flap. The last is two
 * durations, "flap=ON/OFF", and "flap=none" ends it. False when it is none of these. */
bool direction_set(struct direction *direction, const char *assignment, uint64_t now);

/* Takes ownership of a packet that enters at `now`. */
void direction_put(struct direction *direction, struct packet *packet, uint64_t now);

/* The next packet that has arrived by `now`, to be freed by the caller; NULL when there is
 * none. */
struct packet *direction_get(struct direction *direction, uint64_t now);

/* When direction_get has to be called next; TIME_NEVER while nothing is under way. */
uint64_t direction_next_at_ns(const struct direction *direction);

/* Writes the counters as a JSON object. */
void direction_report(const struct direction *direction, FILE *out);

#endif
