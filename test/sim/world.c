/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far more than any run of these sizes needs. */
#define EVENTS_MAX UINT64_C(30000000)
/* Spares are retired within 5 s, and the last acknowledgements need a moment. */
#define SETTLE_NS (60 * NS_PER_S)
#define CLOSE_NS (3 * NS_PER_S)
/* The least time between keepalives, and the cost of a wake-up for one at both sides. */
#define KEEPALIVE_NS (45 * NS_PER_S)
#define RUNS_PER_KEEPALIVE 16

void sim_fail(struct sim_world *world, const char *format, ...)
{
    va_list arguments;

    if (sim_failed(world))
        return;
    int length = snprintf(world->failure, sizeof world->failure, "at %" PRIu64 " ms: ",
                          (world->clock.now_ns - world->began_at_ns) / NS_PER_MS);

    va_start(arguments, format);
    vsnprintf(world->failure + length, sizeof world->failure - (size_t)length, format,
              arguments);
    va_end(arguments);
    sim_trace(&world->clock, "failed", 0, 0, 0);
}

static void network_begins(struct sim_world *world)
{
    const struct sim_scenario *scenario = &world->scenario;

    sim_net_init(&world->net, &world->clock);
    world->net.paths = scenario->path_count;
    world->net.ports = scenario->port_count;
    world->net.reset_discards = scenario->reset_discards;
    for (size_t i = 0; i < scenario->path_count; i++)
        world->net.path[i] = scenario->paths[i];
    sim_net_set_boxes(&world->net, scenario->boxes, scenario->box_count,
                      sim_mix(scenario->seed ^ UINT64_C(0x626f786573)));
}

static void keys_begin(struct sim_world *world)
{
    uint8_t secret[KEY_SIZE];

    sim_random_bytes(&world->random, secret, sizeof secret);
    if (key_pair_init(&world->local_key, secret) != OK)
        abort();
    sim_random_bytes(&world->random, secret, sizeof secret);
    if (key_pair_init(&world->relay_key, secret) != OK)
        abort();
}

static void world_init(struct sim_world *world, const struct sim_scenario *scenario,
                       bool print)
{
    memset(world, 0, sizeof *world);
    world->scenario = *scenario;
    sim_clock_init(&world->clock, scenario->seed);
    world->clock.print = print;
    sim_random_init(&world->random, scenario->seed ^ UINT64_C(0x5851f42d4c957f2d));
    world->began_at_ns = world->over_at_ns = world->clock.now_ns;
    world->wall_ns = UINT64_C(1800000000) * NS_PER_S;
    world->input = malloc(SIM_INPUT_BYTES + CHUNK_SIZE_MAX);
    world->output = malloc(PRODUCE_MAX);
    if (world->input == NULL || world->output == NULL)
        abort();
    network_begins(world);
    keys_begin(world);
    for (int side = 0; side < 2; side++)
        sim_process_init(&world->process[side], world, (enum sim_side)side);
    sim_relay_start(&world->process[SIM_RELAY]);
    sim_local_start(&world->process[SIM_LOCAL]);
    sim_streams_init(world);
    sim_flows_init(world);
    sim_faults_init(world);
}

static void run_until(struct sim_world *world, uint64_t until_ns)
{
    while (!sim_failed(world) && sim_clock_step(&world->clock, until_ns))
        if (world->clock.fired > EVENTS_MAX)
            sim_fail(world, "more than %" PRIu64 " events", EVENTS_MAX);
}

static void describe_running(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario.plan_count; i++) {
        const struct sim_stream *stream = &world->streams[i];

        for (int side = 0; side < 2; side++) {
            const struct sim_end *end = &stream->end[side];

            if (end->outcome != SIM_RUNNING)
                continue;
            sim_fail(
                world,
                "%zu ends still run, first: stream %zu side %d: %s, sent %" PRIu64
                " of %" PRIu64 "%s, received %" PRIu64 " of %" PRIu64 "%s; peer outcome %d",
                world->streams_running, i, side,
                end->stream == NULL ? "not begun"
                : end->connected    ? "connected"
                                    : "opening",
                end->sent, stream->plan.total[side], end->finish_sent ? " and FIN" : "",
                end->received, stream->plan.total[!side],
                end->finish_received ? " and FIN" : "", stream->end[!side].outcome);
        }
    }
}

