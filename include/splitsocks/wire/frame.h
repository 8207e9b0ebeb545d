/* SPDX-License-Identifier: MIT */
/*
 * Frames: the units inside a chunk. This is the codec alone: no state, no rules of order.
 * Every field is a varint (RFC 9000 section 16) unless the comment says otherwise.
 */
#ifndef SPLITSOCKS_FRAME_H
#define SPLITSOCKS_FRAME_H

#include <splitsocks/base/policy.h>
#include <splitsocks/base/target.h>
#include <splitsocks/base/wire.h>

/* One byte on the wire. Unknown types end the session: features are agreed in HELLO. */
enum frame_type {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_SUBFLOW = 0x02, /* path id, budget up, budget down (0 = unlimited) */
    FRAME_END = 0x03,
    FRAME_ACK = 0x04,            /* tag, count, count x (number << 1 | final, chunks) */
    FRAME_STREAM_OPEN = 0x05,    /* id, port (2 bytes), target */
    FRAME_STREAM_OPENED = 0x06,  /* id */
    FRAME_STREAM_RESET = 0x07,   /* id, code, final offset */
    FRAME_STREAM_WINDOW = 0x08,  /* id, maximum offset */
    FRAME_SESSION_WINDOW = 0x09, /* maximum sum of offsets */
    FRAME_STREAM_LIMIT = 0x0a,   /* largest stream id */
    FRAME_DEMAND = 0x0b,         /* sum, in sequence: see `demand` below */
    FRAME_SESSION_CLOSE = 0x0c,  /* code, length, reason (UTF-8) */
    FRAME_PATH = 0x0d, /* path, sequence, flags, cost, modes, rate down (0 = none) */
    FRAME_STREAM_POLICY = 0x0e, /* id, mode, copies (0 = all), paths (bits; 0 = all) */
    FRAME_RATE = 0x0f, /* bytes a second down, of all paths together; 0 = no ceiling */
    FRAME_STREAM_DATA = 0x10, /* | FIN | LENGTH: id, offset, [length,] bytes */
    FRAME_LARGE_LOST = 0x14,  /* path, bytes of payload; WIRE_FEATURE_LARGE_LOST */
    FRAME_GONE = 0x15,        /* tag, subflow number, cause; WIRE_FEATURE_GONE */
    /* WIRE_FEATURE_DATAGRAMS: */
    FRAME_FLOW_OPEN = 0x18,  /* flow, mode, copies, paths, max age (ms), filter */
    FRAME_FLOW_CLOSE = 0x19, /* flow, code */
    FRAME_FLOW_LIMIT = 0x1a, /* largest flow id */
    FRAME_DATAGRAM = 0x20,   /* | LENGTH | TARGET | PARTS: flow, sequence, peer, [port,
                                target], [part, parts], [length,] bytes */
};

#define FRAME_DATA_FIN 0x01
/* Without this flag the bytes extend to the end of the chunk. */
#define FRAME_DATA_LENGTH 0x02
#define FRAME_DATA_MASK 0x03

/* Without LENGTH the bytes extend to the end of the chunk. With TARGET the frame says what
 * the peer's index stands for. */
#define FRAME_DATAGRAM_LENGTH 0x01
#define FRAME_DATAGRAM_TARGET 0x02
#define FRAME_DATAGRAM_PARTS 0x04
#define FRAME_DATAGRAM_MASK 0x07
/* A datagram has at most so many parts and bytes. */
#define FRAME_PARTS_MAX 128
#define FRAME_DATAGRAM_MAX 65535

#define FRAME_PATH_USABLE 0x01
#define FRAME_PATH_BACKUP 0x02
#define FRAME_PATH_SMALL_ONLY 0x04 /* ignored by relays that do not know it */

#define FRAME_REASON_MAX 128

/* Kinds of target in STREAM_OPEN and DATAGRAM, behind the port. One byte has the kind.
 * Addresses: a count (one byte), and for each a family (one byte, 4 or 6) and 4 or 16
 * bytes. A name: its length (one byte) and its bytes. */
enum frame_target { FRAME_TARGET_ADDRESSES = 1, FRAME_TARGET_NAME = 2 };

