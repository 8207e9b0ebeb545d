/* SPDX-License-Identifier: MIT */
/*
 * One sender of datagrams on the user's side: the client of an association, or an address
 * and port that sends to a forward listener. Each of its destinations has a route: a rule
 * decides, once, whether its datagrams go through the relay, leave from here, or are
 * dropped. Its flows and its sockets for direct datagrams are opened on use.
 */
#ifndef SPLITSOCKS_DATAGRAM_CLIENT_H
#define SPLITSOCKS_DATAGRAM_CLIENT_H

#include <splitsocks/base/list.h>
#include <splitsocks/base/target.h>
#include <splitsocks/io/datagram_socket.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/local/datagram_route.h>
#include <splitsocks/local/decision.h>

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Destinations of one client whose routes are remembered: as many as the engine keeps
 * bindings of a flow. */
#define DATAGRAM_ROUTES 64
/* When only resolvers and time servers were asked, and have answered, nothing more comes:
 * a client that asks again mostly does so from another port. */
#define DATAGRAM_ANSWERED_NS (10 * NS_PER_S)

struct datagram_client;
struct datagram_direct;
struct flow;

/* Datagrams of clients that went nowhere, by reason. A flow counts those that it drops. */
struct datagram_drops {
    uint64_t foreign;     /* from another address than the client's */
    uint64_t malformed;   /* fragments, and those without a good header */
    uint64_t blocked;     /* a rule, a loop, or a name without address */
    uint64_t unsupported; /* there is no session, or the relay carries no datagrams */
    uint64_t full;        /* too many wait for names */
    uint64_t lost;        /* the kernel did not take them, or gave no socket */
};

/* State that all clients of one local share. */
struct datagram_service {
    struct worker *worker;         /* borrowed */
    struct driver *driver;         /* borrowed; its session may be NULL */
    const struct decider *decider; /* borrowed */
    uint64_t idle_after_ns;
    unsigned max_clients; /* with flows or sockets of their own; the oldest gives way */
    /* The clients in use, the longest unused first: those that may get more answers, and
     * those that DATAGRAM_ANSWERED_NS is for. */
    struct list clients, answered;
    unsigned client_count;
    struct datagram_room waiting;  /* for names */
    ev_timer idle;                 /* runs while there are clients in use */
    uint64_t idle_timer_at_ns;     /* when it fires; TIME_NEVER: it is stopped */
    struct datagram_drops drops;
};

void datagram_service_init(struct datagram_service *service);
/* Call when all clients are gone. Safe on a zeroed service. */
void datagram_service_deinit(struct datagram_service *service);
/* The session is gone, and its flows with it; the next datagrams open new ones. */
void datagram_service_forget_flows(struct datagram_service *service);

/* The address of the client that a flow belongs to, for status. Returns `text`. */
const char *datagram_service_client_of(const struct flow *flow,
                                       char text[ADDRESS_TEXT_SIZE]);

/* Settings of one listener for its datagrams. */
struct datagram_terms {
    uint32_t listener;           /* as in struct rules_query */
    struct stream_policy policy; /* where no rule has one */
    uint64_t max_age_ns;         /* as in struct flow_policy */
    bool filter_address;         /* answers come only from where datagrams were sent */
};

struct datagram_client_type {
    /* An answer has come from `from`: passes it on by datagram_socket_put(). */
    void (*answer)(struct datagram_client *client, const struct address *from,
                   const uint8_t *bytes, size_t length);
    /* The client was idle for too long, or must give way. Ends in datagram_client_rest()
     * or datagram_client_deinit(). */
    void (*idle)(struct datagram_client *client);
    /* Its address, for people. Returns `text`. */
    const char *(*describe)(struct datagram_client *client, char text[ADDRESS_TEXT_SIZE]);
};

struct datagram_client {
    struct datagram_service *service;        /* borrowed */
    const struct datagram_client_type *type; /* static */
    struct datagram_terms terms;
    struct list node; /* in service.clients or .answered while it is in use */
    uint64_t used_at_ns;
    struct list routes; /* the last used first */
    unsigned route_count;
    struct list flows;              /* of client_flow */
    struct datagram_direct *direct; /* owned; NULL: no datagram went directly yet */
    bool more_than_questions;       /* it sent to other ports than 53 and 123 */
};

void datagram_client_init(struct datagram_client *client, struct datagram_service *service,
                          const struct datagram_client_type *type,
                          const struct datagram_terms *terms);
void datagram_client_deinit(struct datagram_client *client);
/* Closes its flows and sockets and forgets its routes; the next datagram opens new ones. */
void datagram_client_rest(struct datagram_client *client);

/* Takes a datagram of the application. `to` is its destination, of which only the used
 * fields need to be set. datagram_service_flush() must follow before the loop waits. */
void datagram_client_send(struct datagram_client *client, const struct target *to,
                          const uint8_t *bytes, size_t length, uint64_t now);
/* Sends all that was taken: of any client of the service. Events of the session follow
 * before the loop waits. */
void datagram_service_flush(struct datagram_service *service);

#endif
