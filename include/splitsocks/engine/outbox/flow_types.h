/* SPDX-License-Identifier: MIT */
/* What the engine and its driver say to each other about flows. */
#ifndef SPLITSOCKS_ENGINE_FLOW_TYPES_H
#define SPLITSOCKS_ENGINE_FLOW_TYPES_H

#include <splitsocks/base/policy.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;

/* The largest payload of a datagram (RFC 768). */
#define FLOW_DATAGRAM_MAX 65535

/* Why a flow ended; travels in FLOW_CLOSE. */
enum flow_close_code {
    FLOW_CLOSE_ENDED = 0,   /* the application needs it no more */
    FLOW_CLOSE_IDLE = 1,    /* nothing was sent on it for too long */
    FLOW_CLOSE_LIMIT = 2,   /* the side that closes has met a bound */
    FLOW_CLOSE_DENIED = 3,  /* relay: this client may have no flows */
    FLOW_CLOSE_FAILURE = 4, /* anything else */
    /* Given to the driver only, never on the wire: */
    FLOW_CLOSE_UNSUPPORTED = 64, /* the relay carries no datagrams */
    FLOW_CLOSE_SESSION = 65,     /* the session has ended */
};

/* Why a datagram was dropped. The driver counts the last ones by flow_count_drop(). */
enum flow_drop {
    FLOW_DROP_AGE,       /* it had waited for the flow's largest age */
    FLOW_DROP_QUEUE,     /* newer ones needed its room in the queue */
    FLOW_DROP_SIZE,      /* no subflow can carry it, even in parts */
    FLOW_DROP_DUPLICATE, /* a further copy came of one that had come */
    FLOW_DROP_LATE,      /* it came so late that it may be a duplicate */
    FLOW_DROP_PART,      /* not all of its parts came in time */
    FLOW_DROP_READER,    /* nobody took what had come before it */
    FLOW_DROP_PEER,      /* its address is not valid, or was forgotten */
    FLOW_DROP_DENIED,    /* the driver: its address is forbidden, or was not asked for */
    FLOW_DROP_NAME,      /* the driver: its name was not resolved */
    FLOW_DROP_SOCKET,    /* the driver: the system did not take it */
};
#define FLOW_DROPS 11

/* The reason in one word, for documents. */
const char *flow_drop_string(enum flow_drop reason);

/* A datagram counts once, whatever copies and parts it travels in. */
struct flow_counters {
    uint64_t datagrams_sent, datagrams_received;
    uint64_t bytes_sent, bytes_received; /* payloads */
    uint64_t copies_sent;                /* datagrams or parts, beyond the first copy */
    uint64_t drops[FLOW_DROPS];          /* datagrams, by enum flow_drop */
};

void flow_set_user(struct flow *flow, void *user);
void *flow_user(const struct flow *flow);
uint64_t flow_id(const struct flow *flow); /* 0 while it has none */
const struct flow_policy *flow_policy(const struct flow *flow);
const struct flow_counters *flow_counters(const struct flow *flow);
/* Bytes of datagrams that wait to be sent. */
uint64_t flow_queued_bytes(const struct flow *flow);

#endif
