/* SPDX-License-Identifier: MIT */
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
#include <splitsocks/engine/outbox/types.h>

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

/* A phrase for logs, e.g. "connection refused"; never NULL. */
const char *reset_code_string(enum reset_code code);

/* The phrase with which the closing side says why; never NULL. */
const char *close_code_string(enum close_code code);

/* Local. Copies the config. NULL when memory is out. Dials nothing before the first tick. */
struct session *session_new(const struct session_config *config, uint64_t now) MUST_CHECK;
/* Frees everything, streams and subflows included; the driver closes their sockets. */
void session_free(struct session *session);

/* ---- paths ---- */

/* Local: paths 0 to path_count - 1 begin usable, with all other properties 0. A path that
 * becomes unusable loses all its subflows at once, and their unacknowledged data goes
 * elsewhere; a path that becomes usable is dialled at once. When its address has changed,
 * do both. */
void session_set_path(struct session *session, unsigned index,
                      const struct path_properties *properties, uint64_t now);

/* Local: gives the size of an earlier SESSION_PATH_PACKETS as a first guess, when the path
 * becomes usable. 0: none. */
void session_remember_packets(struct session *session, unsigned index, uint16_t size,
                              uint64_t now);

/* Local: gives limits that an earlier session has learned as a first guess, when the path
 * is to be used, for a port index. Limits that this session learns itself count for more.
 */
void session_remember_limits(struct session *session, unsigned path, unsigned port,
                             const struct port_memory *memory, uint64_t now);
/* False: nothing worth keeping was learned. */
bool session_learned_limits(const struct session *session, unsigned path, unsigned port,
                            struct port_memory *memory);

/* Local: the relay has another address on this path, so earlier failures do not count: the
 * path may be dialled at once. Its subflows stay. */
void session_retry_path(struct session *session, unsigned index, uint64_t now);

/* ---- events ---- */

/* Takes the oldest event; false when there is none. Act on events in this order: a
 * SESSION_CLOSE_SUBFLOW that makes room in the pool comes before its SESSION_DIAL. */
bool session_next_event(struct session *session, struct session_event *event);

/* ---- time ---- */

/* When session_tick() must be called next; TIME_NEVER when nothing waits. */
uint64_t session_next_timeout(const struct session *session);
void session_tick(struct session *session, uint64_t now);

/* ---- subflows ---- */

/* Fresh values for a HELLO, from the driver's random and wall clock. */
struct session_fresh {
    uint8_t ephemeral[32]; /* random */
    uint64_t clock_ns;     /* wall clock, since 1970 */
    uint64_t stamp;        /* the same, or the last used stamp + 1 if that is more */
};

/* The connection is established. `fresh` is needed for a SESSION_DIAL with hello set, and
 * ignored otherwise. */
void session_subflow_up(struct session *session, struct subflow *subflow,
                        const struct session_fresh *fresh, uint64_t now);

/* The connection is gone; the driver has read it to its end and passed everything to
 * session_receive() first. The subflow pointer is invalid afterwards. */
void session_subflow_down(struct session *session, struct subflow *subflow,
                          enum subflow_end end, uint64_t now);

/* What the driver does after session_receive(). */
enum session_received {
    SESSION_RECEIVED_ALL,    /* waits for further bytes; less than one chunk is left */
    SESSION_RECEIVED_PART,   /* calls again with what is left, at once or later */
    SESSION_RECEIVED_CLOSED, /* reads no more: the subflow was given up meanwhile, and its
                                SESSION_CLOSE_SUBFLOW waits in the queue */
};

/* One call takes no more frames, so that the driver can look at its clock before one peer's
 * small frames have taken long: those of one chunk can take 7 ms. So many take 0.02 ms, or
 * 0.4 where each needs a fresh page. */
#define SESSION_FRAMES_AT_ONCE 16

/* Takes chunks from `bytes` and returns how many bytes were used; the driver keeps the
 * rest and passes it again in front of the next bytes. Chunks are opened in place: `bytes`
 * is overwritten, also in the rest, and stream data in it stays borrowed until
 * session_settle(), so that session_stream_peek() may point into it. */
size_t session_receive(struct session *session, struct subflow *subflow, uint8_t *bytes,
                       size_t length, enum session_received *received, uint64_t now);

/* Copies received data that was not consumed yet, so that the buffers passed to
 * session_receive() may be reused. */
void session_settle(struct session *session, uint64_t now);

/* The subflow that should send now, best first, or NULL. Only writable subflows are
 * returned. */
struct subflow *session_next_sender(struct session *session, uint64_t now);

/* Fills `buffer` (capacity >= CHUNK_SIZE_MAX) with the bytes that the subflow should send
 * now and returns their number; 0 when there are none after all. All of them count as
 * sent: the driver writes them in order, keeps the unwritten tail, and calls
 * session_subflow_writable(false) until the tail is gone and the socket writable again. */
