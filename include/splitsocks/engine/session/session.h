/*
 * The session engine: streams above, subflows below, for local and for relay.
 *
 * Sans-IO and polled. Bytes, events and `now` (monotonic nanoseconds, never going back)
 * go in; bytes and events come out, and no call calls back. The driver's loop is
 *
 *     on readable:  session_receive(), then drain events, then session_settle()
 *     on timer:     answer session_next_unmeasured(), session_tick(), then drain events
 *     on plain data: session_stream_reserve()/_commit(), then drain events
 *     always last:  while ((subflow = session_next_sender()) != NULL) session_produce()
 *                   drain events again, re-arm one timer from session_next_timeout()
 *
 * A session is used by one thread at a time. Pointers to streams and subflows belong to
 * the session; the text at each event says how long they are valid.
 */
#ifndef SPLITSOCKS_SESSION_H
#define SPLITSOCKS_SESSION_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/policy.h>
#include <splitsocks/base/target.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct page_pool;
struct pages;
struct range;
struct session;
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
    RESET_LIMIT = 9,        /* a bound of the side that resets was met */
    RESET_PROTOCOL = 10,    /* the session ended over a broken rule */
    RESET_HALF_CLOSED = 11, /* one direction had ended, and nothing moved any more */
    /* Given to the application only, never on the wire: */
    RESET_SESSION_LOST = 64,       /* the relay no longer knows the session (restarted) */
    RESET_RELAY_UNREACHABLE = 65,  /* no session could be set up in time */
    RESET_LINGER = 66,             /* no contact with the peer for the linger time */
    RESET_SESSION_CLOSED = 67,     /* the peer closed the session */
    RESET_BLOCKED = 68,            /* forbidden by local's own rules */
    RESET_SESSION_REFUSED = 69,    /* the relay gives this key no session now */
    RESET_RELAY_SILENT = 70,       /* something takes connections, and does not prove to be it */
};

/* A phrase for logs, e.g. "connection refused"; never NULL. */
const char *reset_code_string(enum reset_code code);

/* Why a session ended; travels in SESSION_CLOSE. */
enum close_code {
    CLOSE_ASKED = 0,   /* it is not needed any more */
    CLOSE_RULE = 1,    /* the peer broke a rule */
    CLOSE_REMOVED = 2, /* the relay does not list the client's key any more */
    CLOSE_LIMIT = 3,   /* the key has as many sessions as the relay allows it */
    CLOSE_STOPPED = 4, /* the process is being stopped; it may come back */
    CLOSE_LINGER = 5,  /* the peer was not heard of for the linger time */
    CLOSE_FAILURE = 6, /* memory is out, or the like */
};

/* A phrase for logs, as the side says it that closes; never NULL. */
const char *close_code_string(enum close_code code);

struct session_config {
    enum session_role role;
    struct page_pool *pages; /* borrowed; outlives the session */
    uint32_t chunk_size;     /* CHUNK_SIZE_MIN..CHUNK_SIZE_MAX; local's holds for both sides */
    uint64_t linger_ns;
    uint64_t stream_limit;   /* relay: streams open at once, granted to local */

    /* The rest is local's. */
    unsigned pool_size, pool_idle, pool_burst; /* subflows */
    uint64_t keepalive_ns; /* an idle one is asked for a sign of life so often, or more often
                              where that is not enough; 0, or more than 45 s: 45 s */
    double dials_per_second; /* ceiling for each port; 0 = none */
    uint64_t rate_up, rate_down;     /* ceilings of the session, bytes a second; 0 = none */
    uint64_t budget_up, budget_down; /* bytes; SESSION_UNLIMITED, else at least BUDGET_MIN */
    unsigned path_count;             /* 1..SESSION_PATHS_MAX; see session_set_path() */
    uint64_t packet_retry_ns; /* when larger packets are tried again on a path that has lost
                                 them; TIME_NEVER: never */
    unsigned port_count;     /* 1..SESSION_PORTS_MAX */
    uint8_t server_id;       /* the relay asked for behind a balancer; 0 = any */
    uint8_t private_key[32], relay_public_key[32];
    uint64_t seed; /* random; spreads choices of port and back-off */
};

