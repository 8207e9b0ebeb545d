/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/movement.h>

#include <splitsocks/engine/session/session_status.h>

/* Waits for the network. A stream that waits for a reader's credit does not count. */
#define IN_TRANSIT (STREAM_WAITS_SUBFLOW | STREAM_WAITS_ACK | STREAM_WAITS_MISSING)

bool movement_of_worker(const struct worker *worker, uint64_t now)
{
    return worker->moved_at_ns != 0 && now - worker->moved_at_ns < MOVEMENT_NS;
}

bool movement_of_session(const struct session *session)
{
    const struct stream *stream = NULL;
    struct session_status status;

    if (session == NULL)
        return false;
    session_status(session, &status);
    if (status.phase != SESSION_PHASE_UP)
        return false;
    while ((stream = session_next_stream(session, stream)) != NULL) {
        struct stream_status one;

        session_stream_status(session, stream, &one);
        if (one.waits & IN_TRANSIT)
            return true;
    }
    return false;
}
