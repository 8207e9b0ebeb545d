/* SPDX-License-Identifier: MIT */
#include "flow_ports.h"

#include <splitsocks/io/socket.h>

#include <stdatomic.h>

#define WORD_BITS 64

/* One bit for each port. */
static atomic_uint_fast64_t ipv4[65536 / WORD_BITS], ipv6[65536 / WORD_BITS];

static atomic_uint_fast64_t *word_of(const struct address *address)
{
    return (address->family == ADDRESS_IPV6 ? ipv6 : ipv4) + address->port / WORD_BITS;
}

static uint64_t bit_of(const struct address *address)
{
    return UINT64_C(1) << (address->port % WORD_BITS);
}

void flow_ports_add(const struct address *address)
{
    atomic_fetch_or(word_of(address), bit_of(address));
}

void flow_ports_remove(const struct address *address)
{
    atomic_fetch_and(word_of(address), ~bit_of(address));
}

bool flow_ports_have(const struct address *address)
{
    /* The kernel is asked only where the port alone says yes. */
    return (atomic_load_explicit(word_of(address), memory_order_relaxed) &
            bit_of(address)) != 0 &&
           (address_is_loopback(address) || address_is_any(address) ||
            socket_address_is_local(address));
}
