/* SPDX-License-Identifier: MIT */
/* The order in which the addresses of a host are tried: RFC 8305 section 4. */
#ifndef SPLITSOCKS_ADDRESS_ORDER_H
#define SPLITSOCKS_ADDRESS_ORDER_H

#include <splitsocks/base/address.h>

#include <stddef.h>

/* Puts the addresses of both families into `out` in turns, beginning with `first`, so that
 * neither family crowds out the other where not all fit. Returns how many. */
size_t address_interleave(const struct address *ipv6, size_t ipv6_count,
                          const struct address *ipv4, size_t ipv4_count,
                          enum address_family first, struct address *out, size_t bound);

/* The family that goes first (RFC 6724): IPv6, unless this machine has no suitable IPv6
 * address. The arguments are a destination of each family and the source that the kernel
 * would use for it; family ADDRESS_NONE: there is none. */
enum address_family address_first_family(const struct address *ipv6,
                                         const struct address *ipv6_source,
                                         const struct address *ipv4_source);

#endif
