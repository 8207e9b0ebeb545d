/* SPDX-License-Identifier: MIT */
/*
 * Local: why its last session ended, and how long to wait before the next one. The wait
 * grows while sessions do not last, so that neither a relay that refuses them nor a fault
 * that ends each of them leads to endless quick restarts.
 */
#ifndef SPLITSOCKS_RESTART_H
#define SPLITSOCKS_RESTART_H

#include <splitsocks/engine/session/session.h>

#include <stdbool.h>
#include <stdint.h>

/* The first wait, and the first after a refusal; each further one is twice as long as the
 * one before, up to the longest. */
#define RESTART_MIN_NS (250 * NS_PER_MS)
#define RESTART_REFUSED_NS (2 * NS_PER_S)
#define RESTART_MAX_NS (60 * NS_PER_S)
/* A session that was up for so long does not count as a failure. */
#define RESTART_LASTING_NS (60 * NS_PER_S)

/* Zero-initialised: no session has ended. */
struct restart {
    bool ended;           /* a session has ended, and none was up since */
    enum close_code code; /* why */
    char reason[256];     /* the reason in words */
    uint64_t up_since_ns; /* since when a session is up; 0: none is */
    uint64_t pause_ns;    /* time before the next session */
    uint64_t next_at_ns;  /* when the next session begins */
};

/* A session is up. */
void restart_note_up(struct restart *restart, uint64_t now);
/* A session has ended, with the arguments of driver_role.ended. Returns how long to
 * wait. */
uint64_t restart_note_end(struct restart *restart, enum error error, enum close_code code,
                          const char *reason, uint64_t now);

#endif
