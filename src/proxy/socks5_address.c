/* SPDX-License-Identifier: MIT */
#include "socks5_address.h"

#include <splitsocks/base/error.h>

#include <string.h>

/* Where an address begins, and a name behind its length. */
#define ADDRESS_AT 1
#define NAME_AT 2
#define PORT_SIZE 2

bool socks5_address_known(uint8_t type)
{
    return type == SOCKS5_TYPE_IPV4 || type == SOCKS5_TYPE_IPV6 || type == SOCKS5_TYPE_NAME;
}

size_t socks5_address_size(const uint8_t *at, size_t length)
{
    switch (at[0]) {
    case SOCKS5_TYPE_IPV4: return ADDRESS_AT + 4 + PORT_SIZE;
    case SOCKS5_TYPE_IPV6: return ADDRESS_AT + 16 + PORT_SIZE;
    default: return length < NAME_AT ? NAME_AT : (size_t)NAME_AT + at[1] + PORT_SIZE;
    }
}

bool socks5_address_valid(const uint8_t *at)
{
    if (at[0] != SOCKS5_TYPE_NAME)
        return true;
    for (size_t i = 0; i < at[1]; i++)
        if (at[NAME_AT + i] <= ' ' || at[NAME_AT + i] == 0x7f)
            return false;
    return at[1] > 0;
}

void socks5_address_get(const uint8_t *at, struct target *target)
{
    const uint8_t *port = at + socks5_address_size(at, NAME_AT) - PORT_SIZE;
    struct address address = {.family = ADDRESS_NONE};

    target->port = (uint16_t)(port[0] << 8 | port[1]);
    target->address_count = 0;
    target->name[0] = '\0';
    if (at[0] == SOCKS5_TYPE_NAME) {
        memcpy(target->name, at + NAME_AT, at[1]);
        target->name[at[1]] = '\0';
        if (address_parse(&address, target->name) != OK)
            return;
        target->name[0] = '\0';
    } else {
        bool ipv4 = at[0] == SOCKS5_TYPE_IPV4;

        address.family = ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
        memcpy(address.bytes, at + ADDRESS_AT, ipv4 ? 4 : 16);
    }
    address.port = target->port;
    target->addresses[0] = address_unmap(&address);
    target->address_count = 1;
}

size_t socks5_address_put(uint8_t *at, const struct address *address)
{
    bool ipv6 = address->family == ADDRESS_IPV6;
    size_t size = ipv6 ? 16 : 4;

    at[0] = ipv6 ? SOCKS5_TYPE_IPV6 : SOCKS5_TYPE_IPV4;
    memcpy(at + ADDRESS_AT, address->bytes, size);
    at[ADDRESS_AT + size] = (uint8_t)(address->port >> 8);
    at[ADDRESS_AT + size + 1] = (uint8_t)address->port;
    return ADDRESS_AT + size + PORT_SIZE;
}
