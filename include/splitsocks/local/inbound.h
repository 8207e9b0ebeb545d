/* SPDX-License-Identifier: MIT */
/*
 * A connection of an application from the time when its target is known until its bytes
 * flow. It asks the rules, resolves the name if that must be done here, and opens a
 * stream, connects directly, or refuses. It frees itself.
 */
#ifndef SPLITSOCKS_INBOUND_H
#define SPLITSOCKS_INBOUND_H

#include <splitsocks/io/crowd.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/plain.h>
#include <splitsocks/local/decision.h>
#include <splitsocks/status/status.h>

#include <stdbool.h>
#include <stdint.h>

/* State that all connections to one local share. */
struct inbound_service {
    struct worker *worker;       /* borrowed */
    struct driver *driver;       /* borrowed; its session may be NULL */
    enum reset_code sessionless; /* for applications, without a session */
    struct decider decider;
    struct crowd crowd;
    struct dialer_ways ways; /* for direct connections */
    struct list inbounds;
    struct list plains;
    struct list directs;
};

/* Initialises the lists of a service whose other fields are set. */
void inbound_service_init(struct inbound_service *service);
/* Resets all connections of the service. */
void inbound_service_deinit(struct inbound_service *service);

/* An application's request. Everything is copied, and the socket taken over. */
struct inbound_request {
    int fd;
    uint32_t listener;       /* as in struct rules_query */
    uint32_t max_per_target; /* bound for connections to one target through the listener */
    const struct target *target;
    const struct stream_policy *otherwise; /* where no rule sets a policy */
    const uint8_t *early;                  /* bytes of the stream that were read already */
    size_t early_length;
    plain_reply *reply; /* NULL: no reply is sent, and failure is a reset */
};

void inbound_start(struct inbound_service *service, const struct inbound_request *request);

/* For status: the service's connections without a stream. First come those that wait for
 * their names or for their direct connections, then those that go past the relay. */
bool inbound_next(const void *service, struct status_connection *connection);

#endif
