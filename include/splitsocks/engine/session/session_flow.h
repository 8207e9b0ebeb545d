/* SPDX-License-Identifier: MIT */
/*
 * The session's flows: datagrams in both directions, each delivered at most once, in any
 * order, or dropped. Local opens flows; the relay's driver hears of them by
 * SESSION_FLOW_INCOMING. Polled, like the rest of the session:
 *
 *     a datagram from the application:  session_flow_send(), then drain events
 *     SESSION_FLOW_READABLE:            while (session_flow_receive()) pass it on
 *     SESSION_FLOW_CLOSED:              forget the flow
 *
 * Flows outlive resumes. When the relay has lost the session, they are opened again inside,
 * and the relay's ports change. They end with the session.
 */
#ifndef SPLITSOCKS_SESSION_FLOW_H
#define SPLITSOCKS_SESSION_FLOW_H

#include <splitsocks/engine/session/session.h>

enum flow_support {
    FLOWS_UNKNOWN, /* local: no relay has answered in this session yet */
    FLOWS_SUPPORTED,
    FLOWS_UNSUPPORTED, /* the peer carries no datagrams */
};

enum flow_support session_flow_support(const struct session *session);

/* Local: opens a flow. The policy is copied (NULL: the default). It waits inside while
 * there is no session; where the relay turns out to carry no datagrams,
 * SESSION_FLOW_CLOSED follows. NULL when memory is out, or the session is ending. */
struct flow *session_flow_open(struct session *session, const struct flow_policy *policy,
                               uint64_t now) MUST_CHECK;

/* Copies a datagram of at most FLOW_DATAGRAM_MAX bytes. A datagram that is dropped is
 * counted by reason, now or later. `peer`: at local where it goes (its first address, or
 * its name); at the relay the address from which it came. */
void session_flow_send(struct session *session, struct flow *flow,
                       const struct target *peer, const void *bytes, size_t length,
                       uint64_t now);

/* A datagram that has come. */
struct flow_datagram {
    const struct target *peer; /* relay: where it goes; local: from where it came */
    /* The same for all datagrams to this peer, as long as the peer is among the newest of
     * the flow; another peer of the flow never has it. */
    uint64_t binding;
    const uint8_t *bytes;
    size_t length;
};

/* The next one, in the order in which they came; false: there is none. All pointers are
 * valid until the next call of this function, or the flow's end. */
bool session_flow_receive(struct session *session, struct flow *flow,
                          struct flow_datagram *datagram, uint64_t now);

/* Ends the flow and tells the peer. The pointer is invalid afterwards, and no event
 * follows. */
void session_flow_close(struct session *session, struct flow *flow,
                        enum flow_close_code code, uint64_t now);

/* Moves a datagram's loss in the driver's hands into the flow's counters. */
void session_flow_drop(struct session *session, struct flow *flow, enum flow_drop reason);

/* A phrase for logs. */
const char *flow_close_string(enum flow_close_code code);

/* ---- for status ---- */

struct flow_status {
    uint64_t id; /* 0: it has none yet */
    struct flow_policy policy;
    const char *peer; /* of the newest datagram, as target_format() has it; NULL: none */
    uint64_t rate;    /* bytes a second that this side was last given to send */
    uint64_t queued_bytes; /* not sent yet */
    uint64_t used_at_ns;   /* when a datagram was last sent or received */
    unsigned copies;       /* in which a datagram travels now, at best */
    struct flow_counters counters;
};

/* The flow after `flow`, the first one for NULL; NULL after the last. The longest unused
 * comes first. */
const struct flow *session_next_flow(const struct session *session,
                                     const struct flow *flow);
/* `text` is where `peer` is written. */
void session_flow_status(const struct session *session, const struct flow *flow,
                         char text[TARGET_TEXT_SIZE], struct flow_status *status);
unsigned session_flow_count(const struct session *session);

#endif
