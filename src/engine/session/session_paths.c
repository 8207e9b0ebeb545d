/* The faces of paths: what the driver says of them, and what local tells the relay. */
#include "session_internal.h"

#include <assert.h>

/* What the relay has to know of them is the same. */
static bool equal_to_relay(const struct path_properties *a, const struct path_properties *b)
{
    return a->usable == b->usable && a->backup == b->backup && a->cost == b->cost &&
           a->modes == b->modes && a->rate_down == b->rate_down;
}

void session_tell_paths(struct session *session)
{
    static const struct path_properties plain = {.usable = true};

    session->send_rate = session->config.rate_down != 0;
    session->send_paths = 0;
    for (unsigned i = 0; i < session->config.path_count; i++)
        if (!equal_to_relay(&session->paths[i].properties, &plain))
            session->send_paths |= (uint16_t)(1u << i);
}

static void set_usable(struct session *session, unsigned index, bool usable)
{
    struct path *path = &session->paths[index];

    if (!usable) {
        path_set_down(session, index, PATH_REASON_UNUSABLE);
        subflows_abandon_path(session, index);
        return;
    }
    /* What was learned of it may hold no more. */
    path->reason = PATH_REASON_UNTRIED;
    path->failures = path->unproven = path->timeouts = path->stalls = 0;
    path->retry_ns = 0;
    port_chooser_reset(&path->ports);
    path_packets_reset(session, path);
    keepalive_forget(path);
}

/* The ceiling on what this side sends. */
static void set_ceiling(struct session *session, struct path *path)
{
    const struct path_properties *properties = &path->properties;

    rate_limit_set(&path->rate_limit,
                   session->config.role == SESSION_LOCAL ? properties->rate_up
                                                         : properties->rate_down,
                   session->now);
}

void session_set_path(struct session *session, unsigned index,
                      const struct path_properties *properties, uint64_t now)
{
    struct path *path = &session->paths[index];
    const struct path_properties before = path->properties;

    assert(session->config.role == SESSION_LOCAL && index < session->config.path_count);
    session->now = now;
    path->properties = *properties;
    pool_recount_streams(session);
    set_ceiling(session, path);
    if (!equal_to_relay(properties, &before))
        session->send_paths |= (uint16_t)(1u << index);
    session->pool_dirty = true;
    if (before.usable != properties->usable)
        set_usable(session, index, properties->usable);
}

bool session_take_path(struct session *session, const struct frame *frame)
{
    struct path *path;

    if (session->config.role != SESSION_RELAY || frame->path.path >= SESSION_PATHS_MAX)
        return false;
    path = &session->paths[frame->path.path];
    if (frame->path.sequence <= path->sequence)
        return true; /* overtaken */
    path->sequence = frame->path.sequence;
    path->properties = (struct path_properties){.usable = frame->path.usable,
                                                .backup = frame->path.backup,
                                                .cost = (uint16_t)frame->path.cost,
                                                .modes = (uint8_t)frame->path.modes,
                                                .rate_down = frame->path.rate_down};
    path->small_only = frame->path.small_only;
    set_ceiling(session, path);
    if (!path->properties.usable)
        subflows_abandon_path(session, (unsigned)frame->path.path);
    return true;
}
