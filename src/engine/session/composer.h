/* SPDX-License-Identifier: MIT */
/*
 * A chunk under construction. session_produce.c decides when to make one and how large it
 * may be, and seals it. The other files add the frames that are due and fit, each of one
 * kind:
 *
 *   compose_acks.c      acknowledgements of received chunks
 *   compose_controls.c  frames of control: of the subflow, the session and its streams
 *   compose_data.c      data of streams
 *   compose_flows.c     frames of flows, and their datagrams
 */
#ifndef SPLITSOCKS_COMPOSER_H
#define SPLITSOCKS_COMPOSER_H

#include "session_parts.h"

#define COMPOSER_PARTS_MAX 64
/* Least room in which a data frame is worth its header. */
#define COMPOSER_DATA_MIN 16

/* Frames are written into scratch; stream bytes are not copied. */
struct composer {
    struct session *session;
    struct subflow *subflow;
    struct wire_writer writer; /* over scratch; its end moves down as data takes room */
    size_t limit;              /* bytes of plaintext that fit */
    size_t length;             /* bytes of plaintext so far, data included */
    struct iovec parts[COMPOSER_PARTS_MAX];
    size_t part_count;
    size_t part_start;     /* offset in scratch where the open part begins */
    uint16_t items;        /* items pushed to the subflow for this chunk */
    uint32_t unkept_bytes; /* of datagrams without an item */
    bool eliciting;
    bool redundant; /* other paths carry the same data */
    bool last;      /* the chunk has END */
    uint8_t scratch[CHUNK_SIZE_MAX];
};

/* Bytes of plaintext that still fit. */
static inline size_t composer_room(const struct composer *c)
{
    return c->limit - c->length;
}

/* Every frame is written between these two calls, which keep lengths and parts right.
 * begin: false when there is no room at all. commit: false when the frame did not fit; it
 * is dropped. */
bool composer_begin(struct composer *c, struct wire_writer *w);
bool composer_commit(struct composer *c, const struct wire_writer *w, bool eliciting);
/* Closes the run of frames in scratch as one part. */
void composer_close_part(struct composer *c);
/* Records an item that is settled with the chunk; false when memory is out. */
bool composer_push(struct composer *c, const struct sent_item *item);

/* Adds the ACKs that are owed, leaving `keep` bytes of room. */
void compose_acks(struct composer *c, size_t keep);
/* Repeats ACKs that have just gone elsewhere. The ACK of a copy must travel on several
 * paths, as the copies do: else all of the ACKs could be lost with the path that dies, and
 * the other path would seem to be the dead one. */
void compose_acks_again(struct composer *c);

/* Adds a frame that consists of its type, and asks for an ACK. */
void compose_type(struct composer *c, enum frame_type type);
void compose_subflow(struct composer *c);
void compose_session_controls(struct composer *c);
void compose_stream_controls(struct composer *c);
/* Relay: adds a DEMAND for the bytes that wait behind this chunk, if one is due. */
void compose_demand(struct composer *c, bool last);
void compose_close(struct composer *c);

void compose_flow_controls(struct composer *c);
/* Appends one DATAGRAM of a flow that sends little or much; false when none goes on this
 * subflow now. */
bool compose_datagram(struct composer *c, bool large);
/* The same for a flow that sends much, while it is its turn. */
bool compose_turn(struct composer *c);

/* Appends one STREAM_DATA; false when no data fits or waits. */
bool compose_piece(struct composer *c);

#endif
