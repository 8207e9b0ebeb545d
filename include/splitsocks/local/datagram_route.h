/* SPDX-License-Identifier: MIT */
/*
 * One destination of a client of datagrams: how its datagrams go there. Datagrams wait
 * while a name is looked up.
 */
#ifndef SPLITSOCKS_DATAGRAM_ROUTE_H
#define SPLITSOCKS_DATAGRAM_ROUTE_H

#include <splitsocks/base/list.h>
#include <splitsocks/local/decision.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Datagrams of one route that wait for its name: the first flight of a QUIC client. */
#define DATAGRAM_WAITING_MAX 16
/* Bytes of all routes' datagrams that wait. */
#define DATAGRAM_WAITING_BYTES (1024 * 1024)
/* A name is looked up again after so long, or after so long when that has failed. */
#define DATAGRAM_NAME_NS (300 * NS_PER_S)
#define DATAGRAM_FAILURE_NS NS_PER_S

/* What all routes of a local hold together. */
struct datagram_queue {
    size_t bytes;
};

enum datagram_way {
    DATAGRAM_UNDECIDED,
    DATAGRAM_PROXY,
    DATAGRAM_DIRECT,
    DATAGRAM_REFUSED,
};

struct datagram_route;
struct route_decision;
/* The route is decided, and its `waiting` can be sent. Must not free the route. */
typedef void datagram_route_done(struct datagram_route *route);

struct datagram_route {
    struct list node; /* its owner's */
    void *owner;      /* for `done` */
    struct datagram_queue *queue;
    char *name;         /* owned; as the client has it; NULL: it has an address */
    struct address key; /* as the client has it; for a name only the port */
    enum datagram_way way;
    struct address to;           /* PROXY, DIRECT: with its port; ADDRESS_NONE: the name */
    struct stream_policy policy; /* PROXY */
    uint64_t again_at_ns;        /* when to decide anew; TIME_NEVER: never */
    datagram_route_done *done;
    struct route_decision *decision; /* owned; NULL: none is under way */
    struct list waiting;             /* of waiting_datagram */
    unsigned waiting_count;
};

struct waiting_datagram {
    struct list node;
    size_t length;
    uint8_t bytes[];
};

/* Looks only at the used fields of `to`. */
bool datagram_route_leads_to(const struct datagram_route *route, const struct target *to);

/* NULL when memory is out. */
struct datagram_route *datagram_route_new(const struct target *to,
                                          struct datagram_queue *queue,
                                          datagram_route_done *done,
                                          void *owner) MUST_CHECK;
void datagram_route_free(struct datagram_route *route);

/* Decides, or decides anew; `done` may be called before this returns. An earlier decision
 * is good until then, but not a refusal. */
void datagram_route_decide(struct datagram_route *route, const struct decider *decider,
                           uint32_t listener, const struct stream_policy *otherwise);
/* Whether it is due to be decided. */
bool datagram_route_due(const struct datagram_route *route, uint64_t now);

/* Keeps a copy of a datagram until the route is decided. False: too many wait, and the
 * datagram is dropped. */
bool datagram_route_keep(struct datagram_route *route, const uint8_t *bytes, size_t length);
/* The oldest datagram that waits, for free(); NULL: none. */
struct waiting_datagram *datagram_route_take(struct datagram_route *route);

/* The target for the relay; only its used fields are set. */
void datagram_route_target(const struct datagram_route *route, struct target *target);

#endif
