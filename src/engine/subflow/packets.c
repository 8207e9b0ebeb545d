/* SPDX-License-Identifier: MIT */
/*
 * Whether a path lets large packets through (packet_size.h), from the engine's view.
 *
 * TCP sends a write to a fresh connection in packets of full size, and repeats them in
 * that size. So the first write on a subflow that is larger than anything that passed
 * there is remembered until the peer's TCP has it. If the subflow ends earlier, although
 * there was time enough for it to arrive, that write was lost.
 *
 * Only local can react: the segment size that it announces when it dials bounds both
 * directions. A relay that finds its own large packets lost tells local so.
 */
#include <splitsocks/engine/subflow/subflow.h>

/* If so many bytes were received on a subflow, large packets were among them: small ones
 * carry ACKs and the like, a few dozen bytes each. */
#define RECEIVED_LARGE (32 * 1024)

static uint32_t payload_of(const struct subflow *subflow)
{
    return subflow->payload_bytes != 0 ? subflow->payload_bytes : PACKET_PAYLOAD_USUAL;
}

void subflow_set_payload(struct subflow *subflow, uint32_t bytes)
{
    subflow->payload_bytes = bytes;
}

void packets_reset(const struct subflows *subflows, struct path *path)
{
    path->large = (struct large_packets){.passed = false};
    packet_ladder_init(&path->ladder, subflows->context->config.packet_retry_after_ns);
}

/* ---- consequences ---- */

void packets_tell(struct subflows *subflows, unsigned index)
{
    struct session_event *event = outbox_push(subflows->context, SESSION_PATH_PACKETS);

    event->path = index;
    event->packet_size = subflows->paths->items[index].ladder.size;
    event->given_up = subflows->paths->items[index].ladder.given_up;
}

static void lower(struct subflows *subflows, unsigned index, uint64_t bytes,
                  unsigned direction)
{
    struct path *path = &subflows->paths->items[index];

    /* A size from the configuration is final. */
    if (path->properties.packet_size != 0 || bytes > PACKET_SIZE_MAX - PACKET_HEADERS ||
        !packet_ladder_lower(&path->ladder, (unsigned)bytes + PACKET_HEADERS, direction,
                             subflows->context->now))
        return;
    subflows->context->large_lost |= (uint16_t)(1u << index);
    subflows->context->pool_dirty = true;
}

void packets_note_told(struct subflows *subflows, unsigned index, uint64_t bytes)
{
    if (subflows->context->config.role == SESSION_LOCAL &&
        index < subflows->context->config.path_count)
        lower(subflows, index, bytes, PACKET_DOWN);
}

static void explain(struct subflows *subflows, unsigned index, uint64_t sent_at_ns)
{
    struct path *path = &subflows->paths->items[index];

    if (!large_packets_explain(&path->large, sent_at_ns, subflows->context->now) ||
        path->large.failures < LARGE_FAILURES)
        return;
    if (subflows->context->config.role == SESSION_LOCAL)
        lower(subflows, index, path->large.failed_bytes, PACKET_UP);
    else if (subflows->context->features & WIRE_FEATURE_LARGE_LOST)
        subflows->context->large_lost |= (uint16_t)(1u << index);
}

/* ---- evidence ---- */

static void trial_passed(struct subflows *subflows, struct subflow *subflow,
                         unsigned direction)
{
    struct packet_ladder *ladder = &subflows->paths->items[subflow->path].ladder;

    subflow->passed |= (uint8_t)direction;
    if ((ladder->directions & ~subflow->passed) != 0)
        return;
    subflow->trial = false;
    packet_ladder_raise(ladder, subflow->packet_size, subflows->context->now);
    packets_tell(subflows, subflow->path);
}

void packets_note_sent(struct subflows *subflows, struct subflow *subflow, uint64_t length)
{
    uint32_t bytes = (uint32_t)MIN(length, (uint64_t)payload_of(subflow));

    if (subflow->large_at_ns != 0 || bytes <= PACKET_SMALL + JOIN_HEADER_MAX ||
        bytes <= subflow->passed_bytes)
        return;
    subflow->large_at_ns = subflows->context->now;
    subflow->large_bytes = bytes;
    subflow->large_end = subflow->bytes_sent - length + bytes;
}

