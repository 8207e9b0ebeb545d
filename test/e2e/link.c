/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void queue_init(struct packet_queue *queue)
{
    *queue = (struct packet_queue){.first = NULL};
    queue->last = &queue->first;
}

static void queue_push(struct packet_queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *queue->last = packet;
    queue->last = &packet->next;
    queue->packets++;
    queue->bytes += packet->length;
}

static struct packet *queue_pop(struct packet_queue *queue)
{
    struct packet *packet = queue->first;

    queue->first = packet->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->packets--;
    queue->bytes -= packet->length;
    return packet;
}

static size_t queue_clear(struct packet_queue *queue)
{
    size_t packets = queue->packets;

    while (queue->first != NULL)
        free(queue_pop(queue));
    return packets;
}

void direction_init(struct direction *direction, uint64_t seed)
{
    *direction = (struct direction){.limit = 1 << 20, .random = seed};
    queue_init(&direction->queue);
    queue_init(&direction->line);
}

void direction_deinit(struct direction *direction)
{
    queue_clear(&direction->queue);
    queue_clear(&direction->line);
}

/* SplitMix64, scaled to [0, 1). */
static double random_unit(struct direction *direction)
{
    uint64_t z = direction->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static uint64_t sending_time_ns(const struct direction *direction,
                                const struct packet *packet)
{
    if (direction->rate == 0)
        return 0;
    return (uint64_t)((double)packet->length * 8e9 / (double)direction->rate);
}

static void lose_all(struct direction *direction)
{
    direction->stats.blackholed += queue_clear(&direction->queue);
    direction->stats.blackholed += queue_clear(&direction->line);
}

static bool flapped_off(const struct direction *direction, uint64_t now)
{
    uint64_t period = direction->flap_on_ns + direction->flap_off_ns;

    return direction->flap_off_ns > 0 &&
           (now - direction->flap_start_at_ns) % period >= direction->flap_on_ns;
}

/* Packets that waited or travelled when the schedule's black hole began are lost, even when
 * nobody has looked until it was over. */
static void flap(struct direction *direction, uint64_t now)
{
    uint64_t period = direction->flap_on_ns + direction->flap_off_ns;
    uint64_t begun;

    if (direction->flap_off_ns == 0)
        return;
    begun = (now - direction->flap_start_at_ns + direction->flap_off_ns) / period;
    if (begun > direction->flaps)
        lose_all(direction);
    direction->flaps = begun;
}

static void to_line(struct direction *direction, struct packet *packet, uint64_t sent_at_ns)
{
    uint64_t jitter = (uint64_t)((double)direction->jitter_ns * random_unit(direction));

    packet->arrives_at_ns =
        MAX(sent_at_ns + direction->delay_ns + jitter, direction->last_arrival_at_ns);
    direction->last_arrival_at_ns = packet->arrives_at_ns;
    queue_push(&direction->line, packet);
}

/* Moves the packets that the bottleneck has sent by `now` from the queue to the delay line.
 */
static void serve(struct direction *direction, uint64_t now)
{
    flap(direction, now);
    while (direction->queue.first != NULL && direction->sending_until_ns <= now) {
        uint64_t sent = direction->sending_until_ns;

        to_line(direction, queue_pop(&direction->queue), sent);
        if (direction->queue.first != NULL)
            direction->sending_until_ns =
                sent + sending_time_ns(direction, direction->queue.first);
    }
}

static bool set_off(struct direction *direction, const char *value)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return false;
    direction->off = value[0] == '1';
    if (direction->off)
        lose_all(direction);
    return true;
}

static bool set_flap(struct direction *direction, const char *value, uint64_t now)
{
    const char *slash = strchr(value, '/');
    uint64_t on_ns = 0, off_ns = 0;
    char on[32];

    if (strcmp(value, "none") != 0) {
        if (slash == NULL || (size_t)(slash - value) >= sizeof(on))
            return false;
        memcpy(on, value, (size_t)(slash - value));
        on[slash - value] = '\0';
        if (!parse_duration(on, &on_ns) || !parse_duration(slash + 1, &off_ns) ||
            on_ns == 0 || off_ns == 0)
            return false;
    }
    direction->flap_on_ns = on_ns;
    direction->flap_off_ns = off_ns;
    direction->flap_start_at_ns = now;
    direction->flaps = 0;
    return true;
}

