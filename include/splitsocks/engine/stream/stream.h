/* SPDX-License-Identifier: MIT */
/* Streams: data sent and received, copies, credit, and which stream gives way when memory
 * is short. */
#ifndef SPLITSOCKS_ENGINE_STREAM_H
#define SPLITSOCKS_ENGINE_STREAM_H

#include <splitsocks/base/account.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/named_ids.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/ranges.h>
#include <splitsocks/engine/path/path.h>
#include <splitsocks/engine/stream/stream_state.h>
#include <splitsocks/wire/frame.h>

#define STREAM_WINDOW_INITIAL (1024 * 1024)
#define STREAM_WINDOW_MIN (1024 * 1024)
#define STREAM_WINDOW_MIN_PATHS (4 * 1024 * 1024)
#define STREAM_WINDOW_MAX (16 * 1024 * 1024)
#define SESSION_WINDOW_INITIAL (16 * 1024 * 1024)
#define SESSION_WINDOW_MAX (64 * 1024 * 1024)
/* A hole in what was received costs at least this much credit. */
#define FRAGMENT_CHARGE 256
/* No new data is sent while there are so many records of chunks and of pieces in them that
 * are not acknowledged: small ones would need many. */
#define RECORDS_HELD_MAX (SESSION_WINDOW_MAX / FRAGMENT_CHARGE)
/* The session ends with so many: data has stopped long before, and a peer that sends on and
 * acknowledges nothing would make us keep the records of our answers for ever. */
#define RECORDS_HELD_END (2 * RECORDS_HELD_MAX)
/* Plaintext that may wait in a stream, the data in flight aside. */
#define STREAM_WAIT_MAX (1024 * 1024)
/* A stream with less waiting data than this is interactive. */
#define INTERACTIVE_MAX (16 * 1024)
/* A stream that has sent less than this is young. */
#define YOUNG_MAX (64 * 1024)
#define PARKED_AFTER_NS (250 * NS_PER_MS)
#define OFFSET_UNKNOWN UINT64_MAX

enum stream_class { STREAM_INTERACTIVE, STREAM_YOUNG, STREAM_BULK, STREAM_CLASSES };

/* Frames that wait to be sent for a stream. */
enum stream_control {
    STREAM_SEND_OPEN = 1,
    STREAM_SEND_OPENED = 2,
    STREAM_SEND_RESET = 4,
    STREAM_SEND_WINDOW = 8,
    STREAM_SEND_POLICY = 16,
};

/* Data in the driver's read buffer, in order, until session_settle(). */
struct borrowed {
    struct stream *stream;
    struct borrowed *next; /* of the same stream */
    uint64_t offset;
    const uint8_t *bytes;
    size_t length;
};

struct stream {
    struct list node;         /* streams.all */
    struct list ready;        /* streams.ready[class] while it has data to send */
    struct list control;      /* session->control while control_pending */
    struct stream *hash_next; /* streams.by_id */
    uint64_t id;              /* local: 0 while the STREAM_LIMIT does not allow it */
    void *user;
    struct target *target;   /* owned; local: until OPEN is acknowledged */
    char *destination;       /* owned; the target in words, or NULL */
    uint32_t references;     /* from sent items and queued events */
    uint8_t control_pending; /* enum stream_control, or-ed */
    struct stream_policy policy;
    uint16_t asks;      /* local: paths it is counted at, see pool_stream_begins() */
    uint8_t class;      /* enum stream_class, while `ready` is linked */
    uint8_t reset_code; /* ours */
    uint8_t peer_code;  /* of the peer's STREAM_RESET */

    uint8_t out_state; /* enum stream_out_state, by stream_set_out_state() */
    uint8_t in_state;  /* enum stream_in_state, by stream_set_in_state() */

    /* Facts that the two states do not tell. First about the opening of the stream: */
    bool incoming; /* relay: another frame of it has arrived, STREAM_OPEN has not */
    bool opened;   /* STREAM_OPENED was received (local), or queued (relay) */
    /* Calls of the driver, and events for it: */
    bool released;        /* it has released the stream, or was never given it */
    bool discard;         /* nobody reads: data that arrives is counted and dropped */
    bool failed;          /* it has SESSION_STREAM_RESET, or has reset the stream itself */
    bool readable_told;   /* it has SESSION_STREAM_READABLE, and has not read all since */
    bool writable_wanted; /* it waits for SESSION_STREAM_WRITABLE */

    /* Sending. [out_acked, out_end) is retained in `out`; the FIN counts as one byte at
     * out_final, so that it is acknowledged and owed like data. */
    struct pages out;
    struct ranges acked;   /* above out_acked */
    struct ranges owed;    /* sent once, lost since */
    struct copies *copies; /* owned; NULL before the first, and for `split` */
    uint64_t out_acked, out_next, out_end;
    uint64_t out_final;    /* OFFSET_UNKNOWN before session_stream_finish() or a reset;
                              known from then on, also while data before it waits */
    uint64_t out_window;   /* the peer's credit */
    uint64_t owed_bytes;   /* total of `owed` */
    uint64_t counted;      /* its share of streams.waiting_bytes */
    uint64_t held;         /* its share of streams.out_held */
    uint32_t extra_copies; /* outstanding items that are copies */
    int32_t deficit;       /* bytes it may still send in its round */
    uint8_t exchanges;     /* how often it sent little with nothing on its way, since it
                              last sent much; see restraint.c */