/* Runs until every stream has ended, and nothing is left to go wrong. */
static void run_streams(struct sim_world *world)
{
    uint64_t limit_ns =
        world->began_at_ns + world->scenario.heal_at_ns + world->scenario.limit_ns;

    if (world->scenario.stop_ns > 0) {
        run_until(world, world->began_at_ns + world->scenario.stop_ns);
        return;
    }

    while (!sim_failed(world) && (world->streams_running > 0 || world->flows_running > 0) &&
           sim_clock_step(&world->clock, limit_ns))
        if (world->clock.fired > EVENTS_MAX)
            sim_fail(world, "more than %" PRIu64 " events", EVENTS_MAX);
    if (world->streams_running > 0 && !sim_failed(world))
        describe_running(world);
    if (!sim_failed(world))
        run_until(world, world->began_at_ns + world->scenario.heal_at_ns);
}

/* ---- invariants ---- */

/* Nobody does anything: only keepalives may wake either process, and the pool is at rest.
 */
static void check_idle(struct sim_world *world)
{
    const struct sim_session *local =
        list_first(&world->process[SIM_LOCAL].sessions, struct sim_session, link);
    const struct sim_scenario *scenario = &world->scenario;
    uint64_t keepalive_ns = MIN(
        KEEPALIVE_NS,
        MAX(MIN(scenario->config.linger_ns, scenario->relay_linger_ns) / 3, NS_PER_S / 2));
    uint64_t periods = scenario->idle_for_ns / keepalive_ns + 2;
    /* A subflow that is nearly used up was replaced already; with small budgets a few PINGs
     * use one up, while another is on its way out. */
    bool small = MIN(scenario->config.budget_up, scenario->config.budget_down) < 1000;
    uint64_t subflows = MAX(scenario->config.pool_idle, 1) + (small ? 2 : 1);
    uint64_t runs[2];

    if (scenario->idle_for_ns == 0)
        return;
    run_until(world, world->clock.now_ns + SETTLE_NS);
    if (local != NULL && session_counters(local->session)->subflows_open > subflows)
        sim_fail(world, "%u subflows are open in an idle session, of %u that may be",
                 session_counters(local->session)->subflows_open, (unsigned)subflows);
    for (int side = 0; side < 2; side++)
        runs[side] = world->process[side].runs;
    run_until(world, world->clock.now_ns + scenario->idle_for_ns);
    for (int side = 0; side < 2; side++) {
        runs[side] = world->process[side].runs - runs[side];
        if (runs[side] > periods * subflows * RUNS_PER_KEEPALIVE)
            sim_fail(world, "%s woke up %" PRIu64 " times in %" PRIu64 " idle seconds",
                     side == SIM_LOCAL ? "local" : "relay", runs[side],
                     scenario->idle_for_ns / NS_PER_S);
    }
}

