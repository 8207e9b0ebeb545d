/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a session's paths and streams, for people to read. Taking one changes
 * nothing and costs a walk over the described things.
 *
 * "Out" is the direction in which this side sends, "in" the one in which it receives.
 */
#ifndef SPLITSOCKS_SESSION_STATUS_H
#define SPLITSOCKS_SESSION_STATUS_H

#include <splitsocks/engine/session/session.h>

#include <stdbool.h>
#include <stdint.h>

/* How much a path is used, and what keeps it from more. */
enum path_use {
    PATH_USE_CARRIES,     /* it carried stream bytes within the last seconds */
    PATH_USE_DOWN,        /* it does not work: see `reason` */
    PATH_USE_UNTRIED,     /* nothing was dialled yet, or no answer has come yet */
    PATH_USE_BACKUP,      /* `rival`, which is no backup, works */
    PATH_USE_COST,        /* `rival` is cheaper, and not full */
    PATH_USE_NOT_ALLOWED, /* no open stream may use it, by its modes or their policies */
    PATH_USE_LATER,       /* waiting data would arrive earlier on `rival` */
    PATH_USE_IDLE,        /* no stream has anything to send */
    PATH_USE_READY,       /* the next data may go on it */
};

struct path_status {
    enum path_reason reason;
    struct path_properties properties;
    enum path_use use;
    unsigned rival;              /* index of the other path, for uses that name one */
    uint64_t keepalive_ns;       /* time between PINGs on an idle subflow */
    bool small_only;             /* it carries no bulk for now, see bulk_after_ns */
    uint64_t srtt_ns;            /* 0: unknown */
    uint64_t rate_out, rate_in;  /* estimated, bytes a second on the wire; 0: unknown */
    uint64_t goodput_out, goodput_in; /* streams' bytes a second, see meter.h */
    uint64_t queued_bytes;            /* written, and not acknowledged by the peer's TCP */
    uint64_t delivery_ns;             /* until data sent now is acknowledged */
    unsigned subflows_open, subflows_dialling; /* the latter have no answer yet */
    unsigned failures;                         /* dials failed in a row */
    uint16_t packet_size;        /* local: bound of its IP packets; 0: the link's own */
    bool packets_found; /* local: found by the engine, since larger ones are lost */
    bool packets_lost;  /* local: large packets are lost, and no size helps */
    /* Local: subflows to have while data waits, as trials have shown; 0: none were made. */
    unsigned slots_wanted;
    /* Local: no dial before this time; in the past: at once. */
    uint64_t dial_at_ns;
    struct path_counters counters;
};

/* `index` below SESSION_PATHS_MAX. */
void session_path_status(const struct session *session, unsigned index, uint64_t now,
                         struct path_status *status);

/* Local: what was learned of a port of the relay on a path. */
struct port_status {
    bool found; /* how far a single connection comes is limited */
    struct profile_finding finding;
    uint64_t budget_up, budget_down; /* of a new subflow; SESSION_UNLIMITED: none */
    unsigned connections;            /* that can be open; 0: no limit is known */
    double dials_per_second;         /* 0: no limit is known */
};

/* `path` below SESSION_PATHS_MAX. False: the port was not dialled on the path. */
bool session_port_status(const struct session *session, unsigned path, unsigned port,
                         struct port_status *status);

enum session_phase {
    SESSION_PHASE_CONNECTING, /* the relay has no session for this local, or has lost it */
    SESSION_PHASE_UP,
    SESSION_PHASE_LOST,    /* no contact; open streams wait up to linger */
    SESSION_PHASE_CLOSING, /* ended, or about to */
};

struct session_status {
    enum session_phase phase;
    uint64_t id;            /* 0: none */
    uint64_t contact_at_ns; /* of the last chunk; at first, the session's begin */
    uint64_t linger_ns;     /* as agreed */
    uint64_t waiting_out;   /* bytes to send that streams' credit allows */
    uint64_t waiting_in;  /* local: bytes waiting at the relay, by its last DEMAND */
    struct session_counters counters;
};

void session_status(const struct session *session, struct session_status *status);

/* The things that a stream waits for: several bits, or-ed. */
enum stream_wait {
    STREAM_WAITS_SESSION = 1,         /* a session with the relay */
    STREAM_WAITS_STREAM_LIMIT = 2,    /* another stream to end: STREAM_LIMIT is met */
    STREAM_WAITS_CONNECT = 4,         /* the relay to connect to the destination */
    STREAM_WAITS_SUBFLOW = 8,         /* a subflow that can carry its data */
    STREAM_WAITS_STREAM_CREDIT = 16,  /* credit, with bytes on their way */
    STREAM_WAITS_PEER_READER = 32,    /* credit: the peer's reader takes nothing */
    STREAM_WAITS_SESSION_CREDIT = 64, /* more credit for all streams together */
    STREAM_WAITS_ACK = 128,           /* the peer to acknowledge sent bytes */
    STREAM_WAITS_MISSING = 256,       /* bytes before those that have arrived */
    STREAM_WAITS_READER = 512,        /* this side's reader to read the received bytes */
};

struct stream_status {
    uint64_t id;                 /* 0: it has none yet */
    struct stream_policy policy;
    const char *destination;     /* as target_format() has it; NULL: unknown. Borrowed, until
                                    the next call that changes the session */
    bool opened;                 /* the relay has connected */
    bool released;               /* the driver has let go; data is still delivered */
    bool ended;                  /* reset, or delivered both ways: about to be forgotten */
    bool peer_finished;          /* the end of the peer's direction is known */
    uint64_t bytes_acked;        /* sent, and received by the peer */
    uint64_t bytes_read;         /* received and taken by the reader */
    uint64_t queued_bytes;       /* to be sent, for the first time or again */
    uint64_t flying_bytes;       /* sent and not acknowledged */
    uint64_t unread_bytes;       /* received and not read, gaps included */
    unsigned waits;              /* enum stream_wait, or-ed; 0: it has nothing to do */
    uint64_t read_at_ns;         /* when the reader last read, or had all */
};

/* The stream opened next after `stream`, the first one for NULL; NULL after the last. */
const struct stream *session_next_stream(const struct session *session,
                                         const struct stream *stream);
void session_stream_status(const struct session *session, const struct stream *stream,
                           struct stream_status *status);

#endif