/* Local. Copies the config. NULL when memory is out. Dials nothing before the first tick. */
struct session *session_new(const struct session_config *config, uint64_t now) MUST_CHECK;
/* Frees everything, streams and subflows too; the driver closes their sockets. */
void session_free(struct session *session);

/* ---- paths ---- */

/* What local's driver knows of a path, and the configuration wants of it. */
struct path_properties {
    bool usable;   /* false: dial nothing here, and what is open is dead */
    bool backup;   /* carries data only while no other path works */
    uint16_t cost; /* a path is filled only when every cheaper one is full */
    /* Local: a backup, or a dear path, carries no bulk before all that come before it have
     * been gone, or full, for so long. */
    uint64_t bulk_after_ns;
    uint8_t modes; /* bit (1 << enum stream_mode): for these streams alone; 0 = all */
    uint64_t rate_up, rate_down; /* ceilings, bytes a second; 0 = none */
    uint16_t packet_size; /* of IP, what the path lets through; 0 = found out */
};

/* Local: paths 0 to path_count - 1 begin usable, with everything else 0. A path that
 * becomes unusable loses all its subflows at once, and what they owed goes elsewhere; one
 * that becomes usable is dialled at once. When its address has changed, do both. */
void session_set_path(struct session *session, unsigned index,
                      const struct path_properties *properties, uint64_t now);

/* Local: what SESSION_PATH_PACKETS said of the path when it was last used: a first guess, to
 * be given when the path becomes usable. 0 is none. */
void session_remember_packets(struct session *session, unsigned index, uint16_t size,
                              uint64_t now);

/* Why a path does not work. */
enum path_reason {
    PATH_REASON_UNTRIED,     /* nothing was dialled yet */
    PATH_REASON_WORKS,       /* the peer was heard on it */
    PATH_REASON_UNUSABLE,    /* the driver said so */
    PATH_REASON_REFUSED,     /* the relay's host refuses the dials */
    PATH_REASON_UNREACHABLE, /* dials fail at once: no route, no address, ... */
    PATH_REASON_TIMED_OUT,   /* dials are not answered */
    PATH_REASON_SILENT,      /* what was sent is not acknowledged any more */
    PATH_REASON_UNANSWERED,  /* connections are taken, and a HELLO is not answered */
    PATH_REASON_STRANGER,    /* what takes connections is not the relay */
};

/* A phrase for logs, e.g. "connections are refused"; never NULL. */
const char *path_reason_string(enum path_reason reason);

/* Local: what kept the path from being dialled holds no more, since the relay has another
 * address there: it may be dialled at once. Its subflows stay. */
void session_retry_path(struct session *session, unsigned index, uint64_t now);

/* ---- events ---- */

/* Local: how a connection has failed to show that it leads to the relay. */
enum unproven {
    UNPROVEN_NOT,     /* it has shown that, or was given up for another reason */
    UNPROVEN_DIAL,    /* it was not established in time */
    UNPROVEN_SILENT,  /* nothing came on it in time; as from a relay that was sent what it
                         does not know */
    UNPROVEN_CLOSED,  /* the other side ended it */
    UNPROVEN_STRANGE, /* what came on it is not of the relay */
};

enum session_event_type {
    SESSION_NO_EVENT,

    /* Local: connect to relay port index `port` by path index `path`, then call
     * session_subflow_up() or session_subflow_down(). `subflow` is valid until the driver
     * has called session_subflow_down() or has taken its SESSION_CLOSE_SUBFLOW. */
    SESSION_DIAL,
    /* Close the socket now: with a reset (SO_LINGER 0); or, at a relay and with `silent`
     * set, read and discard until the deadline of a silent arrival. `subflow` is valid
     * until the next call to session_next_event(); do not call session_subflow_down(). */
    SESSION_CLOSE_SUBFLOW,

    /* Relay: local opened a stream to `target` (valid until the next call to
     * session_next_event()). Answer with session_stream_accept() or
     * session_stream_reset(). `stream` is valid until session_stream_release(). */
    SESSION_STREAM_INCOMING,
    /* Local: the relay has connected; `code` unused. */
    SESSION_STREAM_OPENED,
    /* There is something for session_stream_peek() that was not there before. Not
     * repeated until session_stream_peek() has been drained. */
    SESSION_STREAM_READABLE,
    /* session_stream_reserve() gives room again after it gave none. */
    SESSION_STREAM_WRITABLE,
    /* The stream ended with `code`; contiguous data was readable before, unless all that
     * the peer had to say has arrived: session_stream_take() gives that. Only that and
     * session_stream_release() may follow. */
    SESSION_STREAM_RESET,

