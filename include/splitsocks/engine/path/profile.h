/* SPDX-License-Identifier: MIT */
/*
 * Learns what a network allows one connection, by counting how the connections of one path
 * and port fare, byte by byte. From this follow how much each connection should carry,
 * which connections go ahead into the unknown, and the reports for people.
 *
 * A connection has four coordinates: bytes up, bytes down, their sum, and its age. Each
 * coordinate has buckets, which count the connections that passed through them and those
 * that died in them. The budget is the position that yields most bytes for each second in
 * which a connection takes a place in the pool (renewal-reward: the expected bytes of a
 * connection, divided by the expected time from one dial to the next, deaths and dials
 * included).
 *
 *     profile_connection_begin(), profile_progress() ..., profile_ended() for each
 *     connection; profile_judge() now and then; profile_connection_limit() says how much a
 *     connection may carry
 *
 * Times are nanoseconds, given by the caller. Positions are payload bytes of TCP, or
 * nanoseconds for the age. A profile takes about 20 KiB once a connection has carried
 * something.
 */
#ifndef SPLITSOCKS_PROFILE_H
#define SPLITSOCKS_PROFILE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/outbox/session_limit.h>

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_UNLIMITED UINT64_MAX
/* The least budget of a direction, bytes. */
#define PROFILE_BUDGET_MIN 1000
/* A limit is told, and kept in the state file, from this confidence on. */
#define PROFILE_CERTAIN 0.5

enum profile_end {
    PROFILE_WORN_OUT, /* either side retired it in order: no death */
    PROFILE_FROZEN,   /* it no longer carried anything, while data sent later on this path
                         and port was answered */
    PROFILE_RESET,    /* a reset that neither side sent */
    PROFILE_IDLE,     /* it died while no data waited: the keepalive's concern */
    PROFILE_NO_EVIDENCE, /* an outage, a dial that failed, a relay that restarted */
};

/* The part of a profile that each connection keeps. All zero: not begun, and calls with it
 * have no effect. */
struct profile_connection {
    uint64_t begun_at_ns;
    uint64_t seen_at_ns;  /* last call of profile_progress() */
    uint64_t grown_at_ns; /* when it last carried something */
    uint64_t bytes[2];
    uint64_t
        safe[PROFILE_COORDINATES]; /* the explorer's: the budgets when it was dialled */
    float waited_s[2];             /* time for which data waited since it entered this
                                      bucket */
    uint16_t bucket[PROFILE_COORDINATES]; /* the present bucket */
    uint8_t ending;                       /* its place among the endings that are kept */
    bool begun;
    bool dead; /* its death can be undone */
    bool explorer;
    bool leads;          /* it goes beyond the positions that others have passed */
    bool anchor;         /* the least used of few */
    uint32_t generation; /* of the profile */
};

/* The engine's figures about the network at the time of a judgement. */
struct profile_network {
    uint64_t round_trip_ns; /* least round trip */
    /* Time from a death until another connection has the place. */
    uint64_t replaced_after_ns;
    uint64_t zombie_for_ns; /* how much longer the network keeps the place:
                               dial_limit_zombie_ns() */
    uint64_t cycle_min_ns;  /* dial_limit_cycle_ns(); 0: dials are not limited */
    unsigned open;          /* connections of the path and port */
    bool singly; /* connections wait longer than a handshake: path_limits_singly() */
};

enum profile_news {
    PROFILE_NEWS_NONE,
    PROFILE_NEWS_FOUND,
    PROFILE_NEWS_CHANGED,
    PROFILE_NEWS_LIFTED,
};

/* Connections that died young one after the other; see profile_vain.c. */
struct profile_vain {
    uint64_t died_at_ns;
    uint64_t limit[2]; /* of the next connections, by direction */
    unsigned rounds;
};

struct profile {
    struct profile_tables *tables;  /* owned; NULL until something was carried */
    struct profile_network network; /* of the last judgement */
    uint64_t budget[PROFILE_COORDINATES];
    uint64_t passed[2];      /* the furthest position of any connection, by direction */
    uint64_t died_at_ns;     /* time of the last death; 0: none */
    uint64_t death_bytes[2]; /* least positions of recent deaths */
    unsigned deaths;         /* how many deaths are recent */
    uint64_t explore_at_ns;  /* when the next explorer may be dialled */
    uint64_t explore_after_ns;
    uint64_t judged_at_ns;
    uint64_t told_at_ns;
    struct profile_finding told;        /* the last report */
    double yield, cycle_s, cycle_bytes; /* of the busier direction, at the budget */
    double fate;         /* chance that a connection dies before its budget */
    double change;       /* evidence that the network has changed (CUSUM) */
    double busy[2];      /* recent bytes, for the mix of directions */
    uint32_t generation; /* counts resets */
    unsigned suspects;   /* endings since that evidence was none */
    struct profile_vain vain;
    bool exploring;      /* an explorer is under way */
    bool stale;          /* there is evidence since the last judgement */
    bool urgent;         /* a death is among it */
    bool told_any;       /* `told` is in force */
};

