/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a host that has several addresses: the racing of RFC 8305 ("Happy Eyeballs
 * version 2") as a policy without sockets. The driver loops
 *
 *     while ((action = eyeballs_next(e, now, &index)) != EYEBALLS_WAIT) ...
 *
 * does what it is told, reports eyeballs_succeeded() or eyeballs_failed() for each attempt
 * it started, and calls again after that, after eyeballs_add(), and at
 * eyeballs_next_timeout().
 *
 * Addresses are tried in the order given, families taking turns from the first one on
 * (section 4 with a first address family count of 1); each attempt gets a head start of
 * EYEBALLS_DELAY_NS on the next, and a failure starts the next at once (section 5).
 */
#ifndef SPLITSOCKS_EYEBALLS_H
#define SPLITSOCKS_EYEBALLS_H

#include <splitsocks/base/target.h>
#include <splitsocks/engine/session/session.h>

/* Connection Attempt Delay, as section 8 recommends. */
#define EYEBALLS_DELAY_NS (250 * NS_PER_MS)
/* Resolution Delay of section 8: how long an IPv4 answer waits for the IPv6 one. */
#define EYEBALLS_RESOLUTION_DELAY_NS (50 * NS_PER_MS)
/* An attempt is given up after this time, that is after SYNs at 0, 1, 3 and 7 s. A person
 * will not wait for the kernel's own limit of about two minutes. */
#define EYEBALLS_TIMEOUT_NS (10 * NS_PER_S)
/* Attempts under way at once: bounds the sockets that one stream may hold. */
#define EYEBALLS_CONCURRENT 6

enum eyeballs_action {
    EYEBALLS_WAIT,      /* nothing to do now */
    EYEBALLS_START,     /* connect to addresses[index] */
    EYEBALLS_ABANDON,   /* close attempt `index`; it took too long or another has won */
    EYEBALLS_CONNECTED, /* attempt `index` has won, and all others are closed */
    EYEBALLS_FAILED,    /* nothing is left to try; eyeballs_code() says why */
};

enum eyeballs_state {
    EYEBALLS_UNTRIED,
    EYEBALLS_TRYING,
    EYEBALLS_ENDED, /* failed or abandoned */
    EYEBALLS_WON,
};

struct eyeballs {
    struct address addresses[TARGET_ADDRESSES_MAX];
    uint64_t started_at_ns[TARGET_ADDRESSES_MAX];
    uint8_t states[TARGET_ADDRESSES_MAX]; /* enum eyeballs_state */
    uint8_t count;
    uint8_t trying;      /* attempts under way */
    uint8_t last_family; /* of the last attempt */
    uint8_t code;        /* enum reset_code: the most telling failure so far */
    bool resolving;      /* more addresses may follow */
    bool started;        /* a first attempt was made */
    bool connected;
    uint8_t overtaken;   /* enum address_family, see eyeballs_overtaken() */
    uint64_t next_at_ns; /* earliest start of the next attempt */
};

/* `resolving`: the answers for IPv6 and IPv4 arrive one by one, and the caller adds each
 * as it comes, until eyeballs_resolved(); IPv6 is preferred then. Otherwise the caller
 * adds all addresses before the first eyeballs_next(), in order of preference. */
void eyeballs_init(struct eyeballs *eyeballs, bool resolving);

/* Before the first attempt: if there are both families, the other one goes first. */
void eyeballs_avoid(struct eyeballs *eyeballs, enum address_family family);

/* Adds a candidate, unless it is there already. Returns OK, or ERROR_LIMIT when
 * TARGET_ADDRESSES_MAX are there. If most of those are of the other family, one of them
 * gives way instead. */
int eyeballs_add(struct eyeballs *eyeballs, const struct address *address,
                 uint64_t now) MUST_CHECK;
/* No more addresses will follow. */
void eyeballs_resolved(struct eyeballs *eyeballs);
/* The caller turned a candidate down without adding it (RESET_DENIED), or a lookup
 * failed. */
void eyeballs_reject(struct eyeballs *eyeballs, enum reset_code code);

enum eyeballs_action eyeballs_next(struct eyeballs *eyeballs, uint64_t now, size_t *index);
/* When eyeballs_next() must be called again; TIME_NEVER: no time is due. */
uint64_t eyeballs_next_timeout(const struct eyeballs *eyeballs);

/* Report the result of an attempt that was started and neither reported nor abandoned
 * yet. */
void eyeballs_succeeded(struct eyeballs *eyeballs, size_t index);
void eyeballs_failed(struct eyeballs *eyeballs, size_t index, enum reset_code code,
                     uint64_t now);

/* After success: the family that was tried before the winner's and has not answered within
 * its whole head start; ADDRESS_NONE: there is none. */
enum address_family eyeballs_overtaken(const struct eyeballs *eyeballs);

/* The most telling of all failures, for a truthful reply: refused, timed out, denied, host
 * unreachable, network unreachable, limit, lookup failed, name not found, anything else. */
enum reset_code eyeballs_code(const struct eyeballs *eyeballs);

#endif