    /* For logs and status. */
    SESSION_SHED,      /* `stream` is reset because a bound was met: `shed` tells which */
    SESSION_UP,        /* local: a session is established; `resumed` tells which kind */
    SESSION_LOST,      /* local: no contact; what is open waits for up to linger */
    SESSION_PATH_UP,   /* local: `path` works (again): the relay was heard on it */
    SESSION_PATH_DOWN, /* local: `path` works no more; `path_reason` tells why */
    /* Local: `path` is used with IP packets of at most `packet_size` bytes from now on, as
     * larger ones vanish on it; 0: with those of the link again. */
    SESSION_PATH_PACKETS,
    /* The session has ended (closed by either side, linger over, or a broken rule:
     * `error` and `reason` tell). Every stream has had its SESSION_STREAM_RESET before. The
     * driver frees it; a local that was not asked to stop starts a new one then. */
    SESSION_ENDED,
};

/* Why a stream has to go. */
enum session_bound {
    SESSION_BOUND_BUFFERED, /* that of the page pool, or the session's share of it */
    SESSION_BOUND_HOLES,    /* what the peer sends arrives in too many pieces */
    SESSION_BOUND_MEMORY,   /* the system has no more */
};

/* What was in use when a stream had to go: whole pages, in bytes. */
struct session_shed {
    enum session_bound bound;
    bool shared;           /* the session may have no more of the pool than is free */
    uint64_t wanted_bytes; /* could not be had */
    uint64_t stream_bytes; /* this stream had */
    uint64_t session_bytes;
    uint64_t used_bytes; /* of the pool */
    uint64_t bound_bytes;
};

struct session_event {
    enum session_event_type type;
    struct subflow *subflow;
    struct stream *stream;
    unsigned path, port;          /* SESSION_DIAL; path also of SESSION_PATH_UP and _DOWN */
    enum path_reason path_reason; /* SESSION_PATH_DOWN */
    uint16_t packet_size; /* SESSION_DIAL: bound the segments of both sides so that IP
                             packets are no larger; 0: the link's own. SESSION_PATH_PACKETS */
    bool given_up;        /* SESSION_PATH_PACKETS: no size was found that helps */
    bool hello;                  /* SESSION_DIAL: session_subflow_up() needs `fresh` */
    bool silent;                 /* SESSION_CLOSE_SUBFLOW: what it sent did not open */
    enum unproven unproven;      /* SESSION_CLOSE_SUBFLOW */
    bool resumed;                /* SESSION_UP: the streams of the old session stay */
    enum reset_code code;        /* SESSION_STREAM_RESET */
    struct session_shed shed;    /* SESSION_SHED */
    const struct target *target; /* SESSION_STREAM_INCOMING */
    enum error error;            /* SESSION_ENDED; OK when this side closed it, ERROR_CLOSED
                                    when the peer did, else what went wrong here */
    enum close_code close;       /* SESSION_ENDED */
    const char *reason;          /* SESSION_ENDED: a phrase, valid until the next call */
};

/* Takes the oldest event; false when there is none. Order is the order of doing: a
 * SESSION_CLOSE_SUBFLOW that makes room in the pool comes before its SESSION_DIAL. */
bool session_next_event(struct session *session, struct session_event *event);

/* ---- time ---- */

/* When session_tick() wants to be called next; TIME_NEVER when nothing waits. */
uint64_t session_next_timeout(const struct session *session);
void session_tick(struct session *session, uint64_t now);

/* ---- subflows ---- */

/* What the kernel knows of a subflow's TCP connection. */
struct subflow_measure {
    uint64_t srtt_ns;       /* tcpi_rtt */
    uint64_t rate;          /* bytes a second: the larger of tcpi_delivery_rate and
                               cwnd x mss / srtt; 0 = unknown */
    uint32_t queued_bytes;  /* SIOCOUTQ: not yet acknowledged by the peer's TCP, plus the
                               driver's own unwritten tail */
    uint32_t unsent_bytes;  /* of them: not yet sent for the first time */
    uint32_t flying_bytes;  /* of them: sent, and by what its TCP knows neither received nor
                               lost */
    uint64_t silent_ns;     /* tcpi_last_ack_recv: since anything of the peer's TCP came;
                               TIME_NEVER: unknown */
};

