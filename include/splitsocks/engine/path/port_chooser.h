/* SPDX-License-Identifier: MIT */
/*
 * Chooses the relay's port for the next dial. Networks block some ports and limit others;
 * the relay listens on several so that a working one can be found and the load shared.
 *
 * Each port has its own governor. Working ports are preferred, and among those that may be
 * dialled at once the random number decides. A port that does not work, or was never
 * tried, is probed now and then. A probe takes a place in the pool for as long as a SYN
 * may hang, so probes are rare, and rarer the longer a port has been failing.
 *
 * Only when no port works are all of them dialled: first those where the relay was heard,
 * then the others in the order of the list. So a dial never waits longer than one governor
 * asks for.
 *
 * Things that fail independently, such as paths, need a chooser each.
 */
#ifndef SPLITSOCKS_PORT_CHOOSER_H
#define SPLITSOCKS_PORT_CHOOSER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/path/governor.h>

/* A working port is given up, and a path counts as dead, after so many failures in a row:
 * at 1% of random loss that is one dial in a million, and a port that becomes blocked is
 * left within 3 time-outs. */
#define DIALS_IN_VAIN 3
/* Time until a failed port is first probed; each further failure doubles it, up to the
 * maximum. With 64 blocked ports that is one probe in 5 s. */
#define PORT_PROBE_NS (2 * NS_PER_S)
#define PORT_PROBE_MAX_NS (300 * NS_PER_S)
/* The least time between two probes of any ports: probes, which hang for a SYN's 250 ms,
 * take at most one place in the pool. */
#define PORT_PROBE_GAP_NS (500 * NS_PER_MS)

struct port_chooser {
    struct port_state *ports; /* owned */
    unsigned count;
    double dials_per_second;
    uint64_t next_probe_at_ns;
};

/* For ports 0..count-1, count >= 1. Each port has the ceiling, as in governor_init().
 * Returns OK or ERROR_MEMORY. */
int port_chooser_init(struct port_chooser *chooser, unsigned count,
                      double dials_per_second) MUST_CHECK;
void port_chooser_deinit(struct port_chooser *chooser);
/* Forgets everything: this is another network. */
void port_chooser_reset(struct port_chooser *chooser);

/* The port to dial next, and in `*when` the time: `now` or earlier means at once; else ask
 * again then. Changes nothing; `random` is a uniform random number. */
unsigned port_chooser_pick(const struct port_chooser *chooser, uint64_t random,
                           uint64_t now, uint64_t *when);
/* A dial to `port` was begun. */
void port_chooser_dialled(struct port_chooser *chooser, unsigned port, uint64_t now);
/* Reports the result of a dial that began at `dialled_at_ns`; see governor_result(). */
void port_chooser_result(struct port_chooser *chooser, unsigned port,
                         enum dial_result result, uint64_t dialled_at_ns, uint64_t now);
/* A connection to `port` leads to the relay: the port works. An established connection
 * alone does not show that, since a middlebox may have accepted it. */
void port_chooser_proven(struct port_chooser *chooser, unsigned port);
/* A connection was established and has ended without proving that it leads to the relay.
 * It counts as a failure of the port, but not against the rate of dials. */
void port_chooser_unproven(struct port_chooser *chooser, unsigned port, uint64_t now);

#endif