static bool set_rate(struct direction *direction, const char *value, uint64_t now)
{
    if (!parse_rate(value, &direction->rate))
        return false;
    /* The packet under way starts afresh at the new rate. */
    if (direction->queue.first != NULL)
        direction->sending_until_ns =
            now + sending_time_ns(direction, direction->queue.first);
    return true;
}

static bool set_loss(struct direction *direction, const char *value)
{
    char *end;
    double loss = strtod(value, &end);

    if (end == value || *end != '\0' || !(loss >= 0 && loss <= 1))
        return false;
    direction->loss = loss;
    return true;
}

bool direction_set(struct direction *direction, const char *assignment, uint64_t now)
{
    const char *value = strchr(assignment, '=');
    size_t length = value == NULL ? 0 : (size_t)(value - assignment);

    if (length == 0)
        return false;
    value++;
    serve(direction, now);
    if (strncmp(assignment, "rate=", length + 1) == 0)
        return set_rate(direction, value, now);
    if (strncmp(assignment, "delay=", length + 1) == 0)
        return parse_duration(value, &direction->delay_ns);
    if (strncmp(assignment, "jitter=", length + 1) == 0)
        return parse_duration(value, &direction->jitter_ns);
    if (strncmp(assignment, "loss=", length + 1) == 0)
        return set_loss(direction, value);
    if (strncmp(assignment, "limit=", length + 1) == 0)
        return parse_size(value, &direction->limit);
    if (strncmp(assignment, "mtu=", length + 1) == 0)
        return parse_size(value, &direction->mtu);
    if (strncmp(assignment, "off=", length + 1) == 0)
        return set_off(direction, value);
    if (strncmp(assignment, "flap=", length + 1) == 0)
        return set_flap(direction, value, now);
    return false;
}

/* Whether the packet gets no further than the entrance; counts why. */
static bool rejects(struct direction *direction, const struct packet *packet, uint64_t now)
{
    if (direction->off || flapped_off(direction, now))
        direction->stats.blackholed++;
    else if (direction->mtu != 0 && packet->length > direction->mtu)
        direction->stats.oversize++;
    else if (direction->loss > 0 && random_unit(direction) < direction->loss)
        direction->stats.lost++;
    else if (direction->queue.bytes + packet->length > direction->limit)
        direction->stats.overflowed++;
    else
        return false;
    return true;
}

void direction_put(struct direction *direction, struct packet *packet, uint64_t now)
{
    serve(direction, now);
    if (rejects(direction, packet, now)) {
        free(packet);
        return;
    }
    if (direction->queue.first == NULL)
        direction->sending_until_ns = now + sending_time_ns(direction, packet);
    queue_push(&direction->queue, packet);
    direction->stats.longest_queue =
        MAX(direction->stats.longest_queue, direction->queue.bytes);
    serve(direction, now);
}

struct packet *direction_get(struct direction *direction, uint64_t now)
{
    struct packet *packet;

    serve(direction, now);
    if (direction->line.first == NULL || direction->line.first->arrives_at_ns > now)
        return NULL;
    packet = queue_pop(&direction->line);
    direction->stats.packets++;
    direction->stats.bytes += packet->length;
    direction->stats.latest_ns =
        MAX(direction->stats.latest_ns, now - packet->arrives_at_ns);
    return packet;
}

uint64_t direction_next_at_ns(const struct direction *direction)
{
    uint64_t next = TIME_NEVER;

    if (direction->queue.first != NULL)
        next = direction->sending_until_ns;
    if (direction->line.first != NULL)
        next = MIN(next, direction->line.first->arrives_at_ns);
    return next;
}

void direction_report(const struct direction *direction, FILE *out)
{
    fprintf(out,
            "{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
            ",\"overflowed\":%" PRIu64 ",\"oversize\":%" PRIu64 ",\"blackholed\":%" PRIu64
            ",\"longest_queue\":%" PRIu64 ",\"latest_us\":%" PRIu64 "}",
            direction->stats.packets, direction->stats.bytes, direction->stats.lost,
            direction->stats.overflowed, direction->stats.oversize,
            direction->stats.blackholed, direction->stats.longest_queue,
            direction->stats.latest_ns / 1000);
}
