/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <splitsocks/base/ranges.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 8
#define SLOW_READ_NS (20 * NS_PER_MS)

static void end_timer(struct sim_timer *timer);
static void stream_starts(struct sim_timer *timer);

uint64_t sim_content_word(const struct sim_plan *plan, enum sim_side side, uint64_t word)
{
    return sim_mix(plan->seed + (side == SIM_RELAY ? UINT64_C(1) << 62 : 0) + word);
}

/* Fills in the bytes that `side` sends from `offset` on. */
static void content(const struct sim_plan *plan, enum sim_side side, uint64_t offset,
                    uint8_t *bytes, size_t length)
{
    while (length > 0) {
        uint64_t word = sim_content_word(plan, side, offset / 8);
        size_t skip = offset % 8;
        size_t part = MIN(length, 8 - skip);
        uint8_t raw[8];

        memcpy(raw, &word, 8);
        memcpy(bytes, raw + skip, part);
        bytes += part;
        offset += part;
        length -= part;
    }
}

static bool content_matches(const struct sim_plan *plan, enum sim_side side,
                            uint64_t offset, const uint8_t *bytes, size_t length)
{
    uint8_t expected[512];

    while (length > 0) {
        size_t part = MIN(length, sizeof expected);

        content(plan, side, offset, expected, part);
        if (memcmp(expected, bytes, part) != 0)
            return false;
        bytes += part;
        offset += part;
        length -= part;
    }
    return true;
}

/* ---- the end of an end ---- */

static struct sim_world *world_of(const struct sim_end *end)
{
    return end->of->world;
}

static void over(struct sim_end *end, enum sim_outcome outcome)
{
    struct sim_world *world = world_of(end);

    end->outcome = outcome;
    end->ended_at_ns = world->clock.now_ns;
    end->stream = NULL;
    list_remove(&end->link);
    sim_timer_cancel(&world->clock, &end->timer);
    world->streams_running--;
    world->over_at_ns = world->clock.now_ns;
    sim_trace(&world->clock, "over", end->of->index << 1 | end->side, outcome, end->code);
    /* A stream that never reached the relay has no other end. */
    if (end->side == SIM_LOCAL && !end->of->announced &&
        end->of->end[SIM_RELAY].outcome == SIM_RUNNING) {
        end->of->end[SIM_RELAY].outcome = SIM_KILLED;
        world->streams_running--;
    }
}

static void release(struct sim_end *end, enum sim_outcome outcome)
{
    session_stream_release(end->owner->session, end->stream, world_of(end)->clock.now_ns);
    over(end, outcome);
}

static void cancel(struct sim_end *end, enum reset_code code)
{
    /* To let go with something missing says the same as a reset. */
    if (code != RESET_CANCELLED || end->of->index % 3 > 0 ||
        (end->finish_sent && end->finish_received))
        session_stream_reset(end->owner->session, end->stream, code,
                             world_of(end)->clock.now_ns);
    end->code = code;
    release(end, SIM_CANCELLED);
}

void sim_end_killed(struct sim_end *end)
{
    over(end, SIM_KILLED);
}

/* Returns false when the end is no more. */
static bool check_over(struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;

    if (end->sent + end->received >= plan->reset_after[end->side]) {
        cancel(end, RESET_CANCELLED);
        return false;
    }
    if (!end->finish_sent || !end->finish_received)
        return true;
    release(end, SIM_COMPLETE);
    return false;
}

/* ---- reading and writing ---- */

/* Local writes behind its request, before the answer. */
static bool may_hurry(const struct sim_end *end)
{
    return end->side == SIM_LOCAL && end->of->plan.hurried;
}

/* The bytes that one side may have sent after `turns` turns. */
static uint64_t boundary(const struct sim_plan *plan, enum sim_side side, uint64_t turns)
{
    uint64_t bytes = 0;

    if (turns >= plan->turns)
        return plan->total[side];
    if (side == SIM_LOCAL || plan->answers == NULL)
        return plan->total[side] * turns / plan->turns;
    while (turns-- > 0)
        bytes += plan->answers[turns];
    return bytes;
}

