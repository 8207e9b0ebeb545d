/* SPDX-License-Identifier: MIT */
/*
 * Local: how its last session has ended, and how long to wait before the next one: longer
 * each time while sessions do not last, so that neither a relay that refuses them nor a fault
 * that ends each of them makes the two run in a circle.
 */
#ifndef SPLITSOCKS_RESTART_H
#define SPLITSOCKS_RESTART_H

#include <splitsocks/engine/session/session.h>

#include <stdbool.h>
#include <stdint.h>

/* The first wait, and that after a refusal; each further one is twice as long as the one
 * before, up to the longest. */
#define RESTART_MIN_NS (250 * NS_PER_MS)
#define RESTART_REFUSED_NS (2 * NS_PER_S)
#define RESTART_MAX_NS (60 * NS_PER_S)
/* A session that was up for so long is no failure. */
#define RESTART_LASTING_NS (60 * NS_PER_S)

/* Zero-initialised: no session has ended. */
struct restart {
    bool ended;           /* one has, and none was up since */
    enum close_code code; /* why */
    char reason[256];     /* the same for people */
    uint64_t up_ns;       /* since when one is up; 0: none is */
    uint64_t wait_ns;     /* before the next one */
    uint64_t next_ns;     /* when that begins */
};

/* A session is up. */
void restart_note_up(struct restart *restart, uint64_t now);
/* One has ended, with what driver_role.ended was told. Returns how long to wait. */
uint64_t restart_note_end(struct restart *restart, enum error error, enum close_code code,
                          const char *reason, uint64_t now);

#endif
