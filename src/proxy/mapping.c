/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/mapping.h>

#include <splitsocks/base/error.h>

#include <stdlib.h>
#include <string.h>

#define PORT_DNS 53
#define PORT_NTP 123

void mapping_init(struct mapping *mapping, bool by_address, uint64_t now)
{
    *mapping = (struct mapping){
        .by_address = by_address,
        .brief = true,
        .sent_at_ns = now,
    };
}

void mapping_deinit(struct mapping *mapping)
{
    free(mapping->peers);
    mapping->peers = NULL;
    mapping->count = mapping->room = 0;
}

/* The place of the address, or `count`. */
static unsigned find_peer(const struct mapping *mapping, const struct address *peer)
{
    unsigned i = 0;

    while (i < mapping->count && !address_equal(&mapping->peers[i], peer))
        i++;
    return i;
}

static struct address without_port(const struct address *address)
{
    struct address peer = *address;

    peer.port = 0;
    return peer;
}

/* Makes room for one more peer, or takes the place of the oldest. */
static int grow(struct mapping *mapping)
{
    unsigned room = MIN(MAX(2u * mapping->room, 1u), MAPPING_PEERS_MAX + 0u);
    struct address *peers;

    if (mapping->count < mapping->room)
        return OK;
    if (room == mapping->room) {
        mapping->count--;
        return OK;
    }
    peers = realloc(mapping->peers, room * sizeof(*peers));
    if (peers == NULL)
        return ERROR_MEMORY;
    mapping->peers = peers;
    mapping->room = (uint8_t)room;
    return OK;
}

int mapping_send(struct mapping *mapping, const struct address *to, uint64_t now)
{
    const struct address peer = without_port(to);
    unsigned found = find_peer(mapping, &peer);

    if (found == mapping->count) {
        if (grow(mapping) != OK)
            return ERROR_MEMORY;
        found = mapping->count++;
    }
    memmove(mapping->peers + 1, mapping->peers, found * sizeof(peer));
    mapping->peers[0] = peer;
    if (to->port != PORT_DNS && to->port != PORT_NTP)
        mapping->brief = false;
    mapping->answered = false;
    mapping->sent_at_ns = now;
    return OK;
}

enum mapping_verdict mapping_receive(struct mapping *mapping, const struct address *from)
{
    const struct address peer = without_port(from);

    if (find_peer(mapping, &peer) < mapping->count) {
        mapping->answered = true;
        return MAPPING_SOLICITED;
    }
    return mapping->by_address || mapping->brief ? MAPPING_FILTERED : MAPPING_UNSOLICITED;
}

uint64_t mapping_ends_at(const struct mapping *mapping)
{
    return mapping->sent_at_ns +
           (mapping->brief && mapping->answered ? MAPPING_ANSWERED_NS : MAPPING_IDLE_NS);
}