    /* Receiving. [in_read, in_next) is readable, in `in` or borrowed. */
    struct pages in;
    struct ranges received; /* above in_next */
    struct borrowed *borrowed, *borrowed_last;
    uint64_t in_read, in_next, in_highest;
    uint64_t in_final;  /* OFFSET_UNKNOWN before STREAM_IN_SIZE_KNOWN */
    uint64_t in_window; /* credit granted */
    uint64_t in_parked; /* bytes above in_read whose session credit was returned */
    uint64_t read_at_ns; /* when the reader last took something, or had nothing to take */
    uint64_t read_rate;  /* bytes a second it took, highest of the recent windows */
    uint64_t window_began_at_ns, window_read; /* the running window */
};

/* One read of the driver holds 16 of the largest chunks. */
#define BORROWED_MAX 32

/* The streams of a session. */
struct streams {
    struct context *context;
    struct paths *paths;
    struct account *account; /* borrowed, or `alone` */
    struct account alone;    /* where the configuration has no account */
    struct list all;
    unsigned count;        /* not released */
    struct stream **by_id; /* hash table, `by_id_size` buckets, a power of two */
    size_t by_id_size, by_id_count;
    struct list ready[STREAM_CLASSES];
    /* Whether some path has a copy of the stream to carry. Such a copy keeps a stream ready
     * that has no data of its own to send. The schedule answers. */
    bool (*copies_wait)(const void *schedule, struct stream *stream);
    const void *schedule; /* for copies_wait() */
    struct list control;
    struct list unassigned; /* local: streams without id, linked by `control` */
    unsigned bulk_skipped;  /* chunks of higher classes since the last of bulk */
    uint64_t next_id;       /* local: of the next to open */
    struct named_ids named; /* relay: those that frames have named */
    uint64_t limit;         /* granted: to us (local), by us (relay) */
    uint64_t ended;         /* relay: forgotten, for the next STREAM_LIMIT */
    /* Flow control: sums over all streams, ended ones too. */
    uint64_t out_sum, out_window;
    uint64_t out_held;   /* of all streams: sent, not acknowledged, and not moot */
    uint64_t records_held; /* of all subflows: chunks that were sent, and their pieces */
    uint64_t in_sum, in_consumed, in_window;
    uint64_t initial_window;  /* initial credit of a stream, agreed */
    uint64_t waiting_bytes;   /* ours to send, as far as streams' credit allows */
    uint64_t owed_bytes;      /* the part of it that was sent before */
    uint64_t demand_maximum;  /* of the last DEMAND sent, or received */
    uint64_t demand_sequence; /* of the same */
    bool starved; /* a stream got no memory: the next check tells it to try again */
    /* Since when there is no room for any stream; 0 = there is. */
    uint64_t starved_since_ns;
    struct borrowed borrowed[BORROWED_MAX]; /* from session_receive() to _settle() */
    size_t borrowed_count;
};

/* stream.c */
struct stream *stream_new(struct streams *streams, uint64_t id) MUST_CHECK;
struct stream *stream_find(const struct streams *streams, uint64_t id);
/* The stream has no id any more, and waits to send no frame of control. */
void stream_lose_id(struct streams *streams, struct stream *stream);
void stream_reference(struct stream *stream);
void stream_unreference(struct streams *streams, struct stream *stream);
void stream_queue_control(struct streams *streams, struct stream *stream, unsigned control);
/* Frees the stream when both directions are settled and nobody holds it. */
void stream_forget_if_done(struct streams *streams, struct stream *stream);
/* An event of the stream; its driver hears of it. */
struct session_event *stream_tell(struct streams *streams, struct stream *stream,
                                  enum session_event_type type);
void stream_tell_readable(struct streams *streams, struct stream *stream);
void stream_insert(struct streams *streams, struct stream *stream, uint64_t id);
/* Counts the stream at the paths `asks`, bit i for path i, and no others. */
void stream_set_asks(struct streams *streams, struct stream *stream, uint16_t asks);
/* Copies `target` into the stream; false when memory is out. */
bool stream_set_target(struct stream *stream, const struct target *target) MUST_CHECK;

/* stream_end.c */
/* Both sides have said all that they had to say, and it has arrived here. */
bool stream_is_complete(const struct stream *stream);
/* Ends a complete stream, or one that the peer has reset after all its data: the unread
 * data is left to the driver and its reader. */
void stream_end_complete(struct streams *streams, struct stream *stream,
                         enum reset_code code);
/* Tells the application of the peer's STREAM_RESET, once all data in order is read. */
void stream_tell_reset(struct streams *streams, struct stream *stream);
/* The application hears `code`, and nothing of the stream is sent any more. */
void stream_fail(struct streams *streams, struct stream *stream, enum reset_code code);
void stream_reset_send(struct streams *streams, struct stream *stream,
                       enum reset_code code);
