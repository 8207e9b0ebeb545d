/* SPDX-License-Identifier: MIT */
/*
 * What a session is doing, for people to read: snapshots of its paths and its streams.
 * Taking one changes nothing and costs no more than a walk over what it describes.
 *
 * "Out" is what this side sends, "in" what it receives.
 */
#ifndef SPLITSOCKS_SESSION_STATUS_H
#define SPLITSOCKS_SESSION_STATUS_H

#include <splitsocks/engine/session/session.h>

#include <stdbool.h>
#include <stdint.h>

/* How much use is made of a path, and what keeps it from more. */
enum path_use {
    PATH_USE_CARRIES, /* bytes of streams, within the last seconds */
    PATH_USE_DOWN,    /* it does not work: `reason` tells */
    PATH_USE_UNTRIED, /* nothing was dialled yet, or no answer has come yet */
    PATH_USE_BACKUP,  /* `rival`, which is no backup, works */
    PATH_USE_COST,    /* `rival` is cheaper, and not full */
    PATH_USE_NOT_ALLOWED, /* no open stream may use it: by its modes, or by their policy */
    PATH_USE_LATER,   /* what waits would arrive earlier on `rival` */
    PATH_USE_IDLE,    /* no stream has anything to send */
    PATH_USE_READY,   /* what is sent next may go on it */
};

struct path_status {
    enum path_reason reason;
    struct path_properties properties;
    enum path_use use;
    unsigned rival;              /* another path's index, where `use` speaks of it */
    uint64_t keepalive_ns;       /* between PINGs on a subflow that is idle */
    bool small_only;             /* it carries no bulk for now, see bulk_after_ns */
    uint64_t srtt_ns;            /* 0: unknown */
    uint64_t rate_out, rate_in;  /* estimated, bytes a second on the wire; 0: unknown */
    uint64_t goodput_out, goodput_in; /* streams' bytes a second, see meter.h */
    uint64_t queued_bytes;       /* written to its subflows, not yet at the peer's TCP */
    uint64_t arrival_ns;         /* until what is sent now should be there and acknowledged */
    unsigned subflows_open, subflows_dialling; /* the latter: without an answer so far */
    unsigned failures;           /* dials failed in a row */
    uint16_t packet_size; /* local: bound on its IP packets; 0: none but the link's */
    bool packets_found;   /* local: it was found out, as larger ones are lost */
    bool packets_lost;    /* local: large ones are lost, and no size was found that helps */
    uint64_t dial_ns;            /* local: not to be dialled before; in the past: at once */
    struct path_counters counters;
};

/* `index` below SESSION_PATHS_MAX. */
void session_path_status(const struct session *session, unsigned index, uint64_t now,
                         struct path_status *status);

enum session_phase {
    SESSION_PHASE_CONNECTING, /* no session at the relay yet, or no more */
    SESSION_PHASE_UP,
    SESSION_PHASE_LOST,       /* no contact; what is open waits for up to linger */
    SESSION_PHASE_CLOSING,    /* ended, or about to */
};

struct session_status {
    enum session_phase phase;
    uint64_t id;          /* 0: none */
    uint64_t contact_ns;  /* when the peer was last heard; before, when the session began */
    uint64_t linger_ns;   /* as agreed */
    uint64_t waiting_out; /* bytes to be sent, as far as streams' credit allows */
    uint64_t waiting_in;  /* local: bytes that wait at the relay, as it said last */
    struct session_counters counters;
};

void session_status(const struct session *session, struct session_status *status);

/* What a stream waits for; several at a time, or-ed. */
enum stream_wait {
    STREAM_WAITS_SESSION = 1,         /* a session with the relay */
    STREAM_WAITS_STREAM_LIMIT = 2,    /* one of the streams that may be open to end */
    STREAM_WAITS_CONNECT = 4,         /* the relay to connect to the destination */
    STREAM_WAITS_SUBFLOW = 8,         /* a subflow that takes what is to be sent */
    STREAM_WAITS_STREAM_CREDIT = 16,  /* the peer to grant more, with bytes on their way */
    STREAM_WAITS_PEER_READER = 32,    /* the same, and it has all: its reader takes nothing */
    STREAM_WAITS_SESSION_CREDIT = 64, /* the peer to grant more to all streams together */
    STREAM_WAITS_ACK = 128,           /* the peer to acknowledge what was sent */
    STREAM_WAITS_MISSING = 256,       /* what comes before that which is here already */
    STREAM_WAITS_READER = 512,        /* this side's reader to take what is here */
};

struct stream_status {
    uint64_t id;                 /* 0: it has none yet */
    struct stream_policy policy;
    const char *destination;     /* as target_format() has it; NULL: unknown. Borrowed, until
                                    the next call that changes the session */
    bool opened;                 /* the relay has connected */
    bool released;               /* the driver has let go: what was written is delivered */
    bool ended;                  /* reset, or delivered both ways: only to be forgotten */
    bool peer_finished;          /* it is known where the peer's direction ends */
    uint64_t bytes_acked;        /* sent, and the peer has it */
    uint64_t bytes_read;         /* received and taken by the reader */
    uint64_t queued_bytes;       /* to be sent, or to be sent again */
    uint64_t flying_bytes;       /* sent and not acknowledged */
    uint64_t unread_bytes;       /* received and not read, gaps included */
    unsigned waits;              /* enum stream_wait; 0: it has nothing to do */
    uint64_t reader_ns;          /* when the reader last took something, or all there was */
};

/* The stream opened next after `stream`, the first one for NULL; NULL behind the last. */
const struct stream *session_next_stream(const struct session *session,
                                         const struct stream *stream);
void session_stream_status(const struct session *session, const struct stream *stream,
                           struct stream_status *status);

#endif