size_t session_produce(struct session *session, struct subflow *subflow, uint8_t *buffer,
                       size_t capacity, uint64_t now);
void session_subflow_writable(struct session *session, struct subflow *subflow,
                              bool writable);

/* The next subflow that must be measured now (in use, and last measured more than 1 ms ago
 * with several paths, 10 ms with one), or NULL. The driver answers each with
 * session_subflow_measured(). It asks before session_next_sender(), and before
 * session_tick(), which uses the measures to judge subflows that make no progress. */
struct subflow *session_next_unmeasured(struct session *session, uint64_t now);
void session_subflow_measured(struct session *session, struct subflow *subflow,
                              const struct subflow_measure *measure, uint64_t now);

void subflow_set_user(struct subflow *subflow, void *user);
void *subflow_user(const struct subflow *subflow);
unsigned subflow_path(const struct subflow *subflow);
/* Whether the subflow has brought an authentic chunk of the relay. */
bool subflow_proven(const struct subflow *subflow);
uint64_t subflow_number(const struct subflow *subflow);

/* ---- streams ---- */

/* Local: opens a stream; it waits inside while there is no session, for up to 10 s. When
 * the session has ended, SESSION_STREAM_RESET follows. The target and the policy (NULL: the
 * default) are copied. NULL when memory is out. Valid until session_stream_release(). */
struct stream *session_stream_open(struct session *session, const struct target *target,
                                   const struct stream_policy *policy,
                                   uint64_t now) MUST_CHECK;
/* Relay: the destination is connected. */
void session_stream_accept(struct session *session, struct stream *stream, uint64_t now);
/* Ends both directions at once; no event follows, session_stream_release() must. */
void session_stream_reset(struct session *session, struct stream *stream,
                          enum reset_code code, uint64_t now);
/* The driver lets go of the stream: the pointer is invalid afterwards. Written data is
 * still delivered; if the peer's direction has not ended, the stream is reset
 * (cancelled). */
void session_stream_release(struct session *session, struct stream *stream, uint64_t now);

/* Room into which a plain socket can be read: at most `length` bytes in at most `max`
 * `parts`. Returns the number of parts; 0 when the stream takes nothing now
 * (SESSION_STREAM_WRITABLE follows). */
size_t session_stream_reserve(struct session *session, struct stream *stream, size_t length,
                              struct iovec *parts, size_t max);
/* The first `length` bytes of the reserved room are data. */
void session_stream_commit(struct session *session, struct stream *stream, size_t length,
                           uint64_t now);
/* Copies `data`; returns how many bytes were taken, which may be less than `length`. */
size_t session_stream_write(struct session *session, struct stream *stream,
                            const void *data, size_t length, uint64_t now);
/* Ends this side's direction: nothing more will be written. */
void session_stream_finish(struct session *session, struct stream *stream, uint64_t now);

/* The data that can be read now, in order, in at most `max` parts; returns the number of
 * parts. `*finished` is true when the peer's direction ends right behind it. The parts are
 * valid until the next call that is given the stream, or session_settle(). */
size_t session_stream_peek(struct session *session, struct stream *stream,
                           struct iovec *parts, size_t max, bool *finished);
/* `length` bytes from session_stream_peek() have been delivered; the peer gets credit for
 * them. */
void session_stream_consume(struct session *session, struct stream *stream, size_t length,
                            uint64_t now);

/* After SESSION_STREAM_RESET. If the session has ended, both directions of the stream had
 * ended before, and all data has arrived, then only a slow reader is left. This call gives
 * the driver the remaining data, in `pages` at the offsets `unread`, and returns true.
 * `pages` belong to the caller: empty, and of an account of the same pool that outlives
 * them. */
bool session_stream_take(struct session *session, struct stream *stream, struct pages *pages,
                         struct range *unread) MUST_CHECK;

/* ---- the whole ---- */

/* Ends the session: tells the peer why. SESSION_ENDED follows when the peer has been told
 * or after 1 s. Open streams are reset. `reason` may be NULL: then the code's own phrase
 * is used. */
void session_close(struct session *session, enum close_code code, const char *reason,
                   uint64_t now);

/* Whether the session is ending, or has ended. */
bool session_is_closing(const struct session *session);

/* Streams that are open, or released with data that the peer does not have yet: a daemon
 * that was asked to stop waits for these. Counts them one by one. */
unsigned session_stream_count(const struct session *session);
void session_set_user(struct session *session, void *user);
void *session_user(const struct session *session);
/* The session id, for logs; 0 while there is none. */
uint64_t session_id(const struct session *session);
/* Local: the newest stamp that the relay has accepted in a HELLO of this session; 0:
 * none. */
uint64_t session_stamp(const struct session *session);

const struct session_counters *session_counters(const struct session *session);

#endif
