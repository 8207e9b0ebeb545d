/* SPDX-License-Identifier: MIT */
/*
 * Verdicts of destination.h for a short time: every datagram of a flow is checked, in both
 * directions, and one check asks the kernel whether the address is this machine's own.
 *
 * Each address under each set of rules has one place. Two addresses of the same place cost
 * a check more, and nothing else, so nobody gains by choosing such addresses.
 */
#ifndef SPLITSOCKS_DESTINATION_CACHE_H
#define SPLITSOCKS_DESTINATION_CACHE_H

#include <splitsocks/proxy/destination.h>

#include <stdint.h>

#define DESTINATION_CACHE_PLACES 512
/* A machine's address that comes or goes counts after this time. */
#define DESTINATION_CACHE_NS (1 * NS_PER_S)

/* Zeroed at first, and when any of the rules change. */
struct destination_cache {
    struct {
        const struct destination_rules *rules; /* only compared */
        struct address address;
        uint64_t until_ns;
        bool allowed;
    } places[DESTINATION_CACHE_PLACES];
};

/* As destination_check(). */
int destination_cache_check(struct destination_cache *cache,
                            const struct destination_rules *rules,
                            const struct address *address, uint64_t now) MUST_CHECK;

#endif
