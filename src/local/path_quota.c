/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_quota.h>

#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/clock.h>

#include <string.h>

/* How long a path may exceed its quota unnoticed. */
#define COUNT_SECONDS 1.

static bool metered(const struct path_quota *quota, size_t index)
{
    return quota->paths->items[index].quota_bytes != CONFIG_UNLIMITED;
}

/* ---- counting ---- */

/* Adds what the session has counted since the last call. */
static void count(struct path_quota *quota)
{
    uint64_t now = clock_now();

    for (size_t i = 0; i < quota->paths->count * quota->hosts; i++) {
        struct path_status status;
        uint64_t bytes;

        if (!metered(quota, i / quota->hosts))
            continue;
        session_path_status(quota->session, (unsigned)i, now, &status);
        bytes = status.counters.wire_bytes_sent + status.counters.wire_bytes_received;
        quota->fresh[i / quota->hosts].bytes += bytes - quota->counted[i];
        quota->counted[i] = bytes;
    }
}

static unsigned used_up(const struct path_quota *quota)
{
    unsigned bits = 0;

    for (size_t i = 0; i < quota->paths->count; i++)
        if (path_quota_used_up(quota, i))
            bits |= 1u << i;
    return bits;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct path_quota *quota = timer->data;
    unsigned before = used_up(quota);
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    if (quota->session != NULL)
        count(quota);
    usage_store_turn(&quota->store);
    usage_store_save(&quota->store, now);
    if (used_up(quota) != before)
        quota->changed(quota->context);
}

void path_quota_attach(struct path_quota *quota, const struct session *session)
{
    if (quota->session != NULL && quota->loop != NULL)
        count(quota);
    quota->session = session;
    memset(quota->counted, 0, sizeof(quota->counted));
}

uint64_t path_quota_used(const struct path_quota *quota, size_t index)
{
    return usage_store_used(&quota->store, index);
}

bool path_quota_used_up(const struct path_quota *quota, size_t index)
{
    return metered(quota, index) &&
           path_quota_used(quota, index) >= quota->paths->items[index].quota_bytes;
}

/* ---- life ---- */

void path_quota_init(struct path_quota *quota, struct ev_loop *loop,
                     const struct config_paths *paths, unsigned hosts,
                     struct state_file *file,
                     void (*changed)(void *context), void *context)
{
    *quota = (struct path_quota){
        .paths = paths, .hosts = hosts, .changed = changed, .context = context};
    for (size_t i = 0; i < paths->count; i++) {
        quota->fresh[i].name = paths->items[i].name;
        if (metered(quota, i))
            quota->loop = loop;
    }
    if (quota->loop == NULL)
        return;
    usage_store_init(&quota->store, file, quota->fresh, paths->count);
    ev_timer_init(&quota->timer, on_timer, COUNT_SECONDS, COUNT_SECONDS);
    quota->timer.data = quota;
    ev_timer_start(loop, &quota->timer);
}

void path_quota_deinit(struct path_quota *quota)
{
    if (quota->loop == NULL)
        return;
    path_quota_attach(quota, NULL);
    usage_store_deinit(&quota->store);
    ev_timer_stop(quota->loop, &quota->timer);
    quota->loop = NULL;
}
