/* SPDX-License-Identifier: MIT */
/* The types of session.h, which the engine and its driver exchange. Every room of the
 * engine knows them. */
#ifndef SPLITSOCKS_ENGINE_TYPES_H
#define SPLITSOCKS_ENGINE_TYPES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/keyed_hash.h>
#include <splitsocks/base/policy.h>
#include <splitsocks/base/target.h>
#include <splitsocks/engine/outbox/flow_types.h>
#include <splitsocks/engine/outbox/session_limit.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct page_pool;
struct stream;
struct subflow;

#define SESSION_UNLIMITED UINT64_MAX
#define SESSION_PATHS_MAX 16
#define SESSION_PORTS_MAX 64

/* Chunk sizes on the wire, length and tag included. */
#define CHUNK_SIZE_MIN 64
#define CHUNK_SIZE_MAX 16384
/* The least budget that carries a HELLO and a first chunk. */
#define BUDGET_MIN 256

/* Sizes of IP packets that a path may be set to, or found to let through. The least is
 * IPv4's datagram that every host takes (RFC 791). */
#define PACKET_SIZE_MIN 576
#define PACKET_SIZE_MAX 65535

/* session_produce() needs room for at least one chunk, and never writes more than this. */
#define PRODUCE_MAX (256 * 1024)

enum session_role { SESSION_LOCAL, SESSION_RELAY };

/* Why a stream ended; travels in STREAM_RESET. */
enum reset_code {
    RESET_CANCELLED = 0, /* the application reset its connection */
    RESET_FAILURE = 1,   /* anything not named below */
    RESET_DENIED = 2,    /* forbidden by the relay's destination rules */
    RESET_NETWORK_UNREACHABLE = 3,
    RESET_HOST_UNREACHABLE = 4,
    RESET_REFUSED = 5,   /* the destination refused the connection */
    RESET_TIMED_OUT = 6, /* the destination did not answer */
    RESET_NAME_NOT_FOUND = 7,
    RESET_NAME_FAILURE = 8, /* the resolver failed or did not answer */
    RESET_LIMIT = 9,        /* the side that resets has met a bound */
    RESET_PROTOCOL = 10,    /* the session ended because a side broke the protocol */
    RESET_HALF_CLOSED = 11, /* one direction had ended, and the other was idle too long */
    /* Given to the application only, never on the wire: */
    RESET_SESSION_LOST = 64,      /* the relay no longer knows the session (restarted) */
    RESET_RELAY_UNREACHABLE = 65, /* no session could be set up in time */
    RESET_LINGER = 66,            /* no contact with the peer for the linger time */
    RESET_SESSION_CLOSED = 67,    /* the peer closed the session */
    RESET_BLOCKED = 68,           /* forbidden by local's own rules */
    RESET_SESSION_REFUSED = 69,   /* the relay allows this key no session now */
    RESET_RELAY_SILENT = 70,      /* accepted connections bring no relay's answer */
};

/* Why a session ended; travels in SESSION_CLOSE. */
enum close_code {
    CLOSE_ASKED = 0,   /* the closing side needs it no more */
    CLOSE_RULE = 1,    /* the peer broke a rule */
    CLOSE_REMOVED = 2, /* the relay no longer lists the client's key */
    CLOSE_LIMIT = 3,   /* the key has as many sessions as the relay allows */
    CLOSE_STOPPED = 4, /* the process is being stopped; it may come back */
    CLOSE_LINGER = 5,  /* nothing was heard from the peer for the linger time */
    CLOSE_FAILURE = 6, /* this side cannot go on, for example without memory */
};

struct session_config {
    enum session_role role;
    struct page_pool *pages; /* borrowed; outlives the session */
    struct account *account; /* borrowed; of the same pages. NULL: one without bounds */
    uint32_t chunk_size;     /* bytes, CHUNK_SIZE_MIN..CHUNK_SIZE_MAX; local decides */
    uint64_t linger_ns;
    uint64_t stream_limit; /* relay: streams open at once, granted to local */
    unsigned flow_limit;   /* relay: flows open at once; 0: the feature is not offered */

