/* SPDX-License-Identifier: MIT */
/*
 * Remembers what the network lets the connections of each path and port carry, how many can
 * be open and how many can be begun in a second, from one session to the next and from one
 * run to the next: the section "limits" of the state file,
 *
 *     { PATH: { PORT: { "down": { "kind": "freeze", "position": bytes, "rate": 0 },
 *                       "connections": 12, "dials_per_second": 9.7 } } }
 *
 * A limit is a first guess. It is forgotten when the path is on another network.
 */
#ifndef SPLITSOCKS_LIMIT_MEMORY_H
#define SPLITSOCKS_LIMIT_MEMORY_H

#include <splitsocks/config/config_local.h>
#include <splitsocks/engine/session/session.h>

struct state_file;

struct limit_memory {
    struct state_file *file;          /* borrowed */
    const struct config_ports *ports; /* borrowed; the relay's */
    /* Of the networks on which the paths' limits were found; 0: in another run. */
    uint64_t signatures[SESSION_PATHS_MAX];
};

void limit_memory_init(struct limit_memory *memory, struct state_file *file,
                       const struct config_ports *ports);
/* Tells the session what is remembered of path `index`, of that name, on that network. */
void limit_memory_load(struct limit_memory *memory, unsigned index, const char *name,
                       uint64_t signature, struct session *session, uint64_t now);
/* There were news of a port. */
void limit_memory_note(struct limit_memory *memory, unsigned index, const char *name,
                       unsigned port, const struct session *session);
/* The session ends: keeps what it has learned on the path. */
void limit_memory_keep(struct limit_memory *memory, unsigned index, const char *name,
                       const struct session *session);
/* Warns of each budget set by hand with which a connection would reach a place where
 * connections are known to die, and of a pool set by hand that is larger or dials faster
 * than the network is known to allow; returns how many warnings that were. */
unsigned limit_memory_warn(const struct limit_memory *memory,
                           const struct config_local *config);
/* Another path has the index now. */
void limit_memory_reuse(struct limit_memory *memory, unsigned index);

#endif
