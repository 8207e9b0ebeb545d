/* SPDX-License-Identifier: MIT */
/*
 * Which of the relay's ports is dialled next. Networks block some ports and limit others;
 * the relay listens on several so that one that works can be found and the load shared.
 *
 * Each port has its own governor. Ports that work are preferred, and among those that may
 * be dialled at once the random number decides. A port that does not work, or was never
 * tried, is probed now and then: a probe takes a place in the pool for as long as a SYN
 * may hang, so probes are rare, and rarer the longer a port has been failing.
 *
 * Only when no port works are all of them dialled, those where the relay was heard
 * before others and else in the order of listing: the time to wait is never longer than one governor's.
 *
 * What fails by itself, such as a path, should have a chooser of its own.
 */
#ifndef SPLITSOCKS_PORT_CHOOSER_H
#define SPLITSOCKS_PORT_CHOOSER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/path/governor.h>

/* A working port is given up after three failures in a row: at 1% of random loss that is
 * one dial in a million, while a port that is blocked now is left within 3 time-outs. */
#define PORT_FAILURES 3
/* The first probe of a port that failed; each further failure doubles the time, up to the
 * maximum. With 64 blocked ports that is one probe in 5 s. */
#define PORT_PROBE_NS (2 * NS_PER_S)
#define PORT_PROBE_MAX_NS (300 * NS_PER_S)
/* The least time between two probes, of whichever ports: at most one place in the pool is
 * taken by probes that hang for a SYN's 250 ms. */
#define PORT_PROBE_GAP_NS (500 * NS_PER_MS)

struct port_chooser {
    struct port_state *ports; /* owned */
    unsigned count;
    double dials_per_second;
    uint64_t next_probe_ns;
};

/* For ports 0..count-1, count >= 1; the ceiling as governor_init() has it, for each port.
 * Returns OK or ERROR_MEMORY. */
int port_chooser_init(struct port_chooser *chooser, unsigned count,
                      double dials_per_second) MUST_CHECK;
void port_chooser_deinit(struct port_chooser *chooser);
/* Forgets all that was learned: the network is another. */
void port_chooser_reset(struct port_chooser *chooser);

/* The port to dial next, and in `*when` the time: not later than `now` means at once. With
 * a later time, ask again then. Changes nothing; `random` is a uniform random number. */
unsigned port_chooser_pick(const struct port_chooser *chooser, uint64_t random,
                           uint64_t now, uint64_t *when);
/* A dial to `port` was begun. */
void port_chooser_dialled(struct port_chooser *chooser, unsigned port, uint64_t now);
/* What became of a dial begun at `dialled_ns`; see governor_result(). */
void port_chooser_result(struct port_chooser *chooser, unsigned port,
                         enum dial_result result, uint64_t dialled_ns, uint64_t now);
/* A connection to `port` leads to the relay: the port works. An established connection
 * alone does not show that, since a box on the way may take it. */
void port_chooser_proven(struct port_chooser *chooser, unsigned port);
/* One was established, and has ended without that: it counts as a failure, but not against
 * the rate of dials. */
void port_chooser_unproven(struct port_chooser *chooser, unsigned port, uint64_t now);

#endif