    struct hash_secret hash_secret; /* for tables whose keys the peer chooses */

    /* The rest is for local only. */
    unsigned pool_size, pool_idle, pool_burst; /* subflows */
    uint64_t keepalive_ns;   /* longest time between PINGs on an idle subflow; the engine
                                may use a shorter one. 0, or more than 45 s: 45 s */
    double dials_per_second; /* ceiling for each port; 0 = none */
    uint64_t rate_up, rate_down; /* ceilings of the session, bytes a second; 0 = none */
    uint64_t budget_up,
        budget_down; /* bytes; SESSION_UNLIMITED, else at least BUDGET_MIN */
    /* Each subflow's budget is at random up to so many bytes less, and still at least
     * BUDGET_MIN. 0: all have the same. */
    uint64_t budget_up_spread, budget_down_spread;
    unsigned path_count; /* 1..SESSION_PATHS_MAX; see session_set_path() */
    /* When to try larger packets again on a path that has lost them; TIME_NEVER: never. */
    uint64_t packet_retry_after_ns;
    unsigned port_count; /* 1..SESSION_PORTS_MAX */
    uint8_t server_id;   /* the relay to be reached behind a balancer; 0 = any */
    uint8_t private_key[32], relay_public_key[32];
    uint64_t seed; /* random; spreads choices of port and back-off times */
};

/* A path as local's driver and the configuration describe it. */
struct path_properties {
    bool usable;   /* false: no dials; open subflows are dead */
    bool backup;   /* carries data only while no other path works */
    uint16_t cost; /* a path is filled only when every cheaper one is full */
    /* Local: a backup or a dear path carries no bulk until all better paths have been
     * gone, or full, for so long. */
    uint64_t bulk_after_ns;
    uint8_t modes; /* bit (1 << enum stream_mode): only for these streams; 0 = all */
    uint64_t rate_up, rate_down; /* ceilings, bytes a second; 0 = none */
    uint16_t packet_size;        /* largest IP packet; 0 = to be found out */
};

/* Why a path does not work. */
enum path_reason {
    PATH_REASON_UNTRIED,     /* nothing was dialled yet */
    PATH_REASON_WORKS,       /* the peer was heard on it */
    PATH_REASON_UNUSABLE,    /* the driver said so */
    PATH_REASON_REFUSED,     /* the relay's host refuses the dials */
    PATH_REASON_UNREACHABLE, /* dials fail at once: no route, no address, ... */
    PATH_REASON_TIMED_OUT,   /* dials are not answered */
    PATH_REASON_SILENT,      /* chunks are no longer acknowledged */
    PATH_REASON_UNANSWERED,  /* connections are accepted, but HELLOs get no answer */
    PATH_REASON_STRANGER,    /* another machine accepts the connections */
};

/* Local: why a connection did not prove that it leads to the relay. */
enum unproven {
    UNPROVEN_NOT,     /* it did, or was given up for another reason */
    UNPROVEN_DIAL,    /* it was not established in time */
    UNPROVEN_SILENT,  /* nothing came on it in time, as for unlisted clients */
    UNPROVEN_CLOSED,  /* the other side closed it */
    UNPROVEN_STRANGE, /* the bytes that came are not a relay's */
};

enum session_event_type {
    SESSION_NO_EVENT,

    /* Local: connect to relay port index `port` by path index `path`, then call
     * session_subflow_up() or session_subflow_down(). `subflow` is valid until the driver
     * has called session_subflow_down() or has taken its SESSION_CLOSE_SUBFLOW. */
    SESSION_DIAL,
    /* Close the socket now: with a reset (SO_LINGER 0); or, at a relay and with `silent`
     * set, read and discard until the deadline for arrivals that get no response.
     * `subflow` is valid until the next call to session_next_event(); do not call
     * session_subflow_down(). */
    SESSION_CLOSE_SUBFLOW,

