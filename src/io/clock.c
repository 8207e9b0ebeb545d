/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/clock.h>

#include <splitsocks/base/attributes.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;

    /* Cannot fail for these clocks and a valid pointer. */
    (void)clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

void random_fill(void *buffer, size_t length)
{
    uint8_t *at = buffer;

    while (length > 0) {
        ssize_t n = getrandom(at, length, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        at += n;
        length -= (size_t)n;
    }
}