static void check_end(struct sim_world *world)
{
    struct sim_session *local =
        list_first(&world->process[SIM_LOCAL].sessions, struct sim_session, link);

    /* The last acknowledgements are on their way. */
    if (world->scenario.idle_for_ns == 0)
        run_until(world, world->clock.now_ns + SETTLE_NS);
    if (sim_failed(world))
        return;
    if (session_stream_count(local->session) > 0)
        sim_fail(world, "local counts %u streams, and there is none",
                 session_stream_count(local->session));
    if (session_flow_count(local->session) > 0)
        sim_fail(world, "local counts %u flows, and there is none",
                 session_flow_count(local->session));
    session_close(local->session, CLOSE_ASKED, NULL, world->clock.now_ns);
    sim_process_touch(&world->process[SIM_LOCAL]);
    run_until(world, world->clock.now_ns + CLOSE_NS);
    if (!sim_failed(world) && !local->ended)
        sim_fail(world, "local's session did not end when it was closed");
    if (!sim_failed(world) && world->net.open > 0)
        sim_fail(world, "%zu connections outlive the session", world->net.open);
    if (!sim_failed(world) && world->net.over_budget_bytes > 0)
        sim_fail(world, "%" PRIu64 " bytes over budget", world->net.over_budget_bytes);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

static void report_exchanges(const struct sim_world *world, struct sim_report *report)
{
    report->exchange_count = world->exchange_count;
    memcpy(report->exchange_ns, world->exchange_ns, sizeof report->exchange_ns);
    qsort(report->exchange_ns, report->exchange_count, sizeof report->exchange_ns[0],
          compare_times);
}

static void fill_report(struct sim_world *world, struct sim_report *report)
{
    memset(report, 0, sizeof *report);
    report->hash = world->clock.hash;
    report->events = world->clock.fired;
    report->virtual_ns = world->over_at_ns - world->began_at_ns;
    report->dials = world->net.dials;
    for (size_t i = 0; i < world->net.paths; i++) {
        report->carried[i] = world->net.path[i].link[SIM_LOCAL].payload_bytes +
                             world->net.path[i].link[SIM_RELAY].payload_bytes;
        report->oversize += world->net.path[i].link[SIM_LOCAL].oversize +
                            world->net.path[i].link[SIM_RELAY].oversize;
        report->dialled[i] = world->net.path[i].dials;
    }
    report->open_most = world->net.open_most;
    memcpy(report->meters, world->meters, sizeof report->meters);
    for (size_t i = 0; i < world->net.box_count; i++)
        report->boxes[i] = world->net.boxes[i].counts;
    for (size_t i = 0; i < world->scenario.plan_count; i++) {
        for (int side = 0; side < 2; side++) {
            const struct sim_end *end = &world->streams[i].end[side];

            report->received[side] += end->received;
            report->complete += end->outcome == SIM_COMPLETE;
            report->reset += end->outcome == SIM_RESET;
            report->cancelled += end->outcome == SIM_CANCELLED;
            if (i >= SIM_LIVES)
                continue;
            report->arrived[side][i] = end->received;
            report->pause_ns[side][i] = end->pause_ns;
            if (end->progress_at_ns > world->streams[i].end[SIM_LOCAL].began_at_ns)
                report->life_ns[side][i] =
                    end->progress_at_ns - world->streams[i].end[SIM_LOCAL].began_at_ns;
        }
    }
    report_exchanges(world, report);
    sim_flows_report(world, report);
    report->late_ns = world->streams[0].end[SIM_LOCAL].late_ns;
    report->late_count = world->streams[0].end[SIM_LOCAL].late_count;
    report->counters = *session_counters(
        list_first(&world->process[SIM_LOCAL].sessions, struct sim_session, link)->session);
}

/* Releases everything; pages that remain in use were lost. */
static void world_deinit(struct sim_world *world)
{
    sim_local_stop(&world->process[SIM_LOCAL]);
    sim_relay_stop(&world->process[SIM_RELAY], true);
    for (int side = 0; side < 2; side++) {
        struct sim_process *process = &world->process[side];

        if (process->pages.used > 0)
            sim_fail(world, "%zu pages of side %d were never released", process->pages.used,
                     side);
        if (process->pages_most > world->scenario.pages)
            sim_fail(world, "side %d held %zu pages", side, process->pages_most);
        sim_timer_set(&world->clock, &process->timer, world->clock.now_ns);
        process->timer.fire(&process->timer); /* frees the wires */
        sim_timer_cancel(&world->clock, &process->timer);
        if (process->pages.used == 0)
            page_pool_deinit(&process->pages);
    }
    sim_streams_deinit(world);
    sim_flows_deinit(world);
    sim_faults_deinit(world);
    sim_net_deinit(&world->net);
    sim_clock_deinit(&world->clock);
    free(world->input);
    free(world->output);
}

bool sim_run(const struct sim_scenario *scenario, bool print, struct sim_report *report)
{
    struct sim_world *world = malloc(sizeof *world);
    bool good;

    if (world == NULL)
        abort();
    world_init(world, scenario, print);
    run_streams(world);
    if (scenario->stop_ns == 0) {
        check_idle(world);
        check_end(world);
    }
    fill_report(world, report);
    world_deinit(world);
    memcpy(report->failure, world->failure, sizeof report->failure);
    good = !sim_failed(world);
    free(world);
    return good;
}