    /* Relay: local opened a stream to `target` (valid until the next call to
     * session_next_event()). Answer with session_stream_accept() or
     * session_stream_reset(). `stream` is valid until session_stream_release(). */
    SESSION_STREAM_INCOMING,
    /* Local: the relay has connected; `code` unused. */
    SESSION_STREAM_OPENED,
    /* session_stream_peek() has new data. Not repeated until session_stream_peek() has
     * been drained. */
    SESSION_STREAM_READABLE,
    /* session_stream_reserve() gives room again after it gave none. */
    SESSION_STREAM_WRITABLE,
    /* The stream ended with `code`. Contiguous data was readable before; if everything
     * that the peer sent has arrived, session_stream_take() still gives the rest. Only
     * that call and session_stream_release() may follow. */
    SESSION_STREAM_RESET,

    /* For logs and status. */
    SESSION_SHED,      /* a bound was met, and `stream` is reset: `shed` has the details */
    SESSION_UP,        /* local: a session is established; `resumed`: it is the old one */
    SESSION_LOST,      /* local: no contact; open streams wait for up to linger */
    SESSION_PATH_UP,   /* local: the relay was heard on `path`, which works (again) */
    SESSION_PATH_DOWN, /* local: `path` no longer works: see `path_reason` */
    /* Local: from now on `path` uses IP packets of at most `packet_size` bytes, since
     * larger ones vanish on it; 0: the link's own size again. */
    SESSION_PATH_PACKETS,
    /* Local: a limit of single connections on `path` and port index `port` was found, has
     * changed, or was lifted: see `limit`. */
    SESSION_LIMIT,
    /* The session has ended: `error` and `reason` say why (closed by either side, linger
     * over, or a broken rule). Every stream has had its SESSION_STREAM_RESET before, and
     * every flow its SESSION_FLOW_CLOSED. The driver frees the session; a local that was
     * not asked to stop starts a new one then. */
    SESSION_ENDED,

    /* Relay: local opened a flow with flow_policy(). `flow` is valid until
     * session_flow_close() or SESSION_FLOW_CLOSED. */
    SESSION_FLOW_INCOMING,
    /* session_flow_receive() has something. Not repeated until it has given all. */
    SESSION_FLOW_READABLE,
    /* The flow has ended with `flow_code`; what it received is dropped. `flow` is valid
     * until the next call to session_next_event(). */
    SESSION_FLOW_CLOSED,
};

/* The bound that a stream exceeded. */
enum session_bound {
    SESSION_BOUND_BUFFERED, /* the bound of pages, or what it leaves to the client */
    SESSION_BOUND_HOLES,    /* the peer's data arrives in too many pieces */
    SESSION_BOUND_MEMORY,   /* the system has no more memory */
};

/* The memory in use when a stream was shed: whole pages, in bytes. */
struct session_shed {
    enum session_bound bound;
    bool shared; /* the bound is that of all: the client may use no more than is free */
    uint64_t wanted_bytes; /* needed, and not available */
    uint64_t stream_bytes; /* used by this stream */
    uint64_t client_bytes; /* used by the client */
    uint64_t used_bytes;   /* of the bound */
    uint64_t bound_bytes;
};

struct session_event {
    enum session_event_type type;
    struct subflow *subflow;
    struct stream *stream;
    struct flow *flow;   /* SESSION_FLOW_... */
    unsigned path, port; /* SESSION_DIAL, SESSION_LIMIT; `path` also SESSION_PATH_... */
    enum path_reason path_reason; /* SESSION_PATH_DOWN */
    uint16_t packet_size;   /* SESSION_DIAL: bound of the IP packets of both sides; 0: the
                               link's     own. SESSION_PATH_PACKETS: see there */
    bool given_up;          /* SESSION_PATH_PACKETS: no size helps */
    bool hello;             /* SESSION_DIAL: session_subflow_up() needs `fresh` */
    bool silent;            /* SESSION_CLOSE_SUBFLOW: its bytes are forged */
    enum unproven unproven; /* SESSION_CLOSE_SUBFLOW */
    bool resumed;           /* SESSION_UP: the streams of the old session stay */
    enum reset_code code;   /* SESSION_STREAM_RESET */
    enum flow_close_code flow_code; /* SESSION_FLOW_CLOSED */
    struct session_shed shed;       /* SESSION_SHED */
    struct session_limit limit;     /* SESSION_LIMIT */
    const struct target *target;    /* SESSION_STREAM_INCOMING */
    enum error error;      /* SESSION_ENDED; OK: by this side; ERROR_CLOSED: by the peer */
    enum close_code close; /* SESSION_ENDED */
    const char *reason;    /* SESSION_ENDED: a phrase, valid until the next call */
};