void packets_note_taken(struct subflows *subflows, struct subflow *subflow, uint64_t end)
{
    bool full;

    if (subflow->large_at_ns == 0 || end < subflow->large_end)
        return;
    subflow->large_at_ns = 0;
    subflow->passed_bytes = subflow->large_bytes;
    full = subflow->passed_bytes >= payload_of(subflow);
    large_packets_passed(&subflows->paths->items[subflow->path].large,
                         subflow->passed_bytes, full);
    if (subflow->trial && full)
        trial_passed(subflows, subflow, PACKET_UP);
}

void packets_note_received(struct subflows *subflows, struct subflow *subflow)
{
    if (subflow->trial && subflow->bytes_received >= RECEIVED_LARGE)
        trial_passed(subflows, subflow, PACKET_DOWN);
}

void packets_note_proven(struct subflows *subflows, unsigned index, uint64_t sent_at_ns)
{
    explain(subflows, index, sent_at_ns);
}

void packets_note_ended(struct subflows *subflows, const struct subflow *subflow,
                        enum subflow_manner manner)
{
    struct path *path = &subflows->paths->items[subflow->path];

    if (subflow->trial) {
        packet_ladder_tried(&path->ladder, manner == SUBFLOW_ABANDONED,
                            subflows->context->now);
        return;
    }
    /* A packet below the full size says something about sizes only when its TCP had the
     * time to repeat it: a subflow with a witness is closed sooner. With tight budgets no
     * packet is of full size. */
    bool tight = (subflows->context->config.role == SESSION_LOCAL
                      ? subflows->context->config.budget_up
                      : subflow->budget_out) <= INITIAL_WINDOW;
    uint64_t patience_ns = subflow->large_bytes < payload_of(subflow) && !tight
                               ? 2 * subflow_stall_ns(subflows, subflow)
                               : MAX(2 * subflow_rtt_ns(subflows, subflow), STALL_MIN_NS);

    if (manner == SUBFLOW_ORDERLY || subflow->large_at_ns == 0 ||
        subflows->context->now - subflow->large_at_ns < patience_ns)
        return;
    large_packets_lost(&path->large, subflow->large_at_ns, subflow->large_bytes);
    explain(subflows, subflow->path, path->proven_sent_at_ns);
}

/* ---- holding large packets back ---- */

static uint64_t held_until_ns(const struct path *path)
{
    return path->large.failed_at_ns + large_packets_wait_ns(&path->large);
}

bool packets_hold(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct path *path = &subflows->paths->items[subflow->path];

    if (!large_packets_fail(&path->large, payload_of(subflow)) || subflow->large_at_ns != 0)
        return false;
    if (held_until_ns(path) > subflows->context->now)
        return true;
    list_foreach_const(&subflows->all, node) {
        const struct subflow *other = (const struct subflow *)node; /* its first member */

        if (other->path == subflow->path && other->large_at_ns != 0)
            return true;
    }
    return false;
}

uint64_t packets_timeout(const struct subflows *subflows, unsigned index)
{
    const struct path *path = &subflows->paths->items[index];

    return path->large.failures >= LARGE_FAILURES &&
                   held_until_ns(path) > subflows->context->now
               ? held_until_ns(path)
               : TIME_NEVER;
}

/* Until a packet of full size has passed, or after a loss that is not explained, begin
 * small: a large first chunk might never arrive, and would then explain nothing. With
 * tight budgets extra chunks are expensive, and no packet is ever of full size; there only
 * a loss is a reason, or the chunk that confirms a HELLO, on which everything depends. */
bool packets_begin_small(const struct subflows *subflows, const struct subflow *subflow)
{
    const struct large_packets *large = &subflows->paths->items[subflow->path].large;

    return subflow->chunks_sent == 0 &&
           (large->lost_sent_at_ns != 0 || large->failures > 0 ||
            (!large->passed && (subflow->budget_out > INITIAL_WINDOW || subflow->hello)));
}

/* ---- dialling ---- */

void packets_choose(struct subflows *subflows, struct subflow *subflow)
{
    struct path *path = &subflows->paths->items[subflow->path];

    subflow->packet_size = path->properties.packet_size != 0 ? path->properties.packet_size
                                                             : path->ladder.size;
    if (path->properties.packet_size != 0 || path->ladder.size == 0 || subflow->hello ||
        path->ladder.retry_at_ns > subflows->context->now)
        return;
    subflow->trial = true;
    subflow->packet_size = packet_ladder_try(&path->ladder);
}