/* The stream takes nothing more: data that has come, or comes, only counts as read. */
void stream_discard(struct streams *streams, struct stream *stream);

/* stream_credit.c */
/* The reader has taken so much. */
void stream_note_read(const struct streams *streams, struct stream *stream,
                      uint64_t length);
void streams_return_parked(struct streams *streams);
/* The peer lets this side send so much, or so much waits at the relay (local only; older
 * news than the last are dropped): other subflows may be of use. */
void streams_take_window(struct streams *streams, uint64_t maximum);
void streams_take_demand(struct streams *streams, uint64_t sequence, uint64_t maximum);
/* Local: bytes that wait at the relay and have not arrived since it said so. */
uint64_t streams_peer_demand(const struct streams *streams);
uint64_t stream_window_target(const struct streams *streams, const struct stream *stream);
uint64_t streams_window_next(const struct streams *streams);
void streams_window_update(struct streams *streams);

/* stream_shed.c: which stream is reset when a bound on memory is met; the driver is told */

/* A stream wanted memory to write to, and got none. */
void streams_starve(struct streams *streams);
/* Resets a stream when there was no room for any stream for a while: the one with most data
 * parked for a reader, here or at the peer, that does not read. Tells the streams that want
 * memory to try again. */
void streams_tick_starved(struct streams *streams);
/* There is no room for `pages` that have arrived for `wanting`: resets the stream that has
 * most data parked, or else most data received. */
void stream_shed_for(struct streams *streams, struct stream *wanting, size_t pages);
/* Resets this stream, which needs `pages` more. */
void stream_shed(struct streams *streams, struct stream *stream, enum session_bound bound,
                 size_t pages);

/* stream_send.c */
/* Puts the stream in the queue of its class, or in none. */
void stream_update_ready(struct streams *streams, struct stream *stream);
/* New data of all streams that the peer's credit, and our bound on unacknowledged data,
 * allow now. */
uint64_t streams_credit(const struct streams *streams);
/* The offset up to which the stream's own credit, and our bound, allow data. */
uint64_t stream_credit_end(const struct stream *stream);
/* Bytes that wait: never sent, or owed; the FIN counts as one. */
uint64_t stream_waiting(const struct stream *stream);
/* Bytes (FIN included) of new data that credit allows now. */
uint64_t stream_sendable(const struct streams *streams, const struct stream *stream);
/* [offset, offset + length) is on its way. */
void stream_sent(struct streams *streams, struct stream *stream, uint64_t offset,
                 uint64_t length);
/* `length` bytes of a redundant stream went on a further path. */
void stream_copied(struct streams *streams, struct stream *stream, uint64_t length);
void stream_range_acked(struct streams *streams, struct stream *stream, uint64_t offset,
                        uint64_t length);
/* A range that `path` carried will not arrive there. The ranges in `covered` are on their
 * way elsewhere, and so are not owed. */
void stream_range_lost(struct streams *streams, struct stream *stream, unsigned path,
                       uint64_t offset, uint64_t length, const struct ranges *covered);
void stream_send_abort(struct streams *streams, struct stream *stream);
uint64_t stream_send_limit(const struct stream *stream); /* out_end, FIN counted */
/* Each byte is to travel on several paths, at this moment. */
bool stream_is_redundant(const struct stream *stream);
/* Little of the stream is on its way: a copy costs little, and the reader waits for it. */
bool stream_is_small(const struct stream *stream);
/* The class to be served at `position` (0 first) of the order that holds now. */
enum stream_class stream_class_turn(const struct streams *streams, unsigned position);

/* copies.c */
/* Where the bytes of a redundant stream are on their way, or were acknowledged. While a
 * single path works, small data takes two subflows of that path: the second, its twin, is
 * told apart as if it were a path of its own. */
#define COPIES_TWIN(path) (SESSION_PATHS_MAX + (path))
#define COPIES_WAYS (2 * SESSION_PATHS_MAX)

struct copies {
    struct ranges taken[COPIES_WAYS];
};

void copies_free(struct copies *copies);
/* [start, end) is on its way by `way`, a path or its twin. OK or ERROR_MEMORY. */
int copies_sent(struct stream *stream, unsigned way, uint64_t start,
                uint64_t end) MUST_CHECK;
/* [start, end) is on the path no more. OK or ERROR_MEMORY. */
int copies_lost(struct stream *stream, unsigned path, uint64_t start,
                uint64_t end) MUST_CHECK;
/* out_acked has risen. */
void copies_acked(struct stream *stream);

/* stream_receive.c */
/* Copies what was received and not yet consumed out of the driver's buffer. */
void streams_settle(struct streams *streams);
/* OK, or an error that ends the session. */
int stream_receive(struct streams *streams, struct stream *stream,
                   const struct frame *frame);
/* The peer will send nothing beyond `final`. */
int stream_receive_final(struct streams *streams, struct stream *stream, uint64_t final);
void stream_consumed(struct streams *streams, struct stream *stream, uint64_t length);

#endif
