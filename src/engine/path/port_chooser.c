/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/port_chooser.h>

#include <splitsocks/base/backoff.h>
#include <splitsocks/base/error.h>

#include <assert.h>
#include <stdlib.h>

struct port_state {
    struct governor governor;
    uint64_t dialled_at_ns; /* last dial */
    uint64_t probe_at_ns;   /* when a port that does not work is probed */
    uint32_t failures;   /* in a row */
    bool heard;          /* the relay was heard here, and no other machine since */
    bool working;        /* `heard`, and fewer than DIALS_IN_VAIN dials failed since */
};

int port_chooser_init(struct port_chooser *chooser, unsigned count, double dials_per_second)
{
    assert(count > 0);
    *chooser = (struct port_chooser){.count = count, .dials_per_second = dials_per_second};
    chooser->ports = calloc(count, sizeof(*chooser->ports));
    if (chooser->ports == NULL)
        return ERROR_MEMORY;
    port_chooser_reset(chooser);
    return OK;
}

void port_chooser_reset(struct port_chooser *chooser)
{
    for (unsigned i = 0; i < chooser->count; i++) {
        chooser->ports[i] = (struct port_state){0};
        governor_init(&chooser->ports[i].governor, chooser->dials_per_second);
    }
    chooser->next_probe_at_ns = 0;
}

void port_chooser_deinit(struct port_chooser *chooser)
{
    free(chooser->ports);
    *chooser = (struct port_chooser){0};
}

/* A working port that may be dialled now, or else the one that may be dialled first; NULL
 * when none works. */
static const struct port_state *pick_working(const struct port_chooser *chooser,
                                             uint64_t random, uint64_t now)
{
    const struct port_state *best = NULL;
    uint64_t best_at_ns = TIME_NEVER;
    uint64_t ties = 0;

    for (unsigned i = 0; i < chooser->count; i++) {
        const struct port_state *port = &chooser->ports[i];
        uint64_t next_at_ns = MAX(governor_next(&port->governor, now), now);

        if (!port->working || next_at_ns > best_at_ns)
            continue;
        ties = next_at_ns < best_at_ns ? 1 : ties + 1;
        best_at_ns = next_at_ns;
        /* The n-th of n equals replaces the one before with probability 1/n. */
        random = random * UINT64_C(6364136223846793005) + 1;
        if (ties == 1 || (random >> 32) % ties == 0)
            best = port;
    }
    return best;
}

/* A port that does not work and is due for a probe, or NULL. */
static const struct port_state *pick_probe(const struct port_chooser *chooser,
                                           unsigned start, uint64_t now)
{
    if (now < chooser->next_probe_at_ns)
        return NULL;
    for (unsigned i = 0; i < chooser->count; i++) {
        const struct port_state *port = &chooser->ports[(start + i) % chooser->count];

        if (!port->working && port->probe_at_ns <= now &&
            governor_next(&port->governor, now) <= now)
            return port;
    }
    return NULL;
}

/* No port works: takes, of the ports that may be dialled first, one where the relay was
 * heard; else the one dialled longest ago, in the order of the list. A port where the
 * relay was heard cannot keep the others waiting: its governor soon allows only two dials
 * a second, and it loses the preference when another machine accepts a connection
 * there. */
static const struct port_state *pick_any(const struct port_chooser *chooser, uint64_t now)
{
    const struct port_state *best = &chooser->ports[0];
    uint64_t best_at_ns = MAX(governor_next(&best->governor, now), now);

    for (unsigned i = 1; i < chooser->count; i++) {
        const struct port_state *port = &chooser->ports[i];
        uint64_t next_at_ns = MAX(governor_next(&port->governor, now), now);
        bool better = port->heard != best->heard
                          ? port->heard
                          : port->dialled_at_ns < best->dialled_at_ns;

        if (next_at_ns < best_at_ns || (next_at_ns == best_at_ns && better)) {
            best = port;
            best_at_ns = next_at_ns;
        }
    }
    return best;
}

unsigned port_chooser_pick(const struct port_chooser *chooser, uint64_t random,
                           uint64_t now, uint64_t *when)
{
    unsigned start = (unsigned)(random % chooser->count);
    const struct port_state *working = pick_working(chooser, random, now);
    const struct port_state *port =
        working == NULL ? pick_any(chooser, now) : pick_probe(chooser, start, now);

    if (port == NULL)
        port = working;
    *when = governor_next(&port->governor, now);
    return (unsigned)(port - chooser->ports);
}

static uint64_t probe_delay(const struct port_state *port)
{
    return backoff_ns(PORT_PROBE_NS, port->failures - MIN(port->failures, 1u),
                      PORT_PROBE_MAX_NS);
}

void port_chooser_dialled(struct port_chooser *chooser, unsigned index, uint64_t now)
{
    struct port_state *port = &chooser->ports[index];

    governor_dialled(&port->governor, now);
    port->dialled_at_ns = now;
    if (!port->working) {
        /* One probe at a time, even while its result is open. */
        port->probe_at_ns = now + probe_delay(port);
        chooser->next_probe_at_ns = now + PORT_PROBE_GAP_NS;
    }
}

static void note_failure(struct port_state *port, uint64_t now)
{
    if (port->failures < UINT32_MAX)
        port->failures++;
    if (port->working && port->failures >= DIALS_IN_VAIN) {
        port->working = false;
        port->failures = 1;
    }
    if (!port->working)
        port->probe_at_ns = MAX(port->probe_at_ns, now + probe_delay(port));
}

void port_chooser_result(struct port_chooser *chooser, unsigned index,
                         enum dial_result result, uint64_t dialled_at_ns, uint64_t now)
{
    struct port_state *port = &chooser->ports[index];

    governor_result(&port->governor, result, dialled_at_ns, now);
    if (result != DIAL_SUCCESS)
        note_failure(port, now);
}

void port_chooser_proven(struct port_chooser *chooser, unsigned index)
{
    chooser->ports[index].heard = chooser->ports[index].working = true;
    chooser->ports[index].failures = 0;
}

void port_chooser_unproven(struct port_chooser *chooser, unsigned index, uint64_t now)
{
    struct port_state *port = &chooser->ports[index];

    note_failure(port, now);
    port->heard &= port->working;
}
