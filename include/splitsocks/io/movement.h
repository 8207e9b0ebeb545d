/* SPDX-License-Identifier: MIT */
/*
 * Tells whether data still moves. A process that was asked to end waits for that, and not
 * for streams that are merely open.
 */
#ifndef SPLITSOCKS_MOVEMENT_H
#define SPLITSOCKS_MOVEMENT_H

#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/worker.h>

#include <stdbool.h>
#include <stdint.h>

/* An application that has neither sent nor taken a byte for so long is idle. Longer than
 * the pauses of a transfer over a long path whose queue is full. */
#define MOVEMENT_NS NS_PER_S

/* Bytes have passed between the worker and an application or a destination. */
static inline void movement_note(struct worker *worker, uint64_t now)
{
    worker->moved_at_ns = now;
}

/* Whether bytes have passed within MOVEMENT_NS. */
bool movement_of_worker(const struct worker *worker, uint64_t now);
/* Whether bytes are on their way between the two sides, with the sides in contact and a
 * reader that has room for them. `session` may be NULL. */
bool movement_of_session(const struct session *session);

#endif
