/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t sim_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void sim_random_init(struct sim_random *random, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LENGTH(random->state); i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        random->state[i] = sim_mix(seed);
    }
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t sim_random_range(struct sim_random *random, uint64_t low, uint64_t high)
{
    assert(low <= high && high - low < UINT64_MAX);
    /* The bias of the modulus is far below what a test could notice. */
    return low + sim_random_next(random) % (high - low + 1);
}

uint64_t sim_random_log(struct sim_random *random, uint64_t low, uint64_t high)
{
    assert(low > 0 && low <= high);
    int lowest = 63 - __builtin_clzll(low);
    int highest = 63 - __builtin_clzll(high);
    int bits = (int)sim_random_range(random, (uint64_t)lowest, (uint64_t)highest);
    uint64_t base = UINT64_C(1) << bits;

    return sim_random_range(random, MAX(low, base), MIN(high, base + (base - 1)));
}

bool sim_random_chance(struct sim_random *random, uint32_t millionths)
{
    return sim_random_range(random, 0, 999999) < millionths;
}

void sim_random_bytes(struct sim_random *random, void *buffer, size_t length)
{
    uint8_t *at = buffer;

    while (length > 0) {
        uint64_t word = sim_random_next(random);
        size_t part = MIN(length, sizeof word);

        memcpy(at, &word, part);
        at += part;
        length -= part;
    }
}

/* ---- the digest of several runs ---- */

static bool digest_wanted;
static uint64_t digest;

void sim_digest_begin(void)
{
    digest_wanted = true;
}

uint64_t sim_digest_take(void)
{
    uint64_t taken = digest;

    digest = 0;
    return taken;
}

void sim_digest_bytes(struct sim_clock *clock, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    if (!digest_wanted)
        return;
    for (; length >= sizeof(uint64_t); length -= sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, at, sizeof word);
        clock->hash = sim_mix(clock->hash ^ word);
        at += sizeof word;
    }
    while (length-- > 0)
        clock->hash = sim_mix(clock->hash ^ *at++);
}

void sim_clock_init(struct sim_clock *clock, uint64_t seed)
{
    memset(clock, 0, sizeof *clock);
    sim_random_init(&clock->random, seed);
    clock->now_ns = 1000 * NS_PER_S + sim_random_range(&clock->random, 0, NS_PER_S);
    clock->hash = sim_mix(seed);
}

void sim_clock_deinit(struct sim_clock *clock)
{
    digest = sim_mix(digest ^ clock->hash);
    free(clock->heap);
    memset(clock, 0, sizeof *clock);
}

static bool before(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void place(struct sim_clock *clock, struct sim_timer *timer, size_t slot)
{
    clock->heap[slot - 1] = timer;
    timer->slot = slot;
}

static void sift_up(struct sim_clock *clock, struct sim_timer *timer)
{
    size_t slot = timer->slot;

    while (slot > 1 && before(timer, clock->heap[slot / 2 - 1])) {
        place(clock, clock->heap[slot / 2 - 1], slot);
        slot /= 2;
    }
    place(clock, timer, slot);
}

static void sift_down(struct sim_clock *clock, struct sim_timer *timer)
{
    size_t slot = timer->slot;

    for (size_t child = slot * 2; child <= clock->count; child = slot * 2) {
        if (child < clock->count && before(clock->heap[child], clock->heap[child - 1]))
            child++;
        if (!before(clock->heap[child - 1], timer))
            break;
        place(clock, clock->heap[child - 1], slot);
        slot = child;
    }
    place(clock, timer, slot);
}

void sim_timer_init(struct sim_timer *timer, sim_timer_fire *fire)
{
    timer->fire = fire;
    timer->at_ns = TIME_NEVER;
    timer->sequence = 0;
    timer->slot = 0;
}

void sim_timer_cancel(struct sim_clock *clock, struct sim_timer *timer)
{
    if (timer->slot == 0)
        return;
    size_t slot = timer->slot;
    struct sim_timer *last = clock->heap[--clock->count];

    timer->slot = 0;
    timer->at_ns = TIME_NEVER;
    if (last == timer)
        return;
    place(clock, last, slot);
    sift_up(clock, last);
    sift_down(clock, last);
}

void sim_timer_set(struct sim_clock *clock, struct sim_timer *timer, uint64_t at_ns)
{
    sim_timer_cancel(clock, timer);
    if (at_ns == TIME_NEVER)
        return;
    if (clock->count == clock->capacity) {
        clock->capacity = clock->capacity ? clock->capacity * 2 : 64;
        clock->heap = realloc(clock->heap, clock->capacity * sizeof *clock->heap);
        if (!clock->heap)
            abort();
    }
    timer->at_ns = MAX(at_ns, clock->now_ns);
    timer->sequence = clock->sequence++;
    place(clock, timer, ++clock->count);
    sift_up(clock, timer);
}

bool sim_clock_step(struct sim_clock *clock, uint64_t until_ns)
{
    if (clock->count == 0 || clock->heap[0]->at_ns > until_ns) {
        if (until_ns != TIME_NEVER)
            clock->now_ns = MAX(clock->now_ns, until_ns);
        return false;
    }
    struct sim_timer *timer = clock->heap[0];

    clock->now_ns = timer->at_ns;
    clock->fired++;
    sim_timer_cancel(clock, timer);
    timer->fire(timer);
    return true;
}

void sim_trace(struct sim_clock *clock, const char *what, uint64_t a, uint64_t b,
               uint64_t c)
{
    uint64_t hash = clock->hash;

    for (const char *at = what; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    hash = sim_mix(hash ^ clock->now_ns);
    hash = sim_mix(hash ^ a);
    hash = sim_mix(hash ^ b);
    clock->hash = sim_mix(hash ^ c);
    if (clock->print)
        printf("# %" PRIu64 ".%09" PRIu64 " %-24s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
               clock->now_ns / NS_PER_S, clock->now_ns % NS_PER_S, what, a, b, c);
}
