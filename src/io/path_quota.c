#include <splitsocks/path_quota.h>

#include <splitsocks/clock.h>
#include <splitsocks/log.h>
#include <splitsocks/session_status.h>
#include <splitsocks/usage_file.h>

#include <errno.h>
#include <string.h>

/* How far a path may go beyond its quota. */
#define COUNT_SECONDS 1.
#define SAVE_NS (5 * NS_PER_S)

/* ---- the file ---- */

static bool metered(const struct path_quota *quota, size_t index)
{
    return quota->paths->items[index].quota_bytes != CONFIG_UNLIMITED;
}

static const char *reason(int error)
{
    return error == ERROR_SYSTEM ? strerror(errno) : error_string((enum error)error);
}

static void load(struct path_quota *quota)
{
    int error = usage_file_load(quota->file, &quota->usage);

    if (error == ERROR_NOT_FOUND)
        log_info("there is no state file %s yet: quotas count from zero", quota->file);
    else if (error != OK)
        log_warning("cannot use the state file %s: %s; quotas count from zero", quota->file,
                    reason(error));
}

/* Adds what is fresh to what the file says, which others may have written meanwhile. A file
 * that got lost or damaged is made again from what is known. */
static int merge(struct path_quota *quota)
{
    struct usage found;

    if (usage_file_load(quota->file, &found) == OK) {
        (void)usage_turn(&found, quota->usage.month);
        quota->usage = found;
    }
    for (size_t i = 0; i < quota->paths->count; i++) {
        if (quota->fresh[i] == 0)
            continue;
        if (usage_add(&quota->usage, quota->paths->items[i].name, quota->fresh[i]) == OK)
            quota->fresh[i] = 0;
    }
    return usage_file_save(quota->file, &quota->usage);
}

static bool anything_fresh(const struct path_quota *quota)
{
    for (size_t i = 0; i < quota->paths->count; i++)
        if (quota->fresh[i] > 0)
            return true;
    return false;
}

static void save(struct path_quota *quota, bool last)
{
    int lock, error;

    if (quota->file == NULL || !anything_fresh(quota))
        return;
    error = usage_file_lock(quota->file, &lock);
    if (error == ERROR_DENIED && !last) {
        usage_file_unlock(lock);
        return;
    }
    error = merge(quota);
    usage_file_unlock(lock);
    if (error != OK && !quota->troubled)
        log_warning("cannot write the state file %s: %s; what is used of quotas will be "
                    "forgotten",
                    quota->file, reason(error));
    quota->troubled = error != OK;
}

/* ---- counting ---- */

/* Takes over what the session has counted since the last time. */
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
        quota->fresh[i / quota->hosts] += bytes - quota->counted[i];
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
    if (usage_turn(&quota->usage, usage_month(clock_wall())))
        memset(quota->fresh, 0, sizeof(quota->fresh));
    if (now - quota->saved_ns >= SAVE_NS) {
        quota->saved_ns = now;
        save(quota, false);
    }
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
    return usage_get(&quota->usage, quota->paths->items[index].name) + quota->fresh[index];
}

bool path_quota_used_up(const struct path_quota *quota, size_t index)
{
    return metered(quota, index) &&
           path_quota_used(quota, index) >= quota->paths->items[index].quota_bytes;
}

/* ---- life ---- */

void path_quota_init(struct path_quota *quota, struct ev_loop *loop,
                     const struct config_paths *paths, unsigned hosts, const char *file,
                     void (*changed)(void *context), void *context)
{
    *quota = (struct path_quota){.paths = paths,
                                 .hosts = hosts,
                                 .file = file,
                                 .changed = changed,
                                 .context = context};
    for (size_t i = 0; i < paths->count; i++)
        if (metered(quota, i))
            quota->loop = loop;
    if (quota->loop == NULL)
        return;
    if (file != NULL)
        load(quota);
    (void)usage_turn(&quota->usage, usage_month(clock_wall()));
    quota->saved_ns = clock_now();
    ev_timer_init(&quota->timer, on_timer, COUNT_SECONDS, COUNT_SECONDS);
    quota->timer.data = quota;
    ev_timer_start(loop, &quota->timer);
}

void path_quota_deinit(struct path_quota *quota)
{
    if (quota->loop == NULL)
        return;
    path_quota_attach(quota, NULL);
    save(quota, true);
    ev_timer_stop(quota->loop, &quota->timer);
    quota->loop = NULL;
}
