/* SPDX-License-Identifier: MIT */
/* The header of each datagram between a SOCKS5 client and its proxy: RFC 1928 section 7. */
#ifndef SPLITSOCKS_SOCKS5_UDP_H
#define SPLITSOCKS_SOCKS5_UDP_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/target.h>

#include <stddef.h>
#include <stdint.h>

/* The longest header that is written: one with an IPv6 address. */
#define SOCKS5_UDP_HEADER_SIZE 22

/* Reads the header of a client's datagram: its destination, and where the data begins.
 * Returns OK; ERROR_UNSUPPORTED: a fragment, which section 7 allows to drop;
 * ERROR_MALFORMED: no header, a name that cannot be one, or port 0. Of the target, only the
 * used fields are set. */
int socks5_udp_parse(const uint8_t *datagram, size_t length, struct target *target,
                     size_t *data_at) MUST_CHECK;

/* Writes the header of a datagram that came from `from`; returns its length. */
size_t socks5_udp_put(uint8_t header[SOCKS5_UDP_HEADER_SIZE], const struct address *from);

#endif
