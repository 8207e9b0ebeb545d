/* SPDX-License-Identifier: MIT */
/*
 * The simulator's heart: virtual time, the queue of what happens next, the seeded
 * generator, and the trace. Everything a run does follows from its seed; nothing here or
 * above reads a clock or the C library's generator.
 *
 * Times are integer nanoseconds. Timers that are due at the same time fire in the order in
 * which they were set, so a run is one sequence of events and its hash identifies it.
 */
#ifndef TEST_SIM_CLOCK_H
#define TEST_SIM_CLOCK_H

#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* xoshiro256** (Blackman and Vigna), seeded by splitmix64. */
struct sim_random {
    uint64_t state[4];
};

void sim_random_init(struct sim_random *random, uint64_t seed);
uint64_t sim_random_next(struct sim_random *random);
/* Uniform in [low, high]; low <= high. */
uint64_t sim_random_range(struct sim_random *random, uint64_t low, uint64_t high);
/* Between low and high, each power of two as likely as any other: sizes, rates, delays. */
uint64_t sim_random_log(struct sim_random *random, uint64_t low, uint64_t high);
/* True with a probability of `millionths` / 1,000,000. */
bool sim_random_chance(struct sim_random *random, uint32_t millionths);
void sim_random_bytes(struct sim_random *random, void *buffer, size_t length);

/* The finaliser of splitmix64: a bijection in which each input bit moves every output bit.
 */
uint64_t sim_mix(uint64_t value);

struct sim_timer;
typedef void sim_timer_fire(struct sim_timer *timer);

/* Embedded in the object that waits, which container_of() finds. */
struct sim_timer {
    sim_timer_fire *fire;
    uint64_t at_ns;
    uint64_t sequence; /* order among equals */
    size_t slot;       /* index in the heap plus 1; 0 while not set */
};

struct sim_clock {
    uint64_t now_ns;
    struct sim_random random;
    struct sim_timer **heap; /* binary heap by (at_ns, sequence) */
    size_t count;
    size_t capacity;
    uint64_t sequence;
    uint64_t fired; /* timers fired so far: the measure of livelock */
    uint64_t hash;  /* of every traced event */
    bool print;     /* --trace */
};

/* `now_ns` starts at an arbitrary point, since no module may take 0 for the beginning. */
void sim_clock_init(struct sim_clock *clock, uint64_t seed);
void sim_clock_deinit(struct sim_clock *clock);

void sim_timer_init(struct sim_timer *timer, sim_timer_fire *fire);
/* Sets or moves; a time in the past means now. TIME_NEVER cancels. */
void sim_timer_set(struct sim_clock *clock, struct sim_timer *timer, uint64_t at_ns);
void sim_timer_cancel(struct sim_clock *clock, struct sim_timer *timer);

static inline bool sim_timer_is_set(const struct sim_timer *timer)
{
    return timer->slot != 0;
}

/* Fires the next timer. False when none is set, or the next is due after `until_ns`; the
 * clock then stands at `until_ns` (unless that is TIME_NEVER). */
bool sim_clock_step(struct sim_clock *clock, uint64_t until_ns);

/* Every event that matters passes here: hashed always, printed with --trace. */
void sim_trace(struct sim_clock *clock, const char *what, uint64_t a, uint64_t b,
               uint64_t c);

/* With --digest: the hash of all runs since the last call, of what their engines put on
 * the wire too. Two builds with equal digests behave alike, byte by byte and at the same
 * virtual time. */
void sim_digest_begin(void);
uint64_t sim_digest_take(void);
/* Bytes that an engine has made. Hashed for the digest alone, since there are many. */
void sim_digest_bytes(struct sim_clock *clock, const void *bytes, size_t length);

#endif
