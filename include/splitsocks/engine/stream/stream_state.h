/* SPDX-License-Identifier: MIT */
/* The states of a stream's two directions, in the terms of RFC 9000 section 3. */
#ifndef SPLITSOCKS_ENGINE_STREAM_STATE_H
#define SPLITSOCKS_ENGINE_STREAM_STATE_H

#include <stdbool.h>

struct stream;

/* The sending part (RFC 9000 section 3.1). Two things differ. STREAM_RESET also asks the
 * peer to end its own direction, as STOP_SENDING does; so it may follow DATA_RECEIVED. And
 * a session may end before its streams do: ABANDONED. */
enum stream_out_state {
    STREAM_OUT_READY,          /* no data and no FIN was sent; STREAM_OPEN may have been */
    STREAM_OUT_SEND,           /* some data was sent */
    STREAM_OUT_DATA_SENT,      /* FIN was sent, after all data; some may be owed again */
    STREAM_OUT_DATA_RECEIVED,  /* the peer has acknowledged all data and FIN */
    STREAM_OUT_RESET_SENT,     /* STREAM_RESET is queued, or not acknowledged yet */
    STREAM_OUT_RESET_RECEIVED, /* the peer has acknowledged STREAM_RESET */
    STREAM_OUT_ABANDONED,      /* no peer is left to acknowledge anything */
};

/* The receiving part (RFC 9000 section 3.2). STREAM_RESET passes through SIZE_KNOWN, since
 * it tells the final offset. Four things differ. Data that is discarded counts as read.
 * RESET_READ is missing, since `failed` of the stream says that the driver has heard of the
 * reset. A STREAM_RESET after all data does not undo that data (the RFC leaves this open):
 * RESET_COMPLETE. And a session may end before its streams do: ABANDONED. */
enum stream_in_state {
    STREAM_IN_RECV,           /* the final offset is not known */
    STREAM_IN_SIZE_KNOWN,     /* it is known; data is missing */
    STREAM_IN_DATA_RECEIVED,  /* all data has arrived; the reader has not taken all of it */
    STREAM_IN_DATA_READ,      /* the reader has taken all data, or it was discarded */
    STREAM_IN_RESET_RECEIVED, /* STREAM_RESET came; only data in order can still be read */
    STREAM_IN_RESET_COMPLETE, /* STREAM_RESET came after all data; it can still be read */
    STREAM_IN_ABANDONED,      /* the final offset will never be known */
};

/* The only ways to another state. They assert that the edge is legal. */
void stream_set_out_state(struct stream *stream, enum stream_out_state state);
void stream_set_in_state(struct stream *stream, enum stream_in_state state);
/* Call when data has arrived, or was read or discarded. */
void stream_update_in_state(struct stream *stream);

/* Data or FIN may have to be sent, now or again. */
bool stream_is_sending(const struct stream *stream);
/* Our direction ends without FIN: no frame is to be sent but STREAM_RESET. */
bool stream_send_is_cut(const struct stream *stream);
/* Nothing that we sent waits for an acknowledgement. */
bool stream_send_done(const struct stream *stream);
/* The peer's STREAM_RESET has arrived. */
bool stream_was_reset(const struct stream *stream);
/* The peer will send nothing more, and the stream need not be kept for its reader. */
bool stream_receive_done(const struct stream *stream);

/* Settles both directions, when the peer is not there to do so. The stream is complete, or
 * its data is discarded. */
void stream_abandon(struct stream *stream);

#endif