static uint64_t may_send(const struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;
    enum sim_side peer = sim_peer(end->side);
    uint64_t turns = 0;

    if (plan->turns == 0)
        return plan->total[end->side];
    if (plan->push_every_ns > 0)
        return boundary(plan, end->side,
                        (world_of(end)->clock.now_ns - end->began_at_ns) /
                            plan->push_every_ns);
    while (turns < plan->turns && end->received >= boundary(plan, peer, turns + 1))
        turns++;
    return boundary(plan, end->side, turns + (end->side == SIM_LOCAL));
}

static size_t write_once(struct sim_end *end, size_t length)
{
    struct session *session = end->owner->session;
    const struct sim_plan *plan = &end->of->plan;
    uint64_t now = world_of(end)->clock.now_ns;
    struct iovec parts[PARTS_MAX];
    uint8_t bytes[4096];
    size_t taken = 0;

    if (end->of->index % 2 == 0) {
        length = MIN(length, sizeof bytes);
        content(plan, end->side, end->sent, bytes, length);
        return session_stream_write(session, end->stream, bytes, length, now);
    }
    size_t count = session_stream_reserve(session, end->stream, length, parts, PARTS_MAX);

    for (size_t i = 0; i < count; i++) {
        size_t part = MIN(parts[i].iov_len, length - taken);

        content(plan, end->side, end->sent + taken, parts[i].iov_base, part);
        taken += part;
    }
    if (count > 0)
        session_stream_commit(session, end->stream, taken, now);
    return taken;
}

static void write_more(struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;
    uint64_t limit = MIN(may_send(end), plan->reset_after[end->side]);

    if (end->finish_sent)
        return;
    while (end->sent < limit) {
        size_t taken = write_once(end, (size_t)MIN(limit - end->sent, 65536));

        if (taken == 0)
            return;
        end->sent += taken;
    }
    if (end->sent < plan->total[end->side] || plan->silent[end->side] ||
        (plan->finish_last[end->side] && !end->finish_received))
        return;
    end->finish_sent = true;
    session_stream_finish(end->owner->session, end->stream, world_of(end)->clock.now_ns);
    if (plan->hangs_up[end->side])
        sim_timer_set(&world_of(end)->clock, &end->timer,
                      world_of(end)->clock.now_ns + plan->give_up_after_ns / 2);
}

/* Up to which offset the end reads now. */
static uint64_t may_read(const struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;
    uint64_t limit = end->resumed ? UINT64_MAX : plan->stop_reading_at[end->side];

    if (plan->read_rate[end->side] > 0) {
        uint64_t passed_ns = world_of(end)->clock.now_ns - end->began_at_ns;

        limit = MIN(limit, passed_ns / NS_PER_MS * plan->read_rate[end->side] / 1000);
    }
    return limit;
}

/* How late the last part is that has come whole. */
static void note_push(struct sim_end *end, size_t length)
{
    const struct sim_plan *plan = &end->of->plan;
    const struct sim_end *peer = &end->of->end[sim_peer(end->side)];
    uint64_t now = world_of(end)->clock.now_ns;
    uint64_t parts =
        (end->received + length) * plan->turns / plan->total[sim_peer(end->side)];

    for (uint64_t part = end->received * plan->turns / plan->total[sim_peer(end->side)] + 1;
         part <= parts; part++) {
        uint64_t late_ns = now - (peer->began_at_ns + part * plan->push_every_ns);

        end->late_count += late_ns > SIM_LATE_NS;
        end->late_ns = MAX(end->late_ns, late_ns);
    }
}

/* The exchanges whose response is whole now. The first request went when the stream was
 * opened, each further one when the response before it was there. */
static void note_exchanges(struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;
    struct sim_world *world = world_of(end);

    if (end->side != SIM_LOCAL || plan->push_every_ns > 0 || plan->total[SIM_RELAY] == 0)
        return;
    while (end->exchanges < plan->turns &&
           end->received >= boundary(plan, SIM_RELAY, end->exchanges + 1)) {
        if (world->exchange_count < SIM_EXCHANGES_MAX)
            world->exchange_ns[world->exchange_count++] =
                world->clock.now_ns - MAX(end->began_at_ns, end->exchanged_at_ns);
        end->exchanged_at_ns = world->clock.now_ns;
        end->exchanges++;
    }
}