void profile_init(struct profile *profile);
void profile_deinit(struct profile *profile);
/* Another network: forgets everything. Open connections are no evidence any more. */
void profile_reset(struct profile *profile);

/* A connection is dialled. `explorer`: only once profile_explore_at_ns() has passed, and if
 * the pool can spare a connection. */
void profile_connection_begin(struct profile *profile,
                              struct profile_connection *connection, bool explorer,
                              uint64_t now);
/* Call it when bytes were received or acknowledged, and some ten times a second while data
 * waits. The bytes are the connection's totals. `waits` has the bit 1 << PROFILE_UP or 1
 * << PROFILE_DOWN if data of that direction has waited since the last call. */
void profile_progress(struct profile *profile, struct profile_connection *connection,
                      uint64_t bytes_up, uint64_t bytes_down, unsigned waits, uint64_t now);
/* Call it once. A death counts at the position of the last profile_progress(). */
void profile_ended(struct profile *profile, struct profile_connection *connection,
                   enum profile_end end, uint64_t now);
/* Something came on a connection that was counted as dead. */
void profile_undo(struct profile *profile, struct profile_connection *connection);

/* Whether the budgets should be judged: at most four times in a round trip, but at once
 * after a death. */
bool profile_judge_due(const struct profile *profile, uint64_t round_trip_ns, uint64_t now);
/* Computes the budgets again when that is due, and there is new evidence or the network
 * differs. That takes at most PROFILE_BUCKETS steps for each coordinate. True: a budget has
 * fallen by a fifth or more, so that more connections are needed. */
bool profile_judge(struct profile *profile, const struct profile_network *network,
                   uint64_t now);

/* One of so many connections leads: it goes beyond what others have carried. */
#define LEAD_PART 8

/* The bytes (or the age) that a connection should reach. For the directions this takes the
 * sum and the recent mix into account, and is at least PROFILE_BUDGET_MIN. */
uint64_t profile_budget(const struct profile *profile, enum profile_coordinate coordinate);
/* The bytes that an open connection may carry in all, at present; never less than it has
 * carried. */
uint64_t profile_connection_limit(const struct profile *profile,
                                  const struct profile_connection *connection,
                                  enum profile_coordinate coordinate);
/* Beyond this position an explorer carries only copies of data that went elsewhere. */
uint64_t profile_connection_safe(const struct profile_connection *connection,
                                 enum profile_coordinate coordinate);
/* Whether an explorer has taken so long that it should be retired. */
bool profile_connection_slow(const struct profile *profile,
                             const struct profile_connection *connection, uint64_t now);
/* Chooses the leaders among the open connections. All of them are established, usable and
 * no explorers. */
void profile_choose_leaders(struct profile_connection **connections, unsigned count);

/* When the next dial may be an explorer; TIME_NEVER: one is under way, or there is nothing
 * to explore. */
uint64_t profile_explore_at_ns(const struct profile *profile, unsigned open);

/* Bytes a second that a connection's place yields at the budget; 0: not known. */
double profile_yield(const struct profile *profile);
/* The expected time from one dial to the next in a place, and the bytes carried in it. */
uint64_t profile_cycle_ns(const struct profile *profile);
uint64_t profile_cycle_bytes(const struct profile *profile);

/* The most certain limit; false: none is known. */
bool profile_finding(const struct profile *profile, struct profile_finding *finding);
/* The changes to report since the last call; each is returned once. */
enum profile_news profile_take_news(struct profile *profile,
                                    struct profile_finding *finding, uint64_t now);

/* False: there is nothing worth keeping. */
bool profile_save(const struct profile *profile,
                  struct profile_memory memory[PROFILE_COORDINATES]);
/* A loaded memory counts as much as three connections. */
int profile_load(struct profile *profile,
                 const struct profile_memory memory[PROFILE_COORDINATES]) MUST_CHECK;

#endif
