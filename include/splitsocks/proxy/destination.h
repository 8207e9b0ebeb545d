/* SPDX-License-Identifier: MIT */
/*
 * Where the relay may connect to, decided on the resolved address that is about to be
 * dialled, never on a name.
 *
 * By default only addresses of the public internet are allowed. Everything of the IANA
 * special-purpose registries (RFC 6890, kept at iana.org) that is not globally reachable is
 * refused: loopback, link-local, private and shared address space, multicast, broadcast,
 * documentation, benchmarking, reserved; so are addresses at which clouds give out secrets
 * to their machines.
 *
 * An operator's blocks come first: among those that contain the address the longest
 * decides, and of two equally long ones the denying one. So a private range can be opened
 * but for one host, or closed but for one.
 *
 * An IPv4-mapped IPv6 address is the IPv4 address that would be dialled. Where an IPv6
 * address carries an IPv4 address for a translator or tunnel on the way (NAT64, 6to4,
 * Teredo, IPv4-compatible), both have to be allowed, or 64:ff9b::10.0.0.1 would be a way
 * round.
 */
#ifndef SPLITSOCKS_DESTINATION_H
#define SPLITSOCKS_DESTINATION_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <stddef.h>

/* All borrowed. Zero-initialised rules are the default ones. */
struct destination_rules {
    const struct address_block *allow;
    size_t allow_count;
    const struct address_block *deny;
    size_t deny_count;
};

/* Why an address is refused. */
struct destination_refusal {
    struct address address;     /* the one asked for, or one that it carries; port 0 */
    struct address_block block; /* that contains `address` and is refused */
    const char *kind; /* of a block refused by default, static; NULL: `deny` has the block */
};

/* Returns OK or ERROR_DENIED. The port is not looked at. */
int destination_check(const struct destination_rules *rules,
                      const struct address *address) MUST_CHECK;
/* The same; fills in `*refusal` where it returns ERROR_DENIED. */
int destination_judge(const struct destination_rules *rules, const struct address *address,
                      struct destination_refusal *refusal) MUST_CHECK;

/* The refusal in words, with the line of the relay's configuration that would allow the
 * address where the defaults refuse it. Returns `text`. */
#define DESTINATION_TEXT_SIZE 384
const char *destination_refusal_format(const struct destination_refusal *refusal,
                                       char text[DESTINATION_TEXT_SIZE]);

#endif
