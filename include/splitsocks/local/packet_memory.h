/* SPDX-License-Identifier: MIT */
/*
 * Which packets the paths of a local let through, from one session to the next, and from
 * one run to the next: the section "mtu" of the state file, { NAME: bytes }.
 *
 * It is a first guess. It is forgotten with the network that it was found on.
 */
#ifndef SPLITSOCKS_PACKET_MEMORY_H
#define SPLITSOCKS_PACKET_MEMORY_H

#include <splitsocks/engine/session/session.h>

struct state_file;

struct packet_memory {
    struct state_file *file; /* borrowed */
    struct packet_note {
        bool known;         /* the file was looked at, or the session has said so */
        uint16_t size;      /* of IP packets; 0: the link's own */
        uint64_t signature; /* of the network that it was found on; 0: in another run */
    } notes[SESSION_PATHS_MAX];
};

void packet_memory_init(struct packet_memory *memory, struct state_file *file);
/* What to begin with on path `index`, of that name, on that network. */
uint16_t packet_memory_get(struct packet_memory *memory, unsigned index, const char *name,
                           uint64_t signature);
void packet_memory_set(struct packet_memory *memory, unsigned index, const char *name,
                       uint64_t signature, uint16_t size);
/* Another path has the index now. */
void packet_memory_reuse(struct packet_memory *memory, unsigned index);

#endif
