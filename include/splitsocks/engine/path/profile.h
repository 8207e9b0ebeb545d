/* SPDX-License-Identifier: MIT */
/*
 * What a network lets one connection do: how the connections of one path and port fare,
 * byte by byte. From that follow how much each connection should carry, which connections
 * go ahead into the unknown, and what people are told.
 *
 * A connection has four coordinates: bytes up, bytes down, their sum, and its age. Each
 * coordinate has buckets in which connections are counted that came past, and that died.
 * The budget is the position that yields most bytes for each second that a connection's
 * place in the pool is taken (renewal-reward: expected bytes of a connection by the
 * expected time from one dial to the next, with deaths and dials in it).
 *
 *     profile_connection_begin(), profile_progress() ..., profile_ended() for each
 * connection; profile_judge() now and then; profile_connection_limit() says what a
 * connection may carry
 *
 * Times are nanoseconds, given by the caller. Positions are payload bytes of TCP, and for
 * the age nanoseconds. A profile takes about 20 KiB once a connection has carried
 * something.
 */
#ifndef SPLITSOCKS_PROFILE_H
#define SPLITSOCKS_PROFILE_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_UNLIMITED UINT64_MAX

enum profile_coordinate {
    PROFILE_UP,
    PROFILE_DOWN,
    PROFILE_SUM,
    PROFILE_AGE,
    PROFILE_COORDINATES,
};

enum profile_end {
    PROFILE_WORN_OUT, /* retired in order by either side: no death */
    PROFILE_FROZEN,   /* carried nothing any more, and something that was sent later on this
                         path   and port was answered */
    PROFILE_RESET,    /* a reset that neither side sent */
    PROFILE_IDLE,     /* died while no data waited: a matter of the keepalive's interval */
    PROFILE_NO_EVIDENCE, /* an outage, a dial that failed, a relay that restarted */
};

/* The part of a profile that each connection holds. All zero: not begun, and every call
 * with such a connection does nothing. */
struct profile_connection {
    uint64_t begun_ns;
    uint64_t seen_ns;  /* the last call of profile_progress() */
    uint64_t grown_ns; /* when it last carried something */
    uint64_t bytes[2];
    uint64_t
        safe[PROFILE_COORDINATES]; /* the explorer's: the budgets when it was dialled */
    float waited_s[2];             /* that data waited since the last bucket was crossed */
    uint16_t bucket[PROFILE_COORDINATES]; /* the one it is in */
    uint8_t ending;                       /* its place among the endings that are kept */
    bool begun;
    bool dead; /* its death can be undone */
    bool explorer;
    bool leads;          /* goes beyond what was passed before */
    bool anchor;         /* the least used of few */
    uint32_t generation; /* of the profile */
};

/* What the engine knows of the network at the time of a judgement. */
struct profile_network {
    uint64_t round_trip_ns; /* the least */
    uint64_t death_ns;      /* from a death until another connection has its place */
    uint64_t
        zombie_ns; /* how much longer the network keeps the place: dial_limit_zombie_ns() */
    uint64_t cycle_min_ns; /* dial_limit_cycle_ns(); 0: dials are not limited */
    unsigned open;         /* connections of the path and port */
};

enum profile_kind {
    PROFILE_KIND_FREEZE,
    PROFILE_KIND_RESET,
    PROFILE_KIND_SLOW, /* connections become slower there */
};

enum profile_news {
    PROFILE_NEWS_NONE,
    PROFILE_NEWS_FOUND,
    PROFILE_NEWS_CHANGED,
    PROFILE_NEWS_LIFTED,
};

struct profile_finding {
    enum profile_kind kind;
    enum profile_coordinate coordinate;
    uint64_t position; /* where connections die or become slow */
    uint64_t budget;   /* what each carries now */
    uint64_t rate;     /* bytes a second behind the position; kind SLOW alone */
    double confidence; /* 0 to 1 */
};

/* What the state file keeps of a coordinate; position 0: nothing. */
struct profile_memory {
    uint64_t position, rate;
    enum profile_kind kind;
};

