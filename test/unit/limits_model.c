/* SPDX-License-Identifier: MIT */
#include "limits_model.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/path/dial_limit.h>
#include <splitsocks/engine/path/profile.h>
#include <splitsocks/engine/path/slots.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define MSS 1448.0
#define WINDOW (10 * MSS)
#define QUEUE_S 0.1 /* what the link's queue takes */
#define BURST 64
#define FIRST 8
#define TICK_S 0.1

enum event_kind {
    EVENT_TICK,
    EVENT_FILL,
    EVENT_FAILED,
    EVENT_UP,
    EVENT_ROUND,
    EVENT_ARRIVE,
    EVENT_DIED,
    EVENT_DONE,
    EVENT_GONE,
};

struct event {
    double at;
    uint64_t number;
    enum event_kind kind;
    struct connection *connection;
    double useful, position;
};

struct connection {
    struct connection *next; /* all of the run */
    struct profile_connection evidence;
    struct dial_attempt attempt;
    double position; /* sent and not dropped */
    double arrived;
    double window, free_at; /* of the policer */
    double factor;          /* jitter of its limits */
    double cut_at;          /* by age */
    double cap;
    bool slow_start, established, over, dead, by_loss, by_reset, open, explorer;
};

struct model {
    const struct model_network *network;
    struct model_result *result;
    struct event *heap;
    unsigned events, room;
    uint64_t number, random;
    double now, link_at, srtt, tokens, tokens_at, last_new;
    struct connection *all;
    struct connection *open[2 * BURST];
    unsigned opened, entries;
    double place_s, exploring_s;
    bool filling, tightened;
    struct profile profile;
    struct slots slots;
    struct dial_limit dials;
};

static uint64_t ns(double seconds)
{
    return NS_PER_S + (uint64_t)(seconds * (double)NS_PER_S);
}

static double chance(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (double)(m->random >> 11) / (double)(UINT64_C(1) << 53);
}

static const struct model_box *box_of(const struct model *m)
{
    const struct model_network *network = m->network;

    return network->change > 0 && m->now >= network->change ? &network->later
                                                            : &network->box;
}

/* ---- events: a heap by time, and by number where times are equal */

