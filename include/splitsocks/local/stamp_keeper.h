/* SPDX-License-Identifier: MIT */
/*
 * Local: the stamps of its HELLOs to a relay, which refuses stamps that are too old
 * compared with the newest of the same key. Stamps are the wall clock's time, or follow
 * the last used one if the clock was set back. The last one is kept in the state file, so
 * that all processes that share the file, now and later, go on from there.
 */
#ifndef SPLITSOCKS_STAMP_KEEPER_H
#define SPLITSOCKS_STAMP_KEEPER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/crypto/key.h>

#include <stdbool.h>
#include <stdint.h>

struct state_file;

struct stamp_keeper {
    struct state_file *file;         /* borrowed */
    char relay[KEY_TEXT_LENGTH + 1]; /* its public key */
    uint64_t last;                   /* the last stamp that this process knows */
    bool told;                       /* the log has reported that the clock is behind it */
};

void stamp_keeper_init(struct stamp_keeper *keeper, struct state_file *file,
                       const uint8_t relay_public_key[KEY_SIZE]);
/* An unused stamp for a HELLO that is sent now. */
uint64_t stamp_keeper_next(struct stamp_keeper *keeper);
/* The relay has accepted a HELLO with this stamp, or a later one. */
void stamp_keeper_taken(struct stamp_keeper *keeper, uint64_t stamp);

#endif
