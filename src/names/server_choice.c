/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/server_choice.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/backoff.h>

#include <assert.h>

/* Four round trips: a server may have to ask others first, and a shorter time would ask
 * twice for every name that it has to look up; a person would not notice this long. */
#define PATIENCE_RTTS 4
#define PATIENCE_MIN_NS (250 * NS_PER_MS)
#define PATIENCE_UNKNOWN_NS (500 * NS_PER_MS)
#define PATIENCE_MAX_NS (1000 * NS_PER_MS)
/* A probe costs one more query beside one that is sent anyway. */
#define PROBE_MIN_NS (15 * NS_PER_S)
#define PROBE_MAX_NS (240 * NS_PER_S)

void server_choice_init(struct server_choice *choice, size_t count)
{
    assert(count <= SERVERS_MAX);
    *choice = (struct server_choice){.count = count};
}

void server_choice_order(const struct server_choice *choice, uint8_t order[SERVERS_MAX])
{
    size_t next = 0;

    for (int failing = 0; failing <= 1; failing++)
        for (size_t i = 0; i < choice->count; i++)
            if (choice->servers[i].failing == (bool)failing)
                order[next++] = (uint8_t)i;
}

int server_choice_probe(struct server_choice *choice, uint64_t now)
{
    for (size_t i = 0; i < choice->count; i++) {
        struct server_health *server = &choice->servers[i];

        if (!server->failing || now < server->probe_at_ns)
            continue;
        server->probe_every_ns =
            backoff_next_ns(server->probe_every_ns, PROBE_MIN_NS, PROBE_MAX_NS);
        server->probe_at_ns = now + server->probe_every_ns;
        return (int)i;
    }
    return -1;
}

uint64_t server_choice_patience(const struct server_choice *choice, size_t index)
{
    const struct server_health *server = &choice->servers[index];

    if (server->rtt_ns == 0)
        return PATIENCE_UNKNOWN_NS;
    return MIN(MAX(PATIENCE_RTTS * server->rtt_ns, PATIENCE_MIN_NS), PATIENCE_MAX_NS);
}

void server_choice_answered(struct server_choice *choice, size_t index, uint64_t sent_at_ns,
                            uint64_t now)
{
    struct server_health *server = &choice->servers[index];
    uint64_t rtt_ns = MAX(now - sent_at_ns, 1u);

    server->failing = server->refused = false;
    server->answered_at_ns = now;
    server->rtt_ns = server->rtt_ns == 0 ? rtt_ns : (7 * server->rtt_ns + rtt_ns) / 8;
}

static void fail(struct server_health *server, uint64_t now)
{
    if (server->failing)
        return;
    server->failing = true;
    server->probe_every_ns = PROBE_MIN_NS;
    server->probe_at_ns = now + PROBE_MIN_NS;
}

void server_choice_silent(struct server_choice *choice, size_t index, uint64_t sent_at_ns,
                          uint64_t now)
{
    struct server_health *server = &choice->servers[index];

    if (server->answered_at_ns < sent_at_ns)
        fail(server, now);
}

void server_choice_refused(struct server_choice *choice, size_t index, uint64_t now)
{
    choice->servers[index].refused = true;
    fail(&choice->servers[index], now);
}

bool server_choice_hopeless(const struct server_choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        if (!choice->servers[i].refused)
            return false;
    return true;
}
