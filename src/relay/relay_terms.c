/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/base/calendar.h>
#include <splitsocks/io/clock.h>

#include <stdio.h>
#include <string.h>

/* The wall clock may be set at any time, so it is read at least so often if some client has
 * a date, or waits for the next month. */
#define LOOK_NS (60 * NS_PER_S)
#define SECONDS_OF_DAY 86400u

static void describe_expiry(uint64_t expires_ns, char *text, size_t size)
{
    uint64_t seconds = expires_ns / NS_PER_S;
    struct calendar_date date = calendar_date((uint32_t)(seconds / SECONDS_OF_DAY));
    unsigned of_day = (unsigned)(seconds % SECONDS_OF_DAY);

    snprintf(text, size,
             "the relay served this key until %04u-%02u-%02u %02u:%02u:%02u UTC "
             "(clients[].expires)",
             date.year, date.month, date.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
}

/* When the client's time ends, since 1970; TIME_NEVER: not. */
static uint64_t expiry_of(const struct relay *relay, size_t index)
{
    const struct relay_client *client = &relay->clients->items[index];

    return client->gone ? TIME_NEVER
                        : relay->config->config->clients.items[client->listed].expires_ns;
}

static void describe_quota(const struct relay *relay, const struct relay_quota *quota,
                           char *text, size_t size)
{
    uint32_t month = relay->usage.usage.month;

    snprintf(text, size,
             "this key's quota of %llu bytes for %04u-%02u is used up (clients[].quota)",
             (unsigned long long)quota->quota_bytes, 1970 + month / 12, 1 + month % 12);
}

/* True when the client's terms have changed. */
static bool update(struct relay *relay, size_t index, uint64_t wall_ns,
                   const struct relay_quota *quota)
{
    struct relay_client *client = &relay->clients->items[index];
    char refusal[sizeof(client->refusal)] = "";
    uint64_t expires_ns = expiry_of(relay, index);

    if (wall_ns >= expires_ns)
        describe_expiry(expires_ns, refusal, sizeof(refusal));
    else if (quota->used_up)
        describe_quota(relay, quota, refusal, sizeof(refusal));
    relay->clients->limits[index].refusal = refusal[0] != '\0' ? client->refusal : NULL;
    if (strcmp(refusal, client->refusal) == 0)
        return false;
    memcpy(client->refusal, refusal, sizeof(refusal));
    atomic_fetch_add(&relay->cuts, 1);
    return true;
}

/* Where no client's time ends, and none moves anything, there is no further look, so that
 * an idle relay sleeps. */
static void plan_look(struct relay *relay, uint64_t wait_ns)
{
    struct ev_loop *loop = relay->workers[0].worker.loop;

    ev_timer_stop(loop, &relay->terms);
    if (wait_ns == TIME_NEVER)
        return;
    ev_timer_set(&relay->terms, (double)wait_ns * 1e-9, 0.);
    ev_timer_start(loop, &relay->terms);
}

void relay_terms_update(struct relay *relay)
{
    uint64_t wall_ns = clock_wall(), wait_ns = TIME_NEVER;
    bool changed = false, moved = false;

    relay_quota_turn(relay);
    pthread_mutex_lock(&relay->lock);
    for (size_t i = 0; i < relay->clients->count; i++) {
        uint64_t expires_ns = expiry_of(relay, i);
        struct relay_quota quota;

        moved = relay_quota_look(relay, i, &quota) || moved;
        changed = update(relay, i, wall_ns, &quota) || changed;
        if (expires_ns == TIME_NEVER && !quota.used_up)
            continue;
        wait_ns = MIN(wait_ns, LOOK_NS);
        if (expires_ns > wall_ns)
            wait_ns = MIN(wait_ns, expires_ns - wall_ns);
    }
    pthread_mutex_unlock(&relay->lock);
    plan_look(relay, MIN(wait_ns, relay_quota_save(relay, moved)));
    for (unsigned i = 0; changed && i < relay->worker_count; i++)
        relay_mailbox_wake(&relay->workers[i].mailbox);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    relay_terms_update(timer->data);
}

void relay_terms_start(struct relay *relay)
{
    ev_init(&relay->terms, on_look);
    relay->terms.data = relay;
    relay_terms_update(relay);
}

void relay_terms_stop(struct relay *relay)
{
    ev_timer_stop(relay->workers[0].worker.loop, &relay->terms);
}
