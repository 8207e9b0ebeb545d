/* SPDX-License-Identifier: MIT */
#include "bound.h"

/* More connections than these help nobody. */
#define SLOTS_MOST 128
/* Slots that fill a link, of those that it takes on average: not all are busy at once. */
#define SLOTS_PERCENT 175
#define FLIGHTS_MOST 16
/* Packets of a handshake, and of the end. */
#define OPENING_IP_BYTES (6 * SIM_HEADER_BYTES)
/* The bytes that JOIN, frames of control and tags take of a connection. */
#define OVERHEAD_BYTES 150
#define PACKET_BYTES (SIM_SEGMENT_BYTES + SIM_HEADER_BYTES)
#define UNLIMITED 1e15

static double share(double part, double whole)
{
    return part / whole;
}

/* The payload in the direction that brings what counts to `limit`. */
static double payload_within(const struct sim_limits *limits, struct sim_bulk bulk,
                             uint64_t limit)
{
    enum sim_side counts = limits->counted == SIM_COUNTED_UP ? SIM_LOCAL : SIM_RELAY;
    bool sum = limits->counted == SIM_COUNTED_SUM;
    double bytes = (double)limit * (100 - limits->jitter_percent) / 100;
    double data = limits->payload ? SIM_SEGMENT_BYTES : PACKET_BYTES;
    double acknowledgement = limits->payload ? 0 : SIM_HEADER_BYTES;
    double each = 0; /* what counts of each segment of the direction */

    if (!limits->payload)
        bytes = MAX(bytes - OPENING_IP_BYTES, SIM_SEGMENT_BYTES);
    if (sum || counts == bulk.from || bulk.both)
        each += data;
    if (sum || counts != bulk.from || bulk.both)
        each += acknowledgement;
    if (sum && bulk.both)
        each *= 2;
    return each > 0 ? bytes / each * SIM_SEGMENT_BYTES : UNLIMITED;
}

/* Bytes a second of one connection that ends after so much payload, and its time. */
static double connection_rate(double payload, unsigned flights, double round_trip_s,
                              double rate)
{
    double takes_s = (1 + flights) * round_trip_s;

    if (rate > 0)
        takes_s = MAX(takes_s, round_trip_s + payload / rate);
    return MAX(payload - OVERHEAD_BYTES, 1) / takes_s;
}

/* Takes the budget when it yields more; of equal ones, the larger. */
static void consider(struct sim_bound *best, const struct sim_limits *limits, double link,
                     double payload, double one)
{
    unsigned slots = limits->open_most > 0 ? limits->open_most : SLOTS_MOST;
    double most = payload >= UNLIMITED
                      ? link
                      : link * share(payload - OVERHEAD_BYTES,
                                     payload + OPENING_IP_BYTES *
                                                   share(SIM_SEGMENT_BYTES, PACKET_BYTES));
    double rate = MIN(most, slots * one);

    if (limits->syns_per_second > 0 && payload < UNLIMITED)
        rate = MIN(rate, limits->syns_per_second * (payload - OVERHEAD_BYTES));
    if (rate < best->rate)
        return;
    best->rate = rate;
    best->budget = payload < UNLIMITED ? (uint64_t)payload : UINT64_MAX;
    best->slots = (unsigned)MIN((double)slots, rate / one * SLOTS_PERCENT / 100 + 1);
}

/* Slow start up to `payload`, by flights. */
static void consider_budgets(struct sim_bound *best, const struct sim_limits *limits,
                             double link, double round_trip_s, double payload)
{
    double window = SIM_INITIAL_WINDOW_BYTES, carried = 0;

    for (unsigned flights = 1; flights <= FLIGHTS_MOST && carried < payload; flights++) {
        carried = MIN(payload, carried + window);
        window *= 2;
        consider(best, limits, link, carried,
                 MIN(connection_rate(carried, flights, round_trip_s,
                                     (double)limits->police_rate),
                     link));
    }
}

struct sim_bound sim_bound_of(const struct sim_path *path, const struct sim_limits *limits,
                              uint64_t budget_most, struct sim_bulk bulk)
{
    const struct sim_link *link = &path->link[bulk.from];
    double round_trip_s = (double)(path->link[0].delay_ns + path->link[1].delay_ns) / 1e9;
    double rate = (double)link->rate * share(SIM_SEGMENT_BYTES, PACKET_BYTES);
    double payload = budget_most < UINT64_MAX ? (double)budget_most : UNLIMITED;
    struct sim_bound best = {0};

    if (limits->blocked)
        return best;
    if (bulk.both)
        rate *= 1 - share(SIM_HEADER_BYTES, PACKET_BYTES);
    if (limits->cut_bytes > 0)
        payload = MIN(payload, payload_within(limits, bulk, limits->cut_bytes));
    if (limits->slow_bytes > 0)
        payload = MIN(payload, payload_within(limits, bulk, limits->slow_bytes));
    if (limits->age_ns > 0) {
        /* At its rate, and once in its age a connection takes a round trip to dial. */
        double age_s = (double)limits->age_ns / 1e9 * (100 - limits->jitter_percent) / 100;

        rate *= 1 - share(round_trip_s, age_s);
    }
    consider_budgets(&best, limits, rate, round_trip_s, payload);
    if (payload >= UNLIMITED)
        consider(&best, limits, rate, UNLIMITED,
                 limits->police_rate > 0
                     ? (double)limits->police_rate * share(SIM_SEGMENT_BYTES, PACKET_BYTES)
                     : rate);
    return best;
}