struct frame {
    enum frame_type type; /* FRAME_STREAM_DATA and FRAME_DATAGRAM without their flags */
    union {
        struct {
            uint64_t path, budget_up, budget_down;
        } subflow;
        struct {
            uint64_t tag; /* low 6 bits of the session id of the subflows' generation */
            uint64_t count;
            struct wire_reader entries; /* frame_ack_next() walks them */
        } ack;
        struct {
            uint64_t id;
            struct wire_reader target; /* frame_target_read() decodes it */
        } open;
        struct {
            uint64_t id;
        } opened;
        struct {
            uint64_t id, code, final_offset;
        } reset;
        struct {
            uint64_t id; /* STREAM_WINDOW only */
            uint64_t maximum;
        } window; /* STREAM_WINDOW, SESSION_WINDOW, STREAM_LIMIT, RATE, FLOW_LIMIT */
        struct {
            uint64_t sequence; /* rises with each DEMAND; a stale one is ignored */
            uint64_t maximum;  /* sum of stream offsets once all waiting data is sent */
        } demand;
        struct {
            uint64_t code;
            const uint8_t *reason; /* borrowed */
            size_t reason_length;
        } close;
        struct {
            uint64_t path, sequence, cost, modes, rate_down;
            bool usable, backup, small_only;
        } path;
        struct {
            uint64_t id;
            struct stream_policy policy;
        } policy;
        struct {
            uint64_t path, bytes;
        } large_lost;
        struct {
            uint64_t tag, number, cause;
        } gone;
        struct {
            uint64_t id;
            struct flow_policy policy;
        } flow_open;
        struct {
            uint64_t id, code;
        } flow_close;
        struct {
            uint64_t flow, sequence, peer;
            bool has_target;
            struct wire_reader target; /* port and target: frame_peer_read() */
            uint8_t part, parts;       /* 0 and 1 for a whole datagram */
            const uint8_t *bytes;      /* borrowed */
            size_t length;
        } datagram;
        struct {
            uint64_t id, offset;
            const uint8_t *bytes; /* borrowed */
            size_t length;
            bool fin;
        } data;
    };
};

/* Reads the next frame. OK, ERROR_MALFORMED, or ERROR_UNSUPPORTED for an unknown type.
 * Offsets plus lengths never exceed VARINT_MAX. Must not be called at the end. */
int frame_read(struct wire_reader *r, struct frame *frame);

struct frame_ack_entry {
    uint64_t number, chunks;
    bool final;
};

/* The next entry of an ACK; false after the last. */
bool frame_ack_next(struct frame *frame, struct frame_ack_entry *entry);
/* Decodes the target of a STREAM_OPEN. OK or ERROR_MALFORMED (no address, too many, an
 * empty name, or one with a zero byte). */
int frame_target_read(const struct frame *frame, struct target *target);
/* The same for the port and target of a DATAGRAM; all of the reader. */
int frame_peer_read(struct wire_reader reader, struct target *target);

/* Writers append one frame, or fail the writer. */
void frame_write_type(struct wire_writer *w, enum frame_type type); /* PING, END, PADDING */
void frame_write_subflow(struct wire_writer *w, uint64_t path, uint64_t budget_up,
                         uint64_t budget_down);
void frame_write_ack_header(struct wire_writer *w, uint64_t tag, uint64_t count);
void frame_write_ack_entry(struct wire_writer *w, uint64_t number, uint64_t chunks,
                           bool final);
void frame_write_open(struct wire_writer *w, uint64_t id, const struct target *target);
/* The length of a STREAM_OPEN. */
size_t frame_open_length(uint64_t id, const struct target *target);
void frame_write_opened(struct wire_writer *w, uint64_t id);
void frame_write_reset(struct wire_writer *w, uint64_t id, uint64_t code,
                       uint64_t final_offset);
void frame_write_stream_window(struct wire_writer *w, uint64_t id, uint64_t maximum);
/* SESSION_WINDOW, STREAM_LIMIT, RATE or FLOW_LIMIT. */
void frame_write_maximum(struct wire_writer *w, enum frame_type type, uint64_t maximum);
void frame_write_demand(struct wire_writer *w, uint64_t sequence, uint64_t maximum);
/* its member `path` */
void frame_write_path(struct wire_writer *w, const struct frame *frame);
void frame_write_large_lost(struct wire_writer *w, uint64_t path, uint64_t bytes);
void frame_write_gone(struct wire_writer *w, uint64_t tag, uint64_t number, uint64_t cause);
void frame_write_policy(struct wire_writer *w, uint64_t id,
                        const struct stream_policy *policy);
void frame_write_close(struct wire_writer *w, uint64_t code, const char *reason);
void frame_write_flow_open(struct wire_writer *w, uint64_t id,
                           const struct flow_policy *policy);
void frame_write_flow_close(struct wire_writer *w, uint64_t id, uint64_t code);
/* Port, kind, and addresses or name of a DATAGRAM's peer; at most FRAME_PEER_MAX bytes. */
#define FRAME_PEER_MAX (2 + 1 + 1 + TARGET_ADDRESSES_MAX * 17)
void frame_write_peer(struct wire_writer *w, const struct target *target);
/* Writes the header only, from the members of frame->datagram; the caller appends the
 * bytes. */
void frame_write_datagram_header(struct wire_writer *w, const struct frame *frame,
                                 bool with_length);
/* Bytes of that header. */
size_t frame_datagram_header_length(const struct frame *frame, bool with_length);
/* Writes the header only; the caller appends the bytes. The header has the length if
 * `with_length`. */
void frame_write_data_header(struct wire_writer *w, uint64_t id, uint64_t offset,
                             size_t length, bool with_length, bool fin);

/* Bytes of the header above. */
size_t frame_data_header_length(uint64_t id, uint64_t offset, size_t length,
                                bool with_length);

#endif