static void take(struct sim_end *end, const uint8_t *bytes, size_t length)
{
    struct sim_world *world = world_of(end);
    enum sim_side peer = sim_peer(end->side);

    if (end->received + length > end->of->plan.total[peer])
        sim_fail(world, "stream %zu: more arrived at side %d than was sent", end->of->index,
                 end->side);
    else if (!content_matches(&end->of->plan, peer, end->received, bytes, length))
        sim_fail(world, "stream %zu: wrong bytes at side %d behind offset %" PRIu64,
                 end->of->index, end->side, end->received);
    if (end->of->plan.push_every_ns > 0)
        note_push(end, length);
    if (end->received > 0)
        end->pause_ns = MAX(end->pause_ns, world->clock.now_ns - end->progress_at_ns);
    end->received += length;
    sim_meter_add(&world->meters[end->side], world->clock.now_ns - world->began_at_ns,
                  length);
    end->progress_at_ns = world->clock.now_ns;
    note_exchanges(end);
}

static void reads_no_further(struct sim_end *end, uint64_t limit)
{
    const struct sim_plan *plan = &end->of->plan;
    struct sim_clock *clock = &world_of(end)->clock;

    if (limit == plan->stop_reading_at[end->side]) {
        if (!end->stopped)
            sim_timer_set(clock, &end->timer, clock->now_ns + plan->give_up_after_ns);
        end->stopped = true;
    } else {
        sim_timer_set(clock, &end->timer, clock->now_ns + SLOW_READ_NS);
    }
}

static void read_more(struct sim_end *end)
{
    struct session *session = end->owner->session;
    struct sim_world *world = world_of(end);
    uint64_t limit = may_read(end);
    struct iovec parts[PARTS_MAX];

    while (!end->finish_received && !sim_failed(world)) {
        bool finished = false;
        size_t count =
            session_stream_peek(session, end->stream, parts, PARTS_MAX, &finished);
        size_t taken = 0, total = 0;

        for (size_t i = 0; i < count; i++) {
            size_t part = (size_t)MIN(parts[i].iov_len, limit - MIN(limit, end->received));

            take(end, parts[i].iov_base, part);
            taken += part;
            total += parts[i].iov_len;
        }
        if (taken > 0)
            session_stream_consume(session, end->stream, taken, world->clock.now_ns);
        if (taken < total) {
            reads_no_further(end, limit);
            return;
        }
        if (finished) {
            end->finish_received = true;
            if (end->of->plan.silent[end->side])
                sim_timer_set(&world->clock, &end->timer,
                              world->clock.now_ns + end->of->plan.give_up_after_ns);
            if (end->received != end->of->plan.total[sim_peer(end->side)])
                sim_fail(world, "stream %zu ended early at side %d: %" PRIu64,
                         end->of->index, end->side, end->received);
        }
        if (total == 0)
            return;
    }
}

static void pump(struct sim_end *end)
{
    if (end->stream == NULL || (!end->connected && !may_hurry(end)))
        return;
    write_more(end);
    if (!end->stopped && end->connected)
        read_more(end);
    if (!check_over(end))
        return;
    write_more(end); /* it may have waited for the bytes that were read */
    check_over(end);
}

/* ---- resets of a stream ---- */

/* The chunk that confirms a session may come too late. */
static bool has_losses(const struct sim_scenario *scenario)
{
    bool losses = scenario->fault_count > 0 || scenario->box_count > 0;

    for (size_t i = 0; i < scenario->path_count; i++)
        for (int side = 0; side < 2; side++)
            losses |= scenario->paths[i].link[side].loss_millionths > 0;
    return losses;
}

/* Local did not wait for the relay any more. */
static bool was_given_up(const struct sim_end *end)
{
    return end->outcome == SIM_RESET &&
           (end->code == RESET_RELAY_UNREACHABLE || end->code == RESET_RELAY_SILENT);
}

