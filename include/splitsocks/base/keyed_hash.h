/* SPDX-License-Identifier: MIT */
/*
 * SipHash-2-4 (Aumasson, Bernstein, 2012), for tables in memory whose keys a peer chooses:
 * without the secret it cannot tell which keys share a bucket.
 */
#ifndef SPLITSOCKS_KEYED_HASH_H
#define SPLITSOCKS_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Random, and told to nobody. */
struct hash_secret {
    uint64_t words[2];
};

uint64_t keyed_hash(const struct hash_secret *secret, const void *bytes, size_t length);

#endif
