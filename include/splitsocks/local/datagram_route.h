/* SPDX-License-Identifier: MIT */
/*
 * One destination of a client of datagrams: how its datagrams go there. Datagrams wait
 * while a name is looked up.
 */
#ifndef SPLITSOCKS_DATAGRAM_ROUTE_H
#define SPLITSOCKS_DATAGRAM_ROUTE_H

#include <splitsocks/base/datagram_queue.h>
#include <splitsocks/local/decision.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of all routes' datagrams that wait for names. */
#define DATAGRAM_WAITING_BYTES (1024 * 1024)
/* A name is looked up again after so long, or after so long when that has failed. */
#define DATAGRAM_NAME_NS (300 * NS_PER_S)
#define DATAGRAM_FAILURE_NS NS_PER_S

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
    char *name;         /* owned; as the client has it; NULL: it has an address */
    struct address key; /* as the client has it; for a name only the port */
    enum datagram_way way;
    /* PROXY, DIRECT: with their port; the first that can be sent to is used. */
    struct address addresses[TARGET_DATAGRAM_ADDRESSES_MAX];
    uint8_t address_count;       /* 0: the name */
    struct stream_policy policy; /* PROXY */
    uint64_t again_at_ns;        /* when to decide anew; TIME_NEVER: never */
    datagram_route_done *done;
    struct route_decision *decision; /* owned; NULL: none is under way */
    struct datagram_queue waiting;   /* until the route is decided */
};

/* Looks only at the used fields of `to`. */
bool datagram_route_leads_to(const struct datagram_route *route, const struct target *to);

/* `room` is that of all routes' datagrams. NULL when memory is out. */
struct datagram_route *datagram_route_new(const struct target *to,
                                          struct datagram_room *room,
                                          datagram_route_done *done,
                                          void *owner) MUST_CHECK;
void datagram_route_free(struct datagram_route *route);

/* Decides, or decides anew; `done` may be called before this returns. An earlier decision
 * is good until then, but not a refusal. */
void datagram_route_decide(struct datagram_route *route, const struct decider *decider,
                           uint32_t listener, const struct stream_policy *otherwise);
/* Whether it is due to be decided. */
bool datagram_route_due(const struct datagram_route *route, uint64_t now);

/* The target for the relay; only its used fields are set. */
void datagram_route_target(const struct datagram_route *route, struct target *target);
/* The first address cannot be sent to: it becomes the last one. */
void datagram_route_skip(struct datagram_route *route);

#endif