/* The kernel's figures about a subflow's TCP connection. */
struct subflow_measure {
    uint64_t srtt_ns;      /* tcpi_rtt */
    uint64_t rate;         /* bytes a second: the larger of tcpi_delivery_rate and
                              cwnd x mss / srtt; 0 = unknown */
    uint32_t queued_bytes; /* SIOCOUTQ: not yet acknowledged by the peer's TCP, plus the
                              tail that the driver has not written yet */
    uint32_t unsent_bytes; /* the part of queued_bytes that was never sent yet */
    uint32_t flying_bytes; /* the part of queued_bytes that was sent and, as far as TCP
                              knows, neither received nor lost */
    /* tcpi_last_ack_recv: time since the peer's TCP last sent anything; TIME_NEVER:
     * unknown. */
    uint64_t silent_for_ns;
};

enum subflow_end {
    SUBFLOW_REFUSED,     /* the dial was refused */
    SUBFLOW_UNREACHABLE, /* the dial failed otherwise: no route, address gone, ... */
    SUBFLOW_EOF,         /* end of file was read */
    SUBFLOW_RESET,       /* a reset was received */
    SUBFLOW_FAILED,      /* any other error of the socket */
};

/* Counters since the session began; for status, benches and tests. */
struct session_counters {
    uint64_t subflows_opened, subflows_retired, subflows_failed, dials_failed;
    uint64_t chunks_sent, chunks_received;
    uint64_t wire_bytes_sent, wire_bytes_received;
    uint64_t stream_bytes_sent, stream_bytes_received; /* first copies only */
    uint64_t stream_bytes_acked;
    uint64_t bytes_requeued;   /* sent again after their subflow ended */
    uint64_t bytes_reinjected; /* sent again while the first copy was under way */
    uint64_t bytes_redundant;  /* copies that streams' modes asked for */
    uint64_t bytes_duplicate;  /* received again */
    uint64_t resumes;
    struct flow_counters flows; /* of all flows, ended ones too */
    unsigned subflows_open;     /* at present, dialling ones included */
    unsigned subflows_open_max;
};

/* A phrase for logs, e.g. "connections are refused"; never NULL. */
const char *path_reason_string(enum path_reason reason);

/* Tells the payload of the connection's largest packets, as TCP reports it, before
 * anything is produced for the subflow. */
void subflow_set_payload(struct subflow *subflow, uint32_t bytes);

void stream_set_user(struct stream *stream, void *user);
void *stream_user(const struct stream *stream);
uint64_t stream_id(const struct stream *stream);
/* In the form of target_format(), for people; never NULL. Valid as long as the stream. */
const char *stream_destination(const struct stream *stream);

/* One path's counters since the session began. Stream bytes count once in the whole
 * session: on the path that delivered them first. */
struct path_counters {
    uint64_t wire_bytes_sent, wire_bytes_received;
    /* Of streams and of datagrams. */
    uint64_t stream_bytes_acked;    /* sent here, and acknowledged for the first time */
    uint64_t stream_bytes_received; /* received here for the first time */
    uint64_t bytes_reinjected; /* sent here while the first copy was under way elsewhere */
    uint64_t bytes_requeued;   /* sent again because their subflow ended here */
    uint64_t bytes_duplicate;  /* received here when they had already come elsewhere */
    uint64_t subflows_retired, subflows_failed, dials_failed;
};

#endif
