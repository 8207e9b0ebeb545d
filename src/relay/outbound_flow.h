/* SPDX-License-Identifier: MIT */
/*
 * The relay's end of a flow: an unconnected UDP socket for each family, made on use, whose
 * port stays as long as the flow. It behaves as the mapping of a NAT, see mapping.h. Each
 * datagram is checked against the destination rules by its resolved address, in both
 * directions. ICMP errors end nothing. It frees itself.
 */
#ifndef OUTBOUND_FLOW_H
#define OUTBOUND_FLOW_H

#include "flow_targets.h"

#include <splitsocks/io/datagram_socket.h>
#include <splitsocks/io/driver.h>

/* Old flows of the client, in other workers, are to end for new ones here. */
typedef void flow_service_ask(void *context, struct client_account *client);

/* What the flows of one worker share. */
struct flow_service {
    struct flow_ways ways;
    struct datagram_batch *batch; /* owned */
    struct list lists; /* of struct flow_list, those with flows */
    flow_service_ask *ask_others;
    void *context;
};

/* The flows of one session. */
struct flow_list {
    struct flow_service *service; /* borrowed */
    const char *client;           /* borrowed; the session's client, for the log */
    struct account *account;      /* borrowed; the client's */
    const struct destination_rules *rules; /* borrowed; the client's */
    struct list node;             /* in service->lists */
    struct list flows;            /* the one that has sent least recently is the first */
    unsigned count;
    unsigned sockets; /* of all flows */
};

/* Returns OK or ERROR_MEMORY. */
int flow_service_init(struct flow_service *service, const struct flow_ways *ways,
                      flow_service_ask *ask_others, void *context) MUST_CHECK;
/* Ends old flows of the client for those that it owes. */
void flow_service_make_room(struct flow_service *service,
                            const struct client_account *client);
/* Call when all lists are empty. Safe on a zeroed service. */
void flow_service_deinit(struct flow_service *service);

void flow_list_init(struct flow_list *list, struct flow_service *service,
                    const char *client, struct account *account,
                    const struct destination_rules *rules);
/* Ends all of them. */
void flow_list_abort(struct flow_list *list);

/* For SESSION_FLOW_INCOMING. When there is no room the flow is closed. */
void outbound_flow_start(struct driver *driver, struct flow_list *list, struct flow *flow);

#endif
