/* SPDX-License-Identifier: MIT */
/* Addresses and blocks of addresses from texts that are well-formed. */
#ifndef TEST_ADDRESSES_H
#define TEST_ADDRESSES_H

#include "unit.h"

#include <splitsocks/base/address.h>

static inline struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(&address, text), OK);
    return address;
}

static inline struct address endpoint_of(const char *text, uint16_t port)
{
    struct address address = address_of(text);

    address.port = port;
    return address;
}

static inline struct address_block block_of(const char *text)
{
    struct address_block block;

    assert_int_equal(address_block_parse(&block, text), OK);
    return block;
}

#endif
