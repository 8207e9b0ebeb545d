/* SPDX-License-Identifier: MIT */
/*
 * A chunk under construction. session_produce.c decides that there is one, how large it may
 * be, and seals it; the other functions each add what is due of one kind and fits:
 *
 *   compose_acks.c      what was received
 *   compose_controls.c  frames of control: of the subflow, the session and its streams
 *   compose_data.c      data of streams
 */
#ifndef SPLITSOCKS_COMPOSER_H
#define SPLITSOCKS_COMPOSER_H

#include "session_parts.h"

#define COMPOSER_PARTS_MAX 64
/* Room that a data frame must find to be worth its header. */
#define COMPOSER_DATA_MIN 16

/* Frames are written into scratch, and stream bytes stay where they lie. */
struct composer {
    struct session *session;
    struct subflow *subflow;
    struct wire_writer writer; /* over scratch; its end moves with what data takes */
    size_t limit;              /* bytes of plaintext that fit */
    size_t length;             /* bytes of plaintext so far, data included */
    struct iovec parts[COMPOSER_PARTS_MAX];
    size_t part_count;
    size_t part_start;         /* offset in scratch where the open part begins */
    uint16_t items;            /* pushed to the subflow for this chunk */
    bool eliciting;
    bool redundant;            /* other paths carry the same */
    bool last;                 /* END is in it */
    uint8_t scratch[CHUNK_SIZE_MAX];
};

/* Bytes of plaintext that still fit. */
static inline size_t composer_room(const struct composer *c)
{
    return c->limit - c->length;
}

/* Every frame is written between these two, so that lengths and parts stay true. begin:
 * false when there is no room at all. commit: false when the frame did not fit; then nothing
 * of it stays. */
bool composer_begin(struct composer *c, struct wire_writer *w);
bool composer_commit(struct composer *c, const struct wire_writer *w, bool eliciting);
/* Closes the run of frames in scratch as one part. */
void composer_close_part(struct composer *c);
/* Notes what is settled with the chunk; false when memory is out. */
bool composer_push(struct composer *c, const struct sent_item *item);

/* Adds what waits to be acknowledged, leaving `keep` bytes of room. */
void compose_acks(struct composer *c, size_t keep);
/* What says that a copy has arrived travels on several paths as the copies do: else all of
 * it could go with the path that dies, and the other would seem to be the dead one. So what
 * has just gone elsewhere goes again. */
void compose_acks_again(struct composer *c);

/* A frame that is a type alone, and asks for an acknowledgement. */
void compose_type(struct composer *c, enum frame_type type);
void compose_subflow(struct composer *c);
void compose_session_controls(struct composer *c);
void compose_stream_controls(struct composer *c);
/* The relay tells what waits behind this chunk. */
void compose_demand(struct composer *c, bool last);
void compose_close(struct composer *c);

/* Appends one STREAM_DATA; false when nothing more fits or waits. */
bool compose_piece(struct composer *c);

#endif
