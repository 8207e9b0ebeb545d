/* SPDX-License-Identifier: MIT */
/*
 * IPv6 addresses that carry an IPv4 address for a network's NAT64 (RFC 6052): how they are
 * made and read, and how to find the network's own prefix in an answer (RFC 7050). Such an
 * address can be reached only from that network.
 */
#ifndef SPLITSOCKS_NAT64_H
#define SPLITSOCKS_NAT64_H

#include <splitsocks/base/target.h>

/* A network has one prefix, or one for each of its gateways. */
#define NAT64_PREFIXES_MAX 4
/* This name has only A records, so that an AAAA record of it shows the prefix (RFC 7050
 * section 2.2). */
#define NAT64_NAME "ipv4only.arpa"

struct nat64_prefixes {
    size_t count;
    struct address_block items[NAT64_PREFIXES_MAX]; /* bits: 32, 40, 48, 56, 64 or 96 */
};

/* 64:ff9b::/96, of RFC 6052 section 2.1: the same in every network. */
extern const struct address_block nat64_well_known;

/* The address that stands for `ipv4` behind the prefix (section 2.2). Port and scope are
 * those of `ipv4`. */
struct address nat64_embed(const struct address_block *prefix, const struct address *ipv4);
/* Reads the IPv4 address; false when `address` is not of the prefix. */
bool nat64_extract(const struct address_block *prefix, const struct address *address,
                   struct address *ipv4);
/* The same for the well-known prefix and all of `prefixes`. */
bool nat64_carried(const struct nat64_prefixes *prefixes, const struct address *address,
                   struct address *ipv4);
/* Whether some prefix would make `address` of `ipv4`. Either it was synthesised, or its
 * owner has chosen a similar number. */
bool nat64_resembles(const struct address *address, const struct address *ipv4);
/* Fills in up to `max` addresses that stand for the IPv4 addresses in the list, and
 * returns how many. */
size_t nat64_embed_all(const struct nat64_prefixes *prefixes,
                       const struct address *addresses, size_t count,
                       struct address *embedded, size_t max);

/* Addresses found in this network, as hosts of other networks can use them. */
struct nat64_view {
    uint8_t own_count; /* how many of `addresses` were left as they are */
    uint8_t count;
    /* First the `own_count` ones, then IPv4 addresses that synthesised ones stand for, and
     * link-local addresses. */
    struct address addresses[TARGET_ADDRESSES_MAX];
};

/* `count` is at most TARGET_ADDRESSES_MAX. */
void nat64_look(struct nat64_view *view, const struct nat64_prefixes *prefixes,
                const struct address *addresses, size_t count);
/* Whether some of the addresses may be synthesised with an unknown prefix: there are IPv6
 * addresses, and either no IPv4 address, or one that an IPv6 address resembles. */
bool nat64_in_question(const struct address *addresses, size_t count);
/* Learns the prefixes from the addresses of NAT64_NAME, in their order. */
void nat64_learn(struct nat64_prefixes *prefixes, const struct address *addresses,
                 size_t count);

#endif
