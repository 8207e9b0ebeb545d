/* SPDX-License-Identifier: MIT */
/* What the network lets connections do, as local's driver is told. Positions are payload
 * bytes of TCP, or nanoseconds for the age. */
#ifndef SPLITSOCKS_ENGINE_SESSION_LIMIT_H
#define SPLITSOCKS_ENGINE_SESSION_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum profile_coordinate {
    PROFILE_UP,
    PROFILE_DOWN,
    PROFILE_SUM,
    PROFILE_AGE,
    PROFILE_COORDINATES,
};

enum profile_kind {
    PROFILE_KIND_FREEZE,
    PROFILE_KIND_RESET,
    PROFILE_KIND_SLOW, /* connections become slower there */
};

struct profile_finding {
    enum profile_kind kind;
    enum profile_coordinate coordinate;
    uint64_t position; /* where connections die or become slow */
    uint64_t budget;   /* bytes (or the age) that each connection reaches now */
    uint64_t rate;     /* bytes a second beyond the position; only for kind SLOW */
    double confidence; /* 0 to 1 */
};

/* A coordinate's part of the state file; position 0: nothing. */
struct profile_memory {
    uint64_t position, rate;
    enum profile_kind kind;
};

/* What was learned of one port of one path, as the state file keeps it. */
struct port_memory {
    struct profile_memory carried[PROFILE_COORDINATES];
    unsigned connections;    /* that can be open; 0: no limit is known */
    double dials_per_second; /* 0: no limit is known */
};

/* The limit that an event is about. */
enum session_limit_kind {
    SESSION_LIMIT_CARRIED, /* how far a single connection comes */
    SESSION_LIMIT_OPEN,    /* how many connections can be open */
    SESSION_LIMIT_DIALS,   /* how many connections can be begun in a second */
};

struct session_limit {
    enum session_limit_kind kind;
    bool lifted;                    /* the network no longer has it */
    struct profile_finding finding; /* SESSION_LIMIT_CARRIED */
    unsigned connections;           /* SESSION_LIMIT_OPEN */
    double dials_per_second;        /* SESSION_LIMIT_DIALS */
};

#endif