/* Why a reset with this code may have come, or what is wrong with it. */
static bool is_explained(const struct sim_end *end, enum reset_code code)
{
    const struct sim_world *world = world_of(end);
    const struct sim_end *peer = &end->of->end[sim_peer(end->side)];

    switch (code) {
    case RESET_SESSION_LOST:
    case RESET_SESSION_CLOSED:
        return world->restarted || world->scenario.may_linger ||
               (may_hurry(end) && !end->connected && has_losses(&world->scenario));
    case RESET_LINGER: return world->scenario.may_linger;
    case RESET_RELAY_UNREACHABLE:
    case RESET_RELAY_SILENT:
        return world->scenario.may_be_unreachable && !end->connected;
    case RESET_LIMIT: return world->sheds > 0;
    case RESET_PROTOCOL: return true; /* SESSION_ENDED names the broken rule, and fails */
    default:
        return (peer->outcome == SIM_CANCELLED && peer->code == code) ||
               (code == RESET_CANCELLED && was_given_up(peer)) ||
               (peer->outcome == SIM_RESET && world->scenario.may_starve);
    }
}

/* The peer has hung up after it had ended its direction: all of that is there. */
static void take_rest(struct sim_end *end)
{
    struct sim_world *world = world_of(end);
    struct page_account account;
    struct pages pages;
    struct range unread;
    struct iovec parts[PARTS_MAX];
    size_t count;

    page_account_init(&account, &end->owner->process->pages, NULL);
    pages_init(&pages, &account);
    if (!session_stream_take(end->owner->session, end->stream, &pages, &unread))
        return;
    while (unread.start < unread.end &&
           (count = pages_view(&pages, unread.start, (size_t)(unread.end - unread.start),
                               parts, PARTS_MAX)) > 0)
        for (size_t i = 0; i < count; i++) {
            take(end, parts[i].iov_base, parts[i].iov_len);
            unread.start += parts[i].iov_len;
        }
    pages_deinit(&pages);
    if (end->received != end->of->plan.total[sim_peer(end->side)])
        sim_fail(world, "stream %zu: what its peer ended is not all there at side %d",
                 end->of->index, end->side);
}

static void was_reset(struct sim_end *end, enum reset_code code)
{
    take_rest(end);
    end->code = code;
    if (!is_explained(end, code))
        sim_fail(world_of(end), "stream %zu was reset at side %d: %s (%d)", end->of->index,
                 end->side, reset_code_string(code), code);
    release(end, SIM_RESET);
}

void sim_end_event(const struct session_event *event)
{
    struct sim_end *end = stream_user(event->stream);

    switch (event->type) {
    case SESSION_STREAM_OPENED:
        if (end->connected)
            sim_fail(world_of(end), "stream %zu was opened twice", end->of->index);
        end->connected = true;
        end->began_at_ns = world_of(end)->clock.now_ns;
        pump(end);
        break;
    case SESSION_STREAM_READABLE:
    case SESSION_STREAM_WRITABLE: pump(end); break;
    default: was_reset(end, event->code); break;
    }
}

/* ---- beginnings ---- */

void sim_end_begin(struct sim_end *end, struct sim_session *owner, struct stream *stream)
{
    const struct sim_plan *plan = &end->of->plan;
    struct sim_clock *clock = &world_of(end)->clock;

    end->owner = owner;
    end->stream = stream;
    end->began_at_ns = clock->now_ns;
    list_append(&owner->ends, &end->link);
    stream_set_user(stream, end);
    if (end->side == SIM_RELAY)
        sim_timer_set(clock, &end->timer, clock->now_ns + plan->destination_ns);
}

static void await_push(struct sim_end *end)
{
    const struct sim_plan *plan = &end->of->plan;
    struct sim_clock *clock = &world_of(end)->clock;

    if (plan->push_every_ns == 0 || end->side != SIM_RELAY || end->stream == NULL)
        return;
    sim_timer_set(clock, &end->timer,
                  end->began_at_ns +
                      ((clock->now_ns - end->began_at_ns) / plan->push_every_ns + 1) *
                          plan->push_every_ns);
}

