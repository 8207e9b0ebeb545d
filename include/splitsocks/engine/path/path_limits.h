/* SPDX-License-Identifier: MIT */
/* The learned limits of a path's connections, for each port of the relay. Local's alone.
 */
#ifndef SPLITSOCKS_PATH_LIMITS_H
#define SPLITSOCKS_PATH_LIMITS_H

#include <splitsocks/engine/path/dial_limit.h>
#include <splitsocks/engine/path/profile.h>
#include <splitsocks/engine/path/slots.h>

/* Of one port. */
struct port_limits {
    struct profile profile;
    struct dial_limit dials;
    unsigned open;          /* subflows, when it was last judged */
    uint64_t told_at_ns;    /* time of the last news; 0: there were none */
    uint64_t tell_after_ns; /* no news for so long after that */
    uint64_t look_at_ns;    /* when it is worth while to look for news again */
};

struct path_limits {
    struct port_limits **ports; /* owned; NULL until a port is dialled */
    unsigned count;             /* of ports; 0 at a relay */
    struct port_limits *best;   /* the port whose slots yield most; NULL: none yet */
    struct slots slots;
    uint64_t
        fresh_at_ns; /* when a handshake was last compared with the other round trips */
    uint64_t ask_after_ns;       /* time until another is compared, if nothing else dials */
    unsigned handshakes, queued; /* in this epoch of the slots, and those of them that
                                    waited in a queue */
    unsigned singly; /* handshakes in a row that did not, while other connections do */
    bool asked;      /* a further connection is dialled to find that out */
    bool tightened;  /* a budget has fallen since */
};

/* OK or ERROR_MEMORY. */
int path_limits_init(struct path_limits *limits, unsigned count) MUST_CHECK;
void path_limits_deinit(struct path_limits *limits);
/* Forgets everything: this is another network. */
void path_limits_reset(struct path_limits *limits, uint64_t now);
/* Of one port, created on first use; NULL: not for a relay, or out of memory. */
struct port_limits *path_limits_of(struct path_limits *limits, unsigned port);
/* Looks again for the best port, after judgements. */
void path_limits_choose_best(struct path_limits *limits);
/* Whether a limit of the port was found, has changed, or was lifted since it was last told.
 * News of a limit that comes and goes become rarer. */
bool path_limits_news(struct port_limits *port, struct session_limit *limit, uint64_t now);
/* A handshake took so long, while `least_ns` and `rtt_ns` are the path's least and smoothed
 * round trips. A handshake waits in the queue that all connections share, and in none that
 * a limit has made for single connections. */
void path_limits_fresh(struct path_limits *limits, uint64_t handshake_ns, uint64_t least_ns,
                       uint64_t rtt_ns, uint64_t now);
/* Whether handshakes of this epoch waited in a queue. */
bool path_limits_queue(const struct path_limits *limits);
void path_limits_next_epoch(struct path_limits *limits);
/* Whether single connections wait in queues of their own: one handshake may have come at a
 * moment when the common queue was short. */
bool path_limits_singly(const struct path_limits *limits);
/* Whether connections wait in some queue, so that a handshake is worth a dial. */
bool path_limits_ask(struct path_limits *limits, uint64_t least_ns, uint64_t rtt_ns,
                     uint64_t now);
/* How much a connection of the path should carry in a coordinate, at the port that yields
 * most; PROFILE_UNLIMITED when nothing limits it. */
uint64_t path_limits_budget(const struct path_limits *limits,
                            enum profile_coordinate coordinate);
/* How long a connection at its budget takes from its dial to the next one in its place, and
 * what it carries in that time; 0: not known. */
uint64_t path_limits_cycle_ns(const struct path_limits *limits);
uint64_t path_limits_cycle_bytes(const struct path_limits *limits);
/* How many connections the network lets the path have open; DIAL_LIMIT_NONE: no limit. */
unsigned path_limits_open(const struct path_limits *limits, uint64_t now);

#endif
