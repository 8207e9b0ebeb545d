/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/address.h>

#include <splitsocks/base/error.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int address_parse(struct address *address, const char *text)
{
    *address = (struct address){0};
    if (inet_pton(AF_INET, text, address->bytes) == 1) {
        address->family = ADDRESS_IPV4;
        return OK;
    }
    memset(address->bytes, 0, sizeof(address->bytes));
    if (inet_pton(AF_INET6, text, address->bytes) == 1) {
        address->family = ADDRESS_IPV6;
        return OK;
    }
    return ERROR_MALFORMED;
}

static unsigned family_bits(const struct address *address)
{
    return address->family == ADDRESS_IPV4 ? 32 : 128;
}

static bool bit_at(const struct address *address, unsigned index)
{
    return address->bytes[index / 8] >> (7 - index % 8) & 1;
}

int address_block_parse(struct address_block *block, const char *text)
{
    char literal[ADDRESS_TEXT_SIZE];
    size_t length = strcspn(text, "/");
    unsigned bits;

    if (length >= sizeof(literal))
        return ERROR_MALFORMED;
    memcpy(literal, text, length);
    literal[length] = '\0';
    if (address_parse(&block->address, literal) != OK)
        return ERROR_MALFORMED;
    bits = family_bits(&block->address);
    if (text[length] == '/') {
        const char *digits = text + length + 1;
        size_t count = strspn(digits, "0123456789");

        if (count == 0 || count > 3 || digits[count] != '\0' ||
            (unsigned)atoi(digits) > bits)
            return ERROR_MALFORMED;
        bits = (unsigned)atoi(digits);
    }
    for (unsigned i = bits; i < family_bits(&block->address); i++)
        if (bit_at(&block->address, i))
            return ERROR_MALFORMED;
    block->bits = (uint8_t)bits;
    return OK;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool address_in_block(const struct address *address, const struct address_block *block)
{
    unsigned whole = block->bits / 8;
    unsigned rest = block->bits % 8;

    if (address->family != block->address.family ||
        memcmp(address->bytes, block->address.bytes, whole) != 0)
        return false;
    return rest == 0 ||
           (address->bytes[whole] ^ block->address.bytes[whole]) >> (8 - rest) == 0;
}

struct address address_unmap(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    struct address plain = {.family = ADDRESS_IPV4, .port = address->port};

    if (address->family != ADDRESS_IPV6 ||
        memcmp(address->bytes, prefix, sizeof(prefix)) != 0)
        return *address;
    memcpy(plain.bytes, address->bytes + sizeof(prefix), 4);
    return plain;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    struct address plain = address_unmap(address);

    if (plain.family == ADDRESS_IPV4)
        return plain.bytes[0] == 127;
    return plain.family == ADDRESS_IPV6 &&
           memcmp(plain.bytes, loopback6, sizeof(loopback6)) == 0;
}

bool address_is_any(const struct address *address)
{
    static const uint8_t any[16];

    return memcmp(address->bytes, any, sizeof(any)) == 0;
}

bool address_is_any_ipv6(const struct address *address)
{
    return address->family == ADDRESS_IPV6 && address_is_any(address);
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char literal[INET6_ADDRSTRLEN];
    int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;

    if (address->family == ADDRESS_NONE) {
        snprintf(text, ADDRESS_TEXT_SIZE, "none");
        return text;
    }
    inet_ntop(family, address->bytes, literal, sizeof(literal));
    if (address->port == 0)
        snprintf(text, ADDRESS_TEXT_SIZE, "%s", literal);
    else
        snprintf(text, ADDRESS_TEXT_SIZE, family == AF_INET ? "%s:%u" : "[%s]:%u",
                 literal, address->port);
    return text;
}
