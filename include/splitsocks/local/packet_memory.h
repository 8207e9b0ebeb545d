/* SPDX-License-Identifier: MIT */
/*
 * Remembers the packet size of each path, from one session to the next and from one run to
 * the next: the section "mtu" of the state file, { NAME: bytes }.
 *
 * The size is a first guess. It is forgotten when the path is on another network.
 */
#ifndef SPLITSOCKS_PACKET_MEMORY_H
#define SPLITSOCKS_PACKET_MEMORY_H

#include <splitsocks/engine/session/session.h>

struct state_file;

struct packet_memory {
    struct state_file *file; /* borrowed */
    struct packet_note {
        bool known;         /* read from the file, or told by the session */
        uint16_t size;      /* of IP packets; 0: the link's own */
        uint64_t signature; /* of the network on which it was found; 0: in another run */
    } notes[SESSION_PATHS_MAX];
};

void packet_memory_init(struct packet_memory *memory, struct state_file *file);
/* The size with which path `index`, of that name, should begin on that network. */
uint16_t packet_memory_get(struct packet_memory *memory, unsigned index, const char *name,
                           uint64_t signature);
void packet_memory_set(struct packet_memory *memory, unsigned index, const char *name,
                       uint64_t signature, uint16_t size);
/* Another path has the index now: forget the note. */
void packet_memory_reuse(struct packet_memory *memory, unsigned index);

#endif
