/*
 * Local: connections that were established, and then did not show that they lead to the
 * relay: a portal, another machine or a box on the way has taken them, or the relay does
 * not know what it was sent. Each is a failure of its path and port, as if it had not been
 * established.
 */
#include "pool_internal.h"

#include <assert.h>

void pool_proven(struct session *session, struct subflow *subflow)
{
    port_chooser_proven(&session->paths[subflow->path].ports, subflow->port);
}

static enum path_reason reason_of(enum unproven how)
{
    return how == UNPROVEN_SILENT ? PATH_REASON_UNANSWERED : PATH_REASON_STRANGER;
}

void pool_unproven(struct session *session, struct subflow *subflow, enum unproven how)
{
    struct path *path = &session->paths[subflow->path];

    subflow->unproven = (uint8_t)how;
    path->unproven++;
    port_chooser_unproven(&path->ports, subflow->port, session->now);
    pool_back_off(session, path);
    /* A JOIN that is not answered may have lost its path: path_judge_stalled() tells. */
    if (subflow->hello || (how != UNPROVEN_SILENT && path->subflows <= 1))
        path_failed(session, subflow->path, reason_of(how), subflow->dialled_ns);
    if (!subflow->hello)
        return;
    session->hellos_unproven++;
    session->hellos_unanswered += how == UNPROVEN_SILENT;
    session->counters.dials_failed++;
    path->counters.dials_failed++;
    pool_hello_failed(session);
}

/* A wait that was long since nobody had use for the relay is no longer than any. */
void pool_hurry(struct session *session)
{
    session->next_hello_ns =
        MIN(session->next_hello_ns, session->hello_failed_ns + BACKOFF_MAX_NS);
    for (unsigned i = 0; i < session->config.path_count; i++) {
        struct path *path = &session->paths[i];

        path->retry_ns = MIN(path->retry_ns, path->failed_ns + BACKOFF_MAX_NS);
    }
}

void session_retry_path(struct session *session, unsigned index, uint64_t now)
{
    struct path *path = &session->paths[index];

    assert(session->config.role == SESSION_LOCAL && index < session->config.path_count);
    session->now = now;
    path->failures = path->unproven = path->timeouts = 0;
    path->retry_ns = 0;
    port_chooser_reset(&path->ports);
    session->backoff_ns = 0;
    session->next_hello_ns = now;
    session->pool_dirty = true;
}
