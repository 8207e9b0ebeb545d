/* SPDX-License-Identifier: MIT */
/*
 * Decides where the relay may connect to, by the resolved address that is about to be
 * dialled, never by a name.
 *
 * By default only addresses of the public internet are allowed. All blocks of the IANA
 * special-purpose registries (RFC 6890, kept at iana.org) that are not globally reachable
 * are refused: loopback, link-local, private and shared address space, multicast,
 * broadcast, documentation, benchmarking, reserved. So are the addresses at which clouds
 * hand out secrets to their machines.
 *
 * The operator's blocks go first: among those that contain the address the longest
 * decides, and of two equally long ones the denying one. So an operator can open, or
 * close, a private range except for one host.
 *
 * An IPv4-mapped IPv6 address is the IPv4 address that would be dialled. If an IPv6
 * address carries an IPv4 address for a translator or tunnel on the way (NAT64, 6to4,
 * Teredo, IPv4-compatible), both must be allowed; else 64:ff9b::10.0.0.1 would be a way
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
    struct address address;     /* the address asked for, or one that it carries; port 0 */
    struct address_block block; /* the refused block that contains `address` */
    const char *kind; /* name of a block refused by default; NULL: the operator's `deny` */
};

/* Returns OK or ERROR_DENIED. The port does not matter. */
int destination_check(const struct destination_rules *rules,
                      const struct address *address) MUST_CHECK;
/* The same; fills in `*refusal` on ERROR_DENIED. */
int destination_judge(const struct destination_rules *rules, const struct address *address,
                      struct destination_refusal *refusal) MUST_CHECK;

/* The refusal in words; if the defaults refuse the address, with the line of the relay's
 * configuration that would allow it. Returns `text`. */
#define DESTINATION_TEXT_SIZE 384
const char *destination_refusal_format(const struct destination_refusal *refusal,
                                       char text[DESTINATION_TEXT_SIZE]);

#endif
