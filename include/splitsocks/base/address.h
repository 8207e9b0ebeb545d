/* SPDX-License-Identifier: MIT */
/* An IP address with a port, as a plain value: no sockaddr in the pure layers. */
#ifndef SPLITSOCKS_ADDRESS_H
#define SPLITSOCKS_ADDRESS_H

#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_family { ADDRESS_NONE = 0, ADDRESS_IPV4 = 4, ADDRESS_IPV6 = 6 };

/* Sets of families. */
#define FAMILY_BIT(family) ((uint8_t)(1u << (family)))
#define FAMILIES_ALL ((uint8_t)(FAMILY_BIT(ADDRESS_IPV4) | FAMILY_BIT(ADDRESS_IPV6)))

struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4, the rest are zero */
    uint16_t port;     /* host order */
    uint32_t scope;    /* IPv6 interface index, or 0 */
};

/* "255.255.255.255", "[v6%scope]:65535" and the final zero. */
#define ADDRESS_TEXT_SIZE 64

/* An address block: all addresses whose first `bits` bits are those of `address`. */
struct address_block {
    struct address address; /* port and scope are not looked at */
    uint8_t bits;           /* 0..32 or 0..128 */
};

struct port_range {
    uint16_t first, last; /* both included */
};

/* Parses a literal without port ("192.0.2.7", "2001:db8::1"); the port becomes 0.
 * Returns OK or ERROR_MALFORMED. */
int address_parse(struct address *address, const char *text) MUST_CHECK;
/* Parses "10.0.0.0/8", "fc00::/7", or a bare address as a block of one. Bits set below
 * the prefix are an error, since they usually are a typing mistake. */
int address_block_parse(struct address_block *block, const char *text) MUST_CHECK;

bool address_equal(const struct address *a, const struct address *b); /* port included */
bool address_in_block(const struct address *address, const struct address_block *block);
/* An IPv4-mapped IPv6 address (::ffff:a.b.c.d) becomes the IPv4 address it stands for;
 * any other is returned as it is. */
struct address address_unmap(const struct address *address);
bool address_is_loopback(const struct address *address);
bool address_is_any(const struct address *address);      /* 0.0.0.0 or :: */
bool address_is_any_ipv6(const struct address *address); /* :: */

/* "192.0.2.7:80" or "[2001:db8::1]:80"; without ":port" when the port is 0.
 * Returns `text`. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

#endif