/* Fresh values for a HELLO, from the driver's random and wall clock. */
struct session_fresh {
    uint8_t ephemeral[32]; /* random */
    uint64_t clock_ns;     /* wall clock, since 1970 */
    uint64_t stamp;        /* the same, or 1 more than the last that was used */
};

/* The connection is established. `fresh` is needed for a SESSION_DIAL with hello set, and
 * not looked at otherwise. */
void session_subflow_up(struct session *session, struct subflow *subflow,
                        const struct session_fresh *fresh, uint64_t now);

enum subflow_end {
    SUBFLOW_REFUSED,     /* the dial was refused */
    SUBFLOW_UNREACHABLE, /* the dial failed otherwise: no route, address gone, ... */
    SUBFLOW_EOF,         /* end of file was read */
    SUBFLOW_RESET,       /* a reset was received */
    SUBFLOW_FAILED,      /* any other error of the socket */
};

/* The connection is no more; the driver has read it to its end first and has passed all
 * to session_receive(). The subflow pointer is invalid afterwards. */
void session_subflow_down(struct session *session, struct subflow *subflow,
                          enum subflow_end end, uint64_t now);

/* Takes whole chunks from `bytes` and returns how many bytes were used; the driver keeps
 * the rest (less than one chunk) and passes it again in front of what follows. Opens in
 * place: `bytes` is overwritten, and stream data in it stays borrowed until
 * session_settle(), so that session_stream_peek() may point into it.
 * `*closed` becomes true when the subflow was given up meanwhile (its
 * SESSION_CLOSE_SUBFLOW waits in the queue): read no more from it. */
size_t session_receive(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length, bool *closed, uint64_t now);

/* Copies what was received and not yet consumed, so that the buffers passed to
 * session_receive() may be reused. */
void session_settle(struct session *session, uint64_t now);

/* The subflow that should carry something now, best first, or NULL. Only subflows marked
 * writable are given. */
struct subflow *session_next_sender(struct session *session, uint64_t now);

/* Fills `buffer` (capacity >= CHUNK_SIZE_MAX) with what the subflow carries now and
 * returns the length; 0 when nothing is to be sent after all. All of it counts as sent:
 * the driver writes it in order, keeps the unwritten tail, and says session_subflow_writable(false) until
 * the tail is gone and the socket writable again. */
size_t session_produce(struct session *session, struct subflow *subflow, uint8_t *buffer,
                       size_t capacity, uint64_t now);
void session_subflow_writable(struct session *session, struct subflow *subflow,
                              bool writable);

/* The next subflow whose measure is wanted now (in use, and older than 1 ms with several
 * paths or 10 ms with one), or NULL. The driver answers each with
 * session_subflow_measured(); ask before session_next_sender(), and before session_tick(),
 * which judges subflows that make no progress by it. */
struct subflow *session_next_unmeasured(struct session *session, uint64_t now);
void session_subflow_measured(struct session *session, struct subflow *subflow,
                              const struct subflow_measure *measure, uint64_t now);

/* The payload of its connection's largest packets, as its TCP says, before anything is
 * produced for it. */
void subflow_set_payload(struct subflow *subflow, uint32_t bytes);
void subflow_set_user(struct subflow *subflow, void *user);
void *subflow_user(const struct subflow *subflow);
unsigned subflow_path(const struct subflow *subflow);
/* Something of the relay has opened on it. */
bool subflow_proven(const struct subflow *subflow);
uint64_t subflow_number(const struct subflow *subflow);

/* ---- streams ---- */

/* Local: opens a stream; it waits inside while there is no session, for up to 10 s. The
 * target and the policy (NULL: the default) are copied. NULL when memory is out. Valid
 * until session_stream_release(). */
struct stream *session_stream_open(struct session *session, const struct target *target,
                                   const struct stream_policy *policy,
                                   uint64_t now) MUST_CHECK;
