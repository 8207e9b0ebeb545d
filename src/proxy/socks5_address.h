/* SPDX-License-Identifier: MIT */
/*
 * Addresses in the messages of SOCKS5 (RFC 1928 section 5): a type, an address or a name,
 * and a port. `at` points to the type.
 */
#ifndef PROXY_SOCKS5_ADDRESS_H
#define PROXY_SOCKS5_ADDRESS_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/target.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOCKS5_TYPE_IPV4 = 1, SOCKS5_TYPE_NAME = 3, SOCKS5_TYPE_IPV6 = 4 };

bool socks5_address_known(uint8_t type);
/* The bytes of the whole, as far as the first `length` bytes tell: no more than this may be
 * taken before asking again. The type is known, and `length` is not 0. */
size_t socks5_address_size(const uint8_t *at, size_t length);
/* Whether the target, all of whose bytes are there, is a name of 1 to 255 bytes without
 * spaces and control characters, or an address. */
bool socks5_address_valid(const uint8_t *at);
/* Reads a valid target, whose fields it sets as far as they are used. An IP literal given
 * as a name is an address, and an IPv4-mapped address is an IPv4 one. */
void socks5_address_get(const uint8_t *at, struct target *target);
/* Writes an address with its port and returns the length, at most 19. */
size_t socks5_address_put(uint8_t *at, const struct address *address);

#endif
