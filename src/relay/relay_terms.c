/* SPDX-License-Identifier: MIT */
#include "relay_internal.h"

#include <splitsocks/base/calendar.h>
#include <splitsocks/io/clock.h>

#include <stdio.h>
#include <string.h>

/* For how long a client may be served after its time. */
#define LOOK_SECONDS 1.
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

/* True when the client's terms have changed. */
static bool update(struct relay *relay, size_t index, uint64_t wall_ns)
{
    struct relay_client *client = &relay->clients->items[index];
    const struct config_relay *config = relay->config->config;
    char refusal[sizeof(client->refusal)] = "";
    uint64_t expires_ns = TIME_NEVER;

    if (!client->gone)
        expires_ns = config->clients.items[client->listed].expires_ns;
    if (wall_ns >= expires_ns)
        describe_expiry(expires_ns, refusal, sizeof(refusal));
    relay->clients->limits[index].refusal = refusal[0] != '\0' ? client->refusal : NULL;
    if (strcmp(refusal, client->refusal) == 0)
        return false;
    memcpy(client->refusal, refusal, sizeof(refusal));
    return true;
}

void relay_terms_update(struct relay *relay)
{
    uint64_t wall_ns = clock_wall();
    bool changed = false;

    pthread_mutex_lock(&relay->lock);
    for (size_t i = 0; i < relay->clients->count; i++)
        changed = update(relay, i, wall_ns) || changed;
    pthread_mutex_unlock(&relay->lock);
    for (unsigned i = 0; changed && i < relay->worker_count; i++)
        relay_mailbox_wake(&relay->workers[i].mailbox);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    relay_terms_update(timer->data);
}

void relay_terms_start(struct relay *relay, struct ev_loop *loop)
{
    relay_terms_update(relay);
    ev_timer_init(&relay->terms, on_look, LOOK_SECONDS, LOOK_SECONDS);
    relay->terms.data = relay;
    ev_timer_start(loop, &relay->terms);
}

void relay_terms_stop(struct relay *relay, struct ev_loop *loop)
{
    ev_timer_stop(loop, &relay->terms);
}
