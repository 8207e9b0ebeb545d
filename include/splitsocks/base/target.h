/* SPDX-License-Identifier: MIT */
/* Where a stream goes: a name for the relay to resolve, or addresses in order of preference. */
#ifndef SPLITSOCKS_TARGET_H
#define SPLITSOCKS_TARGET_H

#include <splitsocks/base/address.h>

#define TARGET_ADDRESSES_MAX 16
/* Addresses of one name that datagrams may use, of both families: local offers so many, and
 * the relay keeps so many. */
#define TARGET_DATAGRAM_ADDRESSES_MAX 4
#define TARGET_NAME_MAX 255 /* RFC 1035 section 2.3.4 */

struct target {
    uint16_t port;
    uint8_t address_count; /* 0 when `name` is used */
    struct address addresses[TARGET_ADDRESSES_MAX]; /* ports are not used */
    /* Zero-terminated. If there are addresses, it is only for people to read, and may be
     * empty. */
    char name[TARGET_NAME_MAX + 1];
};

/* A name, a colon, a port of five digits and the final zero; longer than any address. */
#define TARGET_TEXT_SIZE (TARGET_NAME_MAX + 7)

/* "example.org:443", or its first address, as address_format() has it; printable ASCII.
 * Returns `text`. */
const char *target_format(const struct target *target, char text[TARGET_TEXT_SIZE]);

#endif
