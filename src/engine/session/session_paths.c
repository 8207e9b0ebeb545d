/* SPDX-License-Identifier: MIT */
/* The calls on paths: the driver's reports, and what local tells the relay. */
#include "session_parts.h"

#include <assert.h>

/* Whether the relay needs no PATH frame, since all that it must know is equal. */
static bool equal_to_relay(const struct path_properties *a, const struct path_properties *b)
{
    return a->usable == b->usable && a->backup == b->backup && a->cost == b->cost &&
           a->modes == b->modes && a->rate_down == b->rate_down;
}

void session_tell_paths(struct session *session)
{
    static const struct path_properties plain = {.usable = true};

    session->context.send_rate = session->context.config.rate_down != 0;
    session->context.send_paths = 0;
    for (unsigned i = 0; i < session->context.config.path_count; i++)
        if (!equal_to_relay(&session->paths.items[i].properties, &plain))
            session->context.send_paths |= (uint16_t)(1u << i);
}

static void set_usable(struct session *session, unsigned index, bool usable)
{
    struct path *path = &session->paths.items[index];

    if (!usable) {
        path_set_down(&session->paths, index, PATH_REASON_UNUSABLE);
        subflows_abandon_path(&session->subflows, index);
        return;
    }
    /* The path may lead through another network now: forget the old measurements. */
    path->reason = PATH_REASON_UNTRIED;
    path->failures = path->unproven = path->unreached = 0;
    path->timeouts = path->stalls = 0;
    path->retry_at_ns = 0;
    port_chooser_reset(&path->ports);
    path_limits_reset(&path->limits, session->context.now);
    packets_reset(&session->subflows, path);
    keepalive_forget(path);
}

/* Sets the ceiling for the direction in which this side sends. */
static void set_ceiling(struct session *session, struct path *path)
{
    const struct path_properties *properties = &path->properties;

    rate_limit_set(&path->rate_limit,
                   session->context.config.role == SESSION_LOCAL ? properties->rate_up
                                                                 : properties->rate_down,
                   session->context.now);
}

void session_set_path(struct session *session, unsigned index,
                      const struct path_properties *properties, uint64_t now)
{
    struct path *path = &session->paths.items[index];
    const struct path_properties before = path->properties;

    assert(session->context.config.role == SESSION_LOCAL &&
           index < session->context.config.path_count);
    session->context.now = now;
    path->properties = *properties;
    pool_recount_streams(&session->pool);
    set_ceiling(session, path);
    if (!equal_to_relay(properties, &before))
        session->context.send_paths |= (uint16_t)(1u << index);
    session->context.pool_dirty = true;
    if (before.usable != properties->usable)
        set_usable(session, index, properties->usable);
}

bool session_take_path(struct session *session, const struct frame *frame)
{
    struct path *path;

    if (session->context.config.role != SESSION_RELAY ||
        frame->path.path >= SESSION_PATHS_MAX)
        return false;
    path = &session->paths.items[frame->path.path];
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
        subflows_abandon_path(&session->subflows, (unsigned)frame->path.path);
    return true;
}

void session_remember_packets(struct session *session, unsigned index, uint16_t size,
                              uint64_t now)
{
    struct packet_ladder *ladder = &session->paths.items[index].ladder;

    if (ladder->size != size)
        packet_ladder_set(ladder, size, now);
}

void session_remember_limits(struct session *session, unsigned path, unsigned port,
                             const struct port_memory *memory, uint64_t now)
{
    struct port_limits *limits = path_limits_of(&session->paths.items[path].limits, port);

    if (limits == NULL)
        return;
    /* Without memory the limits are learned again. */
    if (limits->profile.tables == NULL)
        (void)!profile_load(&limits->profile, memory->carried);
    if (limits->dials.dials == 0)
        dial_limit_load(&limits->dials, memory->connections, memory->dials_per_second, now);
    session->context.pool_dirty = true;
}

bool session_learned_limits(const struct session *session, unsigned path, unsigned port,
                            struct port_memory *memory)
{
    const struct path_limits *limits = &session->paths.items[path].limits;
    const struct port_limits *learned = port < limits->count ? limits->ports[port] : NULL;
    bool carried;

    *memory = (struct port_memory){.connections = 0};
    if (learned == NULL)
        return false;
    carried = profile_save(&learned->profile, memory->carried);
    dial_limit_save(&learned->dials, &memory->connections, &memory->dials_per_second);
    return carried || memory->connections > 0 || memory->dials_per_second > 0;
}

void session_retry_path(struct session *session, unsigned index, uint64_t now)
{
    struct path *path = &session->paths.items[index];

    assert(session->context.config.role == SESSION_LOCAL &&
           index < session->context.config.path_count);
    session->context.now = now;
    path->failures = path->unproven = path->unreached = path->timeouts = 0;
    path->retry_at_ns = 0;
    port_chooser_reset(&path->ports);
    session->pool.backoff_ns = 0;
    session->pool.next_hello_at_ns = now;
    session->context.pool_dirty = true;
}