/* The destination answers or fails; or a reader has time; or it has lost patience. */
static void end_timer(struct sim_timer *timer)
{
    struct sim_end *end = container_of(timer, struct sim_end, timer);
    const struct sim_plan *plan = &end->of->plan;
    struct sim_process *process = end->owner->process;

    if (end->side == SIM_RELAY && !end->connected) {
        if (plan->destination == SIM_DESTINATION_FAILS) {
            cancel(end, plan->failure);
        } else {
            end->connected = true;
            session_stream_accept(end->owner->session, end->stream,
                                  process->world->clock.now_ns);
            pump(end);
            await_push(end);
        }
    } else if (plan->silent[end->side] && end->finish_received) {
        cancel(end, RESET_HALF_CLOSED);
    } else if (plan->hangs_up[end->side] && end->finish_sent) {
        cancel(end, RESET_CANCELLED);
    } else if (end->stopped && plan->resumes) {
        end->resumed = true;
        end->stopped = false;
        pump(end);
    } else if (end->stopped) {
        cancel(end, RESET_CANCELLED);
    } else {
        pump(end);
        await_push(end);
    }
    sim_process_touch(process);
}

static struct target target_of(const struct sim_stream *stream)
{
    struct target target = {.port = (uint16_t)(1000 + stream->index)};

    if (stream->index % 3 == 0) {
        snprintf(target.name, sizeof target.name, "%zu.example.org", stream->index);
        return target;
    }
    target.address_count = 1;
    target.addresses[0] = (struct address){
        .family = ADDRESS_IPV4,
        .bytes = {10, 0, (uint8_t)(stream->index >> 8), (uint8_t)stream->index}};
    return target;
}

static void stream_starts(struct sim_timer *timer)
{
    struct sim_stream *stream = container_of(timer, struct sim_stream, start);
    struct sim_process *local = &stream->world->process[SIM_LOCAL];
    struct sim_session *owner = list_first(&local->sessions, struct sim_session, link);
    struct target target = target_of(stream);
    struct stream *opened = session_stream_open(
        owner->session, &target, &stream->plan.policy, stream->world->clock.now_ns);

    sim_trace(&stream->world->clock, "open", stream->index, 0, 0);
    if (opened == NULL) {
        sim_fail(stream->world, "stream %zu could not be opened", stream->index);
        return;
    }
    /* The bytes that came behind the request: mostly none. */
    if (session_stream_write(owner->session, opened, NULL, 0, stream->world->clock.now_ns) >
        0)
        sim_fail(stream->world, "stream %zu took something of nothing", stream->index);
    sim_end_begin(&stream->end[SIM_LOCAL], owner, opened);
    pump(&stream->end[SIM_LOCAL]);
    sim_process_touch(local);
}

void sim_end_init(struct sim_stream *stream, enum sim_side side)
{
    struct sim_end *end = &stream->end[side];

    *end = (struct sim_end){.of = stream, .side = side};
    list_init(&end->link);
    sim_timer_init(&end->timer, end_timer);
}

void sim_streams_init(struct sim_world *world)
{
    size_t count = world->scenario.plan_count;

    world->streams = calloc(MAX(count, (size_t)1), sizeof *world->streams);
    if (world->streams == NULL)
        abort();
    world->streams_running = 2 * count;
    for (size_t i = 0; i < count; i++) {
        struct sim_stream *stream = &world->streams[i];

        stream->world = world;
        stream->index = i;
        stream->plan = world->scenario.plans[i];
        for (int side = 0; side < 2; side++)
            sim_end_init(stream, (enum sim_side)side);
        sim_timer_init(&stream->start, stream_starts);
        sim_timer_set(&world->clock, &stream->start,
                      world->began_at_ns + stream->plan.start_at_ns);
    }
}

void sim_streams_deinit(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario.plan_count; i++) {
        struct sim_stream *stream = &world->streams[i];

        sim_timer_cancel(&world->clock, &stream->start);
        for (int side = 0; side < 2; side++)
            sim_timer_cancel(&world->clock, &stream->end[side].timer);
    }
    free(world->streams);
}