struct profile {
    struct profile_tables *tables;  /* owned; NULL until something was carried */
    struct profile_network network; /* of the last judgement */
    uint64_t budget[PROFILE_COORDINATES];
    uint64_t passed[2];      /* the furthest that any connection came in a direction */
    uint64_t sure[2];        /* as far as three have come */
    uint64_t late_ns;        /* when a connection was last seen to be late */
    uint64_t death_ns;       /* the last death; 0: none */
    uint64_t death_bytes[2]; /* the least positions of the deaths of late */
    uint64_t explore_ns;     /* when the next explorer may be dialled */
    uint64_t explore_wait_ns;
    uint64_t judged_ns;
    uint64_t told_ns;
    struct profile_finding told;        /* what was reported last */
    double yield, cycle_s, cycle_bytes; /* of the busier direction, at the budget */
    double fate;         /* chance of a connection to die before its budget */
    double change;       /* evidence that the network has changed (CUSUM) */
    double busy[2];      /* bytes of late, for the mix of directions */
    uint32_t generation; /* counts resets */
    unsigned suspects;   /* endings since that evidence was none */
    bool exploring;      /* an explorer is under way */
    bool stale;          /* evidence has come since the last judgement */
    bool urgent;         /* a death was among it */
    bool told_any;       /* `told` is in force */
};

void profile_init(struct profile *profile);
void profile_deinit(struct profile *profile);
/* Another network: all is forgotten. Connections that are open are no evidence any more. */
void profile_reset(struct profile *profile);

/* A connection is dialled. `explorer`: profile_may_explore(), and the pool can spare one.
 */
void profile_connection_begin(struct profile *profile,
                              struct profile_connection *connection, bool explorer,
                              uint64_t now);
/* To be called when bytes were received or acknowledged, and some ten times a second while
 * data waits. The bytes are totals of the connection. `waits` has the bit 1 << PROFILE_UP
 * or 1 << PROFILE_DOWN when data of that direction has waited since the last call and the
 * connection was allowed to carry it: not while profile_connection_holds(). */
void profile_progress(struct profile *profile, struct profile_connection *connection,
                      uint64_t bytes_up, uint64_t bytes_down, unsigned waits, uint64_t now);
/* To be called once. A death is where the last profile_progress() was. */
void profile_ended(struct profile *profile, struct profile_connection *connection,
                   enum profile_end end, uint64_t now);
/* Something of a connection was heard that was counted as dead. */
void profile_undo(struct profile *profile, struct profile_connection *connection);

/* Computes the budgets again when there is evidence for it or the network differs. That
 * takes at most PROFILE_BUCKETS steps for each coordinate, and is done at most four times
 * in a round trip, but at once after a death. True: a budget has fallen by a fifth or more,
 * so that as many more connections are needed. */
bool profile_judge(struct profile *profile, const struct profile_network *network,
                   uint64_t now);

/* What a connection should carry. In the directions this counts with the sum and the mix of
 * late. */
uint64_t profile_budget(const struct profile *profile, enum profile_coordinate coordinate);
/* What an open connection may carry in all, as things are now; never less than what it has
 * carried. */
uint64_t profile_connection_limit(const struct profile *profile,
                                  const struct profile_connection *connection,
                                  enum profile_coordinate coordinate);
/* The connection is at its limit only because others go first. It waits and is not retired.
 */
bool profile_connection_holds(const struct profile *profile,
                              const struct profile_connection *connection,
                              enum profile_coordinate coordinate, uint64_t now);
/* Beyond this position an explorer carries only copies of what went elsewhere. */
uint64_t profile_connection_safe(const struct profile_connection *connection,
                                 enum profile_coordinate coordinate);
/* An explorer has taken so long that it is to be retired. */
bool profile_connection_slow(const struct profile *profile,
                             const struct profile_connection *connection, uint64_t now);
/* Chooses those of the open connections that lead. All of them are established, usable and
 * no explorers. */
void profile_choose_leaders(struct profile_connection **connections, unsigned count);
/* A connection is late: those behind the leaders wait no longer. */
void profile_late(struct profile *profile, uint64_t now);

/* When the next dial may be an explorer; TIME_NEVER: one is under way, or there is nothing
 * to explore. */
uint64_t profile_explore_ns(const struct profile *profile, unsigned open);

/* Bytes a second that a connection's place yields at the budget; 0: not known. */
double profile_yield(const struct profile *profile);
/* The expected time from one dial to the next in a place, and what is carried in it. */
uint64_t profile_cycle_ns(const struct profile *profile);
uint64_t profile_cycle_bytes(const struct profile *profile);

/* The limit that is most certain; false: none is known. */
bool profile_finding(const struct profile *profile, struct profile_finding *finding);
/* What has to be told since the last call, once for each change. */
enum profile_news profile_take_news(struct profile *profile,
                                    struct profile_finding *finding, uint64_t now);

/* False: nothing is known that is worth to be kept. */
bool profile_save(const struct profile *profile,
                  struct profile_memory memory[PROFILE_COORDINATES]);
/* What is loaded counts for three connections. */
int profile_load(struct profile *profile,
                 const struct profile_memory memory[PROFILE_COORDINATES],
                 uint64_t now) MUST_CHECK;

#endif