static bool before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void push(struct model *m, struct event event)
{
    if (m->events == m->room) {
        m->room = m->room == 0 ? 1024 : 2 * m->room;
        m->heap = realloc(m->heap, m->room * sizeof(*m->heap));
        assert(m->heap != NULL);
    }
    event.number = m->number++;
    unsigned i = m->events++;

    while (i > 0 && before(&event, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = event;
}

static void at(struct model *m, double when, enum event_kind kind, struct connection *c)
{
    push(m, (struct event){.at = when, .kind = kind, .connection = c});
}

static struct event pop(struct model *m)
{
    struct event first = m->heap[0], last = m->heap[--m->events];
    unsigned i = 0;

    for (;;) {
        unsigned child = 2 * i + 1;

        if (child >= m->events)
            break;
        if (child + 1 < m->events && before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return first;
}

/* ---- what the pool would do */

/* Without an answer for so long, a connection is taken for frozen. */
static double death_s(const struct model *m)
{
    return MAX(2 * m->srtt + 0.25, 3 * m->srtt + 0.05);
}

static void judge(struct model *m)
{
    struct profile_network network = {
        .singly = true,
        .round_trip_ns = ns(m->network->round_trip) - ns(0),
        .replaced_after_ns = ns(death_s(m) + m->network->round_trip) - ns(0),
        .zombie_for_ns = dial_limit_zombie_ns(&m->dials, slots_wanted(&m->slots)),
        .cycle_min_ns = dial_limit_cycle_ns(&m->dials, m->opened),
        .open = m->opened,
    };

    m->tightened |= profile_judge(&m->profile, &network, ns(m->now));
}

static unsigned places(const struct model *m)
{
    unsigned wanted = slots_wanted(&m->slots);
    uint32_t allowed = dial_limit_connections(&m->dials, ns(m->now));

    if (wanted >= m->dials.connections)
        wanted = allowed;
    return MAX(MIN(wanted, BURST), 1u);
}

static void progress(struct model *m, struct connection *c)
{
    if (c->established)
        profile_progress(&m->profile, &c->evidence, 0, (uint64_t)c->arrived,
                         1u << PROFILE_DOWN, ns(m->now));
}

static void choose_leaders(struct model *m)
{
    struct profile_connection *usable[2 * BURST];
    unsigned count = 0;

    for (unsigned i = 0; i < m->opened; i++)
        if (m->open[i]->established && !m->open[i]->explorer && !m->open[i]->over)
            usable[count++] = &m->open[i]->evidence;
    profile_choose_leaders(usable, count);
}

static double limit_of(const struct model *m, const struct connection *c)
{
    uint64_t limit = profile_connection_limit(&m->profile, &c->evidence, PROFILE_DOWN);
    uint64_t age = profile_connection_limit(&m->profile, &c->evidence, PROFILE_AGE);
    double bytes = limit == PROFILE_UNLIMITED ? INFINITY : (double)limit;

    if (age != PROFILE_UNLIMITED && ns(m->now) - c->evidence.begun_at_ns >= age)
        bytes = c->position;
    return MIN(bytes, c->cap);
}

/* ---- dialling */

static bool box_takes(struct model *m)
{
    const struct model_box *box = box_of(m);
    bool takes = true;

    if (box->syns_max > 0) {
        m->tokens = MIN(box->syns_max, m->tokens + (m->now - m->tokens_at) * box->syns_max);
        m->tokens_at = m->now;
        takes = m->tokens >= 1;
        m->tokens -= takes;
    }
    if (box->open_max > 0 && m->entries >= box->open_max)
        takes = false;
    if (box->loss > 0 && chance(m) < 2 * box->loss)
        takes = false;
    return takes;
}

static void dial(struct model *m)
{
    const struct model_box *box = box_of(m);
    struct connection *c = calloc(1, sizeof(*c));
    unsigned established = 0;

    assert(c != NULL);
    for (unsigned i = 0; i < m->opened; i++)
        established += m->open[i]->established;
    c->next = m->all;
    m->all = c;
    m->open[m->opened++] = c;
    m->result->dials++;
    c->open = c->slow_start = true;
    c->window = WINDOW;
    c->cap = INFINITY;
    c->factor = 1 + box->jitter * (2 * chance(m) - 1);
    c->cut_at = box->age > 0 ? m->now + box->age * c->factor : INFINITY;
    c->explorer = profile_explore_at_ns(&m->profile, m->opened) <= ns(m->now);
    profile_connection_begin(&m->profile, &c->evidence, c->explorer, ns(m->now));
    dial_limit_dialled(&m->dials, &c->attempt, established, ns(m->now));
    if (!box_takes(m)) {
        at(m, m->now + MAX(3 * m->network->round_trip, 0.25), EVENT_FAILED, c);
        return;
    }
    m->entries++;
    at(m, m->now + m->network->round_trip + MAX(0, m->link_at - m->now) / 2, EVENT_UP, c);
}

static void fill(struct model *m)
{
    while (m->opened < places(m)) {
        uint64_t next = dial_limit_next(&m->dials, ns(m->now));

        if (next > ns(m->now)) {
            if (!m->filling)
                at(m, m->now + (double)(next - ns(m->now)) / (double)NS_PER_S + 1e-6,
                   EVENT_FILL, NULL);
            m->filling = true;
            return;
        }
        dial(m);
    }
}

static void close_connection(struct model *m, struct connection *c, enum profile_end end)
{
    for (unsigned i = 0; i < m->opened; i++)
        if (m->open[i] == c) {
            m->open[i] = m->open[--m->opened];
            break;
        }
    c->open = false;
    c->over = true;
    profile_ended(&m->profile, &c->evidence, end, ns(m->now));
    judge(m);
    fill(m);
}

/* ---- a flight of a connection */

/* How much the policer lets through at once; sets its rate, 0: none. */
static double police(struct model *m, struct connection *c, double bytes, double *rate)
{
    const struct model_box *box = box_of(m);

    *rate = box->police;
    if (box->slow_from > 0 && c->position >= box->slow_from)
        *rate = box->slow_rate;
    if (*rate > 0) {
        double most = MAX(2 * MSS, *rate * (m->network->round_trip + QUEUE_S));

        if (bytes > most) {
            bytes = c->window = most;
            c->slow_start = false;
        }
    } else if (box->slow_from > 0 && c->position + bytes > box->slow_from) {
        bytes = box->slow_from - c->position + 1;
    }
    return MAX(bytes, 1);
}

/* The time at which the flight has left the link. */
static double through_link(struct model *m, struct connection *c, double bytes, double rate)
{
    double start = MAX(m->now, m->link_at);
    double departure = start + bytes / m->network->rate;

    m->link_at = departure;
    if (departure - m->now > QUEUE_S && c->window > 2 * MSS) {
        c->slow_start = false;
        c->window = MAX(c->window / 2, 2 * MSS);
    }
    m->srtt += (m->network->round_trip + start - m->now - m->srtt) / 8;
    if (rate > 0) {
        c->free_at = MAX(c->free_at, start) + bytes / rate;
        departure = MAX(departure, c->free_at);
    }
    return departure;
}

static double loss_delay(struct model *m, struct connection *c, double bytes)
{
    double loss = box_of(m)->loss, packets = floor(bytes / MSS) + 1;

    if (loss <= 0 || chance(m) >= 1 - pow(1 - loss, packets))
        return 0;
    c->slow_start = false;
    c->window = MAX(c->window / 2, 2 * MSS);
    return m->network->round_trip + (chance(m) > 3 / MAX(3, packets) ? 0 : 0.2);
}

/* How many bytes pass before the box cuts the connection. */
static double until_cut(struct model *m, struct connection *c, double bytes)
{
    const struct model_box *box = box_of(m);
    double most = box->freeze > 0 ? box->freeze : box->reset;

    c->by_reset = box->reset > 0;
    if (m->now >= c->cut_at)
        return 0;
    if (most > 0 && c->position + bytes > most * c->factor)
        return MAX(0, most * c->factor - c->position);
    return bytes;
}

static double useful_of(const struct connection *c, double bytes)
{
    uint64_t safe = profile_connection_safe(&c->evidence, PROFILE_DOWN);

    return safe == PROFILE_UNLIMITED ? bytes
                                     : MAX(0, MIN(bytes, (double)safe - c->position));
}

static void flight(struct model *m, struct connection *c)
{
    double half = m->network->round_trip / 2, rate;

    if (c->over)
        return;
    choose_leaders(m);
    double bytes = MIN(c->window, limit_of(m, c) - c->position);

    if (bytes < 1) {
        c->over = true;
        at(m, m->now + half, EVENT_DONE, c);
        return;
    }
    bytes = police(m, c, bytes, &rate);
    double good = until_cut(m, c, bytes), start = MAX(m->now, m->link_at);
    double departure = through_link(m, c, bytes, rate);
    double delay = loss_delay(m, c, bytes);
    double useful = useful_of(c, good);

    c->position += good;
    if (good > 0)
        push(m, (struct event){.at = departure + half + delay,
                               .kind = EVENT_ARRIVE,
                               .connection = c,
                               .useful = useful,
                               .position = c->position});
    if (good < bytes) {
        c->dead = true;
        if (c->by_reset)
            at(m, departure + half, EVENT_DIED, c);
        else
            at(m, departure + death_s(m) + half, EVENT_DIED, c);
        return;
    }
    if (c->position >= limit_of(m, c) - 1) {
        c->over = true;
        at(m, departure + half + delay + 1e-6, EVENT_DONE, c);
        return;
    }
    if (delay + m->network->round_trip > death_s(m)) {
        c->dead = c->by_loss = true;
        at(m, m->now + death_s(m), EVENT_DIED, c);
        return;
    }
    c->window = MIN(c->slow_start ? 2 * c->window : c->window + MSS, 4e6);
    at(m, MAX(start + m->network->round_trip + delay, departure), EVENT_ROUND, c);
}

static void arrive(struct model *m, struct connection *c, const struct event *event)
{
    c->arrived = MAX(c->arrived, event->position);
    progress(m, c);
    slots_delivered(&m->slots, (uint64_t)event->useful);
    m->result->bin[MIN((unsigned)(m->now * 4), MODEL_BINS - 1)] += event->useful;
    if (event->useful > 0) {
        if (m->now >= m->network->change)
            m->result->pause =
                MAX(m->result->pause, m->now - MAX(m->last_new, m->network->change));
        m->last_new = m->now;
    }
}

static void died(struct model *m, struct connection *c)
{
    double zombie = c->by_reset || c->by_loss ? 0 : box_of(m)->zombie;

    if (!c->open)
        return;
    m->result->deaths++;
    at(m, m->now + zombie, EVENT_GONE, c);
    dial_limit_died(&m->dials, ns(m->now));
    close_connection(m, c, c->by_reset ? PROFILE_RESET : PROFILE_FROZEN);
}

static void shed(struct model *m)
{
    unsigned established = 0;

    for (unsigned i = 0; i < m->opened; i++)
        established += m->open[i]->established;
    for (; established > places(m); established--) {
        struct connection *most = NULL;

        for (unsigned i = 0; i < m->opened; i++) {
            struct connection *c = m->open[i];

            if (c->established && !c->dead && !c->over && c->cap == INFINITY &&
                (most == NULL || c->position > most->position))
                most = c;
        }
        if (most == NULL)
            return;
        most->cap = most->position;
    }
}

static void tick(struct model *m)
{
    struct profile_finding finding;

    for (unsigned i = 0; i < m->opened; i++) {
        struct connection *c = m->open[i];

        m->place_s += TICK_S;
        m->exploring_s += c->explorer ? TICK_S : 0;
        progress(m, c);
        if (!c->dead && profile_connection_slow(&m->profile, &c->evidence, ns(m->now)))
            c->cap = MIN(c->cap, c->position);
    }
    judge(m);
    uint32_t found = m->dials.connections;
    struct slots_view view = {
        .round_trip_ns = ns(m->network->round_trip) - ns(0),
        .cycle_ns = profile_cycle_ns(&m->profile),
        .cycle_bytes = profile_cycle_bytes(&m->profile),
        .ceiling = MIN(BURST, found),
        .queue = m->srtt > 1.25 * m->network->round_trip + 0.005,
        .waits = true,
        .tightened = m->tightened,
    };

    slots_tick(&m->slots, &view, ns(m->now));
    m->tightened = false;
    m->result->news +=
        profile_take_news(&m->profile, &finding, ns(m->now)) != PROFILE_NEWS_NONE;
    m->result->news += dial_limit_take_news(&m->dials) != DIAL_LIMIT_NO_NEWS;
    shed(m);
    fill(m);
    at(m, m->now + TICK_S, EVENT_TICK, NULL);
}

static void take_event(struct model *m, const struct event *event)
{
    struct connection *c = event->connection;

    switch (event->kind) {
    case EVENT_TICK: tick(m); break;
    case EVENT_FILL:
        m->filling = false;
        fill(m);
        break;
    case EVENT_FAILED:
        m->result->failed++;
        dial_limit_result(&m->dials, &c->attempt, false, ns(m->now));
        close_connection(m, c, PROFILE_NO_EVIDENCE);
        break;
    case EVENT_UP:
        c->established = true;
        dial_limit_result(&m->dials, &c->attempt, true, ns(m->now));
        at(m, m->now + m->network->round_trip / 2, EVENT_ROUND, c);
        break;
    case EVENT_ROUND: flight(m, c); break;
    case EVENT_ARRIVE: arrive(m, c, event); break;
    case EVENT_DIED: died(m, c); break;
    case EVENT_DONE:
        if (c->open) {
            m->entries--;
            close_connection(m, c, PROFILE_WORN_OUT);
        }
        break;
    case EVENT_GONE:
        m->entries--;
        fill(m);
        break;
    }
}

void model_run(const struct model_network *network, uint64_t seed,
               struct model_result *result)
{
    struct model m = {
        .network = network,
        .result = result,
        .random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
        .srtt = network->round_trip,
        .tokens = network->box.syns_max,
        .last_new = network->change,
    };

    *result = (struct model_result){0};
    profile_init(&m.profile);
    slots_init(&m.slots, FIRST, ns(0));
    dial_limit_init(&m.dials);
    judge(&m);
    fill(&m);
    at(&m, TICK_S, EVENT_TICK, NULL);
    while (m.heap[0].at < network->duration) {
        struct event event = pop(&m);

        m.now = event.at;
        take_event(&m, &event);
    }
    result->pause = MAX(result->pause, network->duration - m.last_new);
    result->exploring = m.exploring_s / m.place_s;
    result->wanted = slots_wanted(&m.slots);
    result->budget = profile_budget(&m.profile, PROFILE_DOWN);
    result->connections = m.dials.connections;
    result->syns = m.dials.syns;
    profile_deinit(&m.profile);
    while (m.all != NULL) {
        struct connection *next = m.all->next;

        free(m.all);
        m.all = next;
    }
    free(m.heap);
}
