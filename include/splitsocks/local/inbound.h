/* SPDX-License-Identifier: MIT */
/*
 * A connection of an application whose target is known, from then until its bytes flow:
 * asks the rules, resolves the name where that is to be done here, and opens a stream,
 * connects by itself, or refuses. It frees itself.
 */
#ifndef SPLITSOCKS_INBOUND_H
#define SPLITSOCKS_INBOUND_H

#include <splitsocks/io/crowd.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/plain.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/proxy/rules.h>
#include <splitsocks/status/status.h>

#include <stdbool.h>
#include <stdint.h>

struct local;

/* What all connections to one local share. */
struct inbound_service {
    struct worker *worker;       /* borrowed */
    struct driver *driver;       /* borrowed; its session may be NULL */
    enum reset_code sessionless; /* what applications are told then */
    struct resolver *resolver;   /* borrowed */
    bool resolve_here;           /* the relay gets addresses, never names */
    const struct rules *rules;   /* borrowed */
    /* Whether a connection to the address would come back to this local: one that is made
     * from here (`direct`), or by the relay. */
    bool (*comes_back)(const struct local *local, const struct address *to, bool direct);
    const struct local *local; /* borrowed; for the above */
    struct crowd crowd;
    struct dialer_ways ways; /* of direct connections */
    struct list inbounds;
    struct list plains;
    struct list directs;
};

/* The lists of a service whose other fields are set. */
void inbound_service_init(struct inbound_service *service);
/* Resets all that its connections have become. */
void inbound_service_deinit(struct inbound_service *service);

/* What an application wants. All is copied, the socket taken over. */
struct inbound_request {
    int fd;
    uint32_t listener;       /* as in struct rules_query */
    uint32_t max_per_target; /* connections to one target at a time through it */
    const struct target *target;
    const struct stream_policy *otherwise; /* where no rule says anything */
    const uint8_t *early;                  /* bytes of the stream that were read already */
    size_t early_length;
    plain_reply *reply; /* NULL: the application is told nothing; failure is a reset */
};

void inbound_start(struct inbound_service *service, const struct inbound_request *request);

/* For status, in a service: the connections that wait for their names to be resolved, or for
 * their destinations to be connected to without the relay; then those that go past it. */
bool inbound_next(const void *service, struct status_connection *connection);

#endif
