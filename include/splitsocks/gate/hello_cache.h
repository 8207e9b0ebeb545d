/* SPDX-License-Identifier: MIT */
/*
 * Recognises HELLOs that were answered before by their ephemeral keys, which stand in the
 * clear: a replay costs no Diffie-Hellman. A cache alone: stamps keep replays out, and what
 * is forgotten here costs what any other failure costs. Only clients that were let in can
 * put something in.
 */
#ifndef SPLITSOCKS_HELLO_CACHE_H
#define SPLITSOCKS_HELLO_CACHE_H

#include <splitsocks/crypto/key.h>

#include <stdint.h>

/* 8,192 HELLOs in 160 KiB: a day of 300 clients that resume hourly. */
#define HELLO_CACHE_SETS 2048
#define HELLO_CACHE_WAYS 4
/* No two of 2^64 random keys share so much. */
#define HELLO_CACHE_KEY 16

/* Zero-initialised: empty. */
struct hello_cache {
    struct hello_cache_set {
        uint32_t next; /* the entry that is overwritten next */
        struct hello_cache_entry {
            uint8_t key[HELLO_CACHE_KEY]; /* the first bytes of the ephemeral key */
            uint32_t client;              /* index + 1; 0: no entry */
        } entries[HELLO_CACHE_WAYS];
    } sets[HELLO_CACHE_SETS];
};

void hello_cache_add(struct hello_cache *cache, const uint8_t ephemeral[KEY_SIZE],
                     unsigned client);
/* The index of the client whose HELLO had this key, or ERROR_NOT_FOUND. */
int hello_cache_find(const struct hello_cache *cache, const uint8_t ephemeral[KEY_SIZE]);

#endif
