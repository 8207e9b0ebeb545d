/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/path_limits.h>

#include <splitsocks/engine/path/path.h>

#include <splitsocks/base/error.h>

#include <stdlib.h>

#define SINGLY_HANDSHAKES 3
/* There is a queue when one of so many handshakes waits in it. Connections are dialled in
 * bursts, and those of the end of a burst meet the least queue. */
#define QUEUED_PART 4
/* Other connections wait longer than a handshake by half of it and this: where a busy
 * machine answers late, more connections are no help. */
#define SINGLY_MARGIN_NS (20 * NS_PER_MS)
/* Connections that wait in a queue are compared with a fresh one after this time. It
 * doubles while the queue turns out to be that of the path. */
#define ASK_AFTER_MIN_NS (1 * NS_PER_S)
#define ASK_AFTER_MAX_NS (60 * NS_PER_S)

int path_limits_init(struct path_limits *limits, unsigned count)
{
    limits->ports = calloc(count, sizeof(struct port_limits *));
    if (limits->ports == NULL)
        return ERROR_MEMORY;
    limits->count = count;
    slots_init(&limits->slots, 1, 0);
    return OK;
}

void path_limits_deinit(struct path_limits *limits)
{
    for (unsigned i = 0; i < limits->count; i++) {
        if (limits->ports[i] != NULL)
            profile_deinit(&limits->ports[i]->profile);
        free(limits->ports[i]);
    }
    free(limits->ports);
    *limits = (struct path_limits){0};
}

void path_limits_reset(struct path_limits *limits, uint64_t now)
{
    for (unsigned i = 0; i < limits->count; i++) {
        if (limits->ports[i] == NULL)
            continue;
        profile_reset(&limits->ports[i]->profile);
        dial_limit_init(&limits->ports[i]->dials);
    }
    slots_init(&limits->slots, 1, now);
}

struct port_limits *path_limits_of(struct path_limits *limits, unsigned port)
{
    if (port >= limits->count)
        return NULL;
    if (limits->ports[port] == NULL) {
        limits->ports[port] = calloc(1, sizeof(struct port_limits));
        if (limits->ports[port] != NULL) {
            profile_init(&limits->ports[port]->profile);
            dial_limit_init(&limits->ports[port]->dials);
            path_limits_choose_best(limits);
        }
    }
    return limits->ports[port];
}

void path_limits_choose_best(struct path_limits *limits)
{
    for (unsigned i = 0; i < limits->count; i++)
        if (limits->ports[i] != NULL &&
            (limits->best == NULL || profile_yield(&limits->ports[i]->profile) >
                                         profile_yield(&limits->best->profile)))
            limits->best = limits->ports[i];
}

/* Whether there is a queue: jitter alone is none. */
static bool longer(uint64_t round_trip_ns, uint64_t than_ns)
{
    return round_trip_ns > than_ns + than_ns / 4 + JITTER_NS;
}

void path_limits_fresh(struct path_limits *limits, uint64_t handshake_ns, uint64_t least_ns,
                       uint64_t rtt_ns, uint64_t now)
{
    limits->handshakes++;
    limits->queued += longer(handshake_ns, least_ns);
    limits->singly =
        rtt_ns > handshake_ns / 2 * 3 + SINGLY_MARGIN_NS ? limits->singly + 1 : 0;
    if (limits->asked)
        limits->ask_after_ns = limits->singly > 0
                                   ? ASK_AFTER_MIN_NS
                                   : MIN(2 * limits->ask_after_ns, ASK_AFTER_MAX_NS);
    limits->asked = false;
    limits->fresh_at_ns = now;
}

bool path_limits_singly(const struct path_limits *limits)
{
    return limits->singly >= SINGLY_HANDSHAKES;
}

bool path_limits_ask(struct path_limits *limits, uint64_t least_ns, uint64_t rtt_ns,
                     uint64_t now)
{
    limits->ask_after_ns = MAX(limits->ask_after_ns, ASK_AFTER_MIN_NS);
    limits->asked |=
        longer(rtt_ns, least_ns) && now - limits->fresh_at_ns >= limits->ask_after_ns;
    return limits->asked;
}

bool path_limits_queue(const struct path_limits *limits)
{
    return limits->queued > 0 && limits->queued * QUEUED_PART >= limits->handshakes;
}

void path_limits_next_epoch(struct path_limits *limits)
{
    limits->handshakes = limits->queued = 0;
}

uint64_t path_limits_budget(const struct path_limits *limits,
                            enum profile_coordinate coordinate)
{
    return limits->best == NULL ? PROFILE_UNLIMITED
                                : profile_budget(&limits->best->profile, coordinate);
}

uint64_t path_limits_cycle_ns(const struct path_limits *limits)
{
    return limits->best == NULL ? 0 : profile_cycle_ns(&limits->best->profile);
}

uint64_t path_limits_cycle_bytes(const struct path_limits *limits)
{
    return limits->best == NULL ? 0 : profile_cycle_bytes(&limits->best->profile);
}

unsigned path_limits_open(const struct path_limits *limits, uint64_t now)
{
    return limits->best == NULL ? DIAL_LIMIT_NONE
                                : dial_limit_connections(&limits->best->dials, now);
}
