/* SPDX-License-Identifier: MIT */
/* The paths of a pair: their connections, and the bytes that they carry. */
#include "session_pair.h"

struct pair *pair_over(unsigned paths, const struct path_properties *second,
                       const struct stream_policy *policy, struct stream **stream)
{
    struct session_config config = pair_config();
    struct pair *pair;

    config.path_count = paths;
    pair = pair_new(&config);
    if (second != NULL)
        session_set_path(pair->local, 1, second, pair->now);
    *stream = pair_open(pair, policy);
    pair_run_ms(pair, 300);
    assert_int_equal(pair->opened_count, 1);
    return pair;
}

uint64_t pair_down_on(const struct pair *pair, unsigned path)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < pair->connection_count; i++)
        if (pair->connections[i].path == path)
            total += pair->connections[i].down.total;
    return total;
}

unsigned pair_open_on(const struct pair *pair, unsigned path)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pair->connection_count; i++)
        count += pair->connections[i].open && pair->connections[i].path == path;
    return count;
}

unsigned pair_dials_on(const struct pair *pair, unsigned path)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pair->connection_count; i++)
        count += pair->connections[i].path == path;
    return count;
}

void pair_measure(struct pair *pair, const struct subflow_measure *measure)
{
    struct subflow *subflow;

    while ((subflow = session_next_unmeasured(pair->local, pair->now)) != NULL)
        session_subflow_measured(pair->local, subflow, measure, pair->now);
}