/* Relay: the destination is connected. */
void session_stream_accept(struct session *session, struct stream *stream, uint64_t now);
/* Ends both directions at once; no event follows, session_stream_release() must. */
void session_stream_reset(struct session *session, struct stream *stream,
                          enum reset_code code, uint64_t now);
/* The driver lets go: the pointer is invalid afterwards. What was written is still
 * delivered; if the peer's direction has not ended, the stream is reset (cancelled). */
void session_stream_release(struct session *session, struct stream *stream, uint64_t now);

/* Room to read a plain socket straight into: at most `length` bytes in at most `max`
 * parts, returned in `parts`; the number of parts is returned, 0 when the stream takes
 * nothing now (SESSION_STREAM_WRITABLE follows). */
size_t session_stream_reserve(struct session *session, struct stream *stream, size_t length,
                              struct iovec *parts, size_t max);
/* The first `length` bytes of the reserved room are data. */
void session_stream_commit(struct session *session, struct stream *stream, size_t length,
                           uint64_t now);
/* Copies; returns how much was taken, which may be less than `length`. */
size_t session_stream_write(struct session *session, struct stream *stream,
                            const void *data, size_t length, uint64_t now);
/* No more will be written. */
void session_stream_finish(struct session *session, struct stream *stream, uint64_t now);

/* What can be read now, in order, in at most `max` parts; returns the number of parts.
 * `*finished` is true when the peer's direction ends right behind what was given. The
 * parts are valid until the next call that is given the stream, or session_settle(). */
size_t session_stream_peek(struct session *session, struct stream *stream,
                           struct iovec *parts, size_t max, bool *finished);
/* `length` bytes of what was peeked have been delivered; their credit goes back. */
void session_stream_consume(struct session *session, struct stream *stream, size_t length,
                            uint64_t now);

/* After SESSION_STREAM_RESET. When it was the session that has ended, and both directions
 * of the stream had, and all has arrived, the reader has only been slow: then this gives
 * the driver what is left for it, in `pages` and at the offsets `unread`, and returns true.
 * `pages` are the caller's: empty, of an account of the same pool which outlives them. */
bool session_stream_take(struct session *session, struct stream *stream, struct pages *pages,
                         struct range *unread) MUST_CHECK;

void stream_set_user(struct stream *stream, void *user);
void *stream_user(const struct stream *stream);
uint64_t stream_id(const struct stream *stream);
/* As target_format() has it, for people; never NULL. Valid as long as the stream. */
const char *stream_destination(const struct stream *stream);

/* ---- the whole ---- */

/* Ends the session: tells the peer why, and SESSION_ENDED follows when that is done or 1 s
 * has passed. Streams that are still open are reset. `reason` may be NULL: then it is that of
 * the code. */
void session_close(struct session *session, enum close_code code, const char *reason,
                   uint64_t now);

/* It is ending, or has ended. */
bool session_is_closing(const struct session *session);

/* Streams that are open, or released with bytes that the peer does not have yet: a daemon
 * that was asked to stop waits for these. Counts them one by one. */
unsigned session_stream_count(const struct session *session);
void session_set_user(struct session *session, void *user);
void *session_user(const struct session *session);
/* Session id, for logs; 0 while there is none. */
uint64_t session_id(const struct session *session);
/* Local: the newest stamp that the relay has taken in a HELLO of this session; 0: none. */
uint64_t session_stamp(const struct session *session);

/* Counters since the session began; for status, benches and tests. */
struct session_counters {
    uint64_t subflows_opened, subflows_retired, subflows_failed, dials_failed;
    uint64_t chunks_sent, chunks_received;
    uint64_t wire_bytes_sent, wire_bytes_received;
    uint64_t stream_bytes_sent, stream_bytes_received; /* first copies only */
    uint64_t stream_bytes_acked;
    uint64_t bytes_requeued;    /* owed by ended subflows and sent again */
    uint64_t bytes_reinjected;  /* sent again while the first copy was still on its way */
    uint64_t bytes_redundant;   /* further copies that the policy of streams asked for */
    uint64_t bytes_duplicate;   /* received again */
    uint64_t resumes;
    unsigned subflows_open;     /* now; dialling ones too */
    unsigned subflows_open_max;
};

const struct session_counters *session_counters(const struct session *session);

#endif
