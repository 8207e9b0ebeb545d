/* SPDX-License-Identifier: MIT */
/* A middlebox that limits TCP connections: by the bytes that each may carry, by its rate,
 * by its age, by how many may be open and how many may begin in a second. Packets count
 * with their IP headers, retransmissions too. A connection that is cut is frozen: the
 * packet that goes beyond its limit is dropped, and so is each later one, FINs and resets
 * among them. Or it is reset at both ends. Ports of the responder may have limits of their
 * own. IPv6 passes. */
#ifndef TEST_E2E_TCPBOX_H
#define TEST_E2E_TCPBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcptable.h"

enum { TCPBOX_RESET_SIZE = 40, TCPBOX_PORTS_MAX = 8 };

/* A limit of 0 is none. */
struct tcpbox_limits {
    uint16_t port; /* 0: of all ports that have no limits of their own */
    bool blocked;  /* no SYN passes */

    /* One connection. */
    uint64_t most;        /* bytes */
    bool counts[2];       /* the packets of the initiator, of the responder */
    bool resets;          /* both ends get a reset when the bytes are carried */
    uint64_t slow_after;  /* bytes of all packets; then each direction has the rate */
    uint64_t slow_rate;   /* bits per second */
    uint64_t police_rate; /* the same from the beginning */
    uint64_t age_ns;      /* an older connection is cut when its next packet comes */
    bool age_resets;
    double jitter; /* bytes and age differ by up to this part for each connection */

    /* All connections. One is open from its SYN until an end of it passes (a reset, or
     * both FINs). When an end of it is dropped, its entry stays for a while. */
    uint64_t open_most; /* further SYNs are dropped */
    uint64_t dead_ns;   /* how long an entry stays then */
    uint64_t syns_per_second;
    bool refuses; /* SYNs beyond get a reset; else they are dropped */

    /* As of now. */
    size_t open;
    double syns; /* that may pass, as of `filled_at_ns` */
    uint64_t filled_at_ns;
};

struct tcpbox {
    struct tcp_table table; /* of struct boxed */
    struct tcpbox_limits limits[1 + TCPBOX_PORTS_MAX]; /* the first is that of no port */
    size_t count;
    uint64_t random;
    uint64_t cut, dropped_syns; /* connections; SYNs, or refused */
};

enum tcpbox_verdict {
    TCPBOX_PASS,
    TCPBOX_DROP,
    TCPBOX_RESET, /* and a reset for each end */
    TCPBOX_REFUSE /* and a reset for the sender */
};

/* Resets for the sender and the receiver of the packet that brought the verdict. */
struct tcpbox_resets {
    uint8_t to_sender[TCPBOX_RESET_SIZE], to_receiver[TCPBOX_RESET_SIZE];
};

void tcpbox_init(struct tcpbox *box);
void tcpbox_deinit(struct tcpbox *box);

/* Sets all limits, or with "port=NUMBER" in front those of that port alone; without the
 * port, those of single ports end. The words are joined by commas:
 *
 *     none                no limit (this word alone)
 *     blocked             no SYN passes
 *     freeze=SIZE         each connection is frozen after so many bytes; "SIZE/up": only
 *                         the initiator's packets count, "SIZE/down": the responder's
 *     reset=SIZE          the same with resets
 *     jitter=PERCENT      bytes and age differ by up to so much for each connection
 *     police=RATE         of each direction of a connection
 *     slow=SIZE:RATE      the same after so many bytes, of both directions together
 *     age=DURATION        an older connection is frozen
 *     age-reset=DURATION  or reset
 *     open=NUMBER         so many at once; "NUMBER:DURATION": how long dead entries stay
 *     syns=NUMBER         so many SYNs a second, the others are dropped
 *     refuse=NUMBER       or answered by a reset
 *
 * What open connections have carried goes on to count. False: the words are none of these.
 */
bool tcpbox_set(struct tcpbox *box, const char *words);

/* Judges one IP packet. TCPBOX_RESET and TCPBOX_REFUSE are drops, and fill `resets`. */
enum tcpbox_verdict tcpbox_packet(struct tcpbox *box, const uint8_t *bytes, size_t length,
                                  uint64_t now, struct tcpbox_resets *resets);

/* Writes the counters as a JSON object. */
void tcpbox_report(struct tcpbox *box, uint64_t now, FILE *out);

/* tcpbox_words.c: reads the words, without a port, into limits that are all 0. */
bool tcpbox_read(struct tcpbox_limits *limits, const char *words);

#endif
