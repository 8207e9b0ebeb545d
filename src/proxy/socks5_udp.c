/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/socks5_udp.h>

#include "socks5_address.h"

#include <string.h>

/* Two reserved bytes, and the number of the fragment. */
#define FRAGMENT_AT 2
#define ADDRESS_AT 3

int socks5_udp_parse(const uint8_t *datagram, size_t length, struct target *target,
                     size_t *data_at)
{
    const uint8_t *at = datagram + ADDRESS_AT;
    size_t rest, size;

    if (length <= ADDRESS_AT || !socks5_address_known(*at))
        return ERROR_MALFORMED;
    rest = length - ADDRESS_AT;
    size = socks5_address_size(at, rest);
    if (rest < size || !socks5_address_valid(at))
        return ERROR_MALFORMED;
    if (datagram[FRAGMENT_AT] != 0)
        return ERROR_UNSUPPORTED;
    socks5_address_get(at, target);
    *data_at = ADDRESS_AT + size;
    return target->port != 0 ? OK : ERROR_MALFORMED;
}

size_t socks5_udp_put(uint8_t header[SOCKS5_UDP_HEADER_SIZE], const struct address *from)
{
    memset(header, 0, ADDRESS_AT);
    return ADDRESS_AT + socks5_address_put(header + ADDRESS_AT, from);
}
