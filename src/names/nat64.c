/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/nat64.h>

#include <assert.h>
#include <string.h>

/* Bits 64 to 71 of the address are zero and carry nothing (RFC 6052 section 2.2). */
#define RESERVED_BYTE 8

const struct address_block nat64_well_known = {
    .address = {.family = ADDRESS_IPV6, .bytes = {0x00, 0x64, 0xff, 0x9b}}, .bits = 96};

static const uint8_t lengths[] = {96, 64, 56, 48, 40, 32};

/* Where byte `i` of the IPv4 address is, behind a prefix of this length. */
static size_t place(unsigned bits, size_t i)
{
    size_t at = bits / 8 + i;

    return bits < 96 && at >= RESERVED_BYTE ? at + 1 : at;
}

struct address nat64_embed(const struct address_block *prefix, const struct address *ipv4)
{
    struct address address = {
        .family = ADDRESS_IPV6, .port = ipv4->port, .scope = ipv4->scope};

    assert(ipv4->family == ADDRESS_IPV4 && prefix->bits <= 96);
    memcpy(address.bytes, prefix->address.bytes, prefix->bits / 8);
    for (size_t i = 0; i < 4; i++)
        address.bytes[place(prefix->bits, i)] = ipv4->bytes[i];
    return address;
}

/* Reads the IPv4 address behind a prefix of this length. The bytes behind it are to be
 * ignored (section 2.3). */
static bool read_behind(unsigned bits, const struct address *address, struct address *ipv4)
{
    if (address->family != ADDRESS_IPV6 || address->bytes[RESERVED_BYTE] != 0)
        return false;
    *ipv4 = (struct address){.family = ADDRESS_IPV4, .port = address->port};
    for (size_t i = 0; i < 4; i++)
        ipv4->bytes[i] = address->bytes[place(bits, i)];
    return true;
}

bool nat64_extract(const struct address_block *prefix, const struct address *address,
                   struct address *ipv4)
{
    return address_in_block(address, prefix) && read_behind(prefix->bits, address, ipv4);
}

bool nat64_carried(const struct nat64_prefixes *prefixes, const struct address *address,
                   struct address *ipv4)
{
    if (nat64_extract(&nat64_well_known, address, ipv4))
        return true;
    for (size_t i = 0; i < prefixes->count; i++)
        if (nat64_extract(&prefixes->items[i], address, ipv4))
            return true;
    return false;
}

/* The length of the longest prefix with which `address` carries `ipv4`; 0: none. */
static unsigned length_for(const struct address *address, const struct address *ipv4)
{
    struct address found;

    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
        if (read_behind(lengths[i], address, &found) &&
            memcmp(found.bytes, ipv4->bytes, 4) == 0)
            return lengths[i];
    return 0;
}

bool nat64_resembles(const struct address *address, const struct address *ipv4)
{
    return ipv4->family == ADDRESS_IPV4 && length_for(address, ipv4) != 0;
}

size_t nat64_embed_all(const struct nat64_prefixes *prefixes,
                       const struct address *addresses, size_t count,
                       struct address *embedded, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < prefixes->count && n < max; k++)
            if (addresses[i].family == ADDRESS_IPV4)
                embedded[n++] = nat64_embed(&prefixes->items[k], &addresses[i]);
    return n;
}

/* ---- addresses for other networks ---- */

static bool is_link_local(const struct address *address)
{
    const uint8_t *b = address->bytes;

    return address->family == ADDRESS_IPV4 ? b[0] == 169 && b[1] == 254
                                           : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

static void put(struct nat64_view *view, const struct address *address)
{
    for (size_t i = 0; i < view->count; i++)
        if (address_equal(&view->addresses[i], address))
            return;
    view->addresses[view->count++] = *address;
}

void nat64_look(struct nat64_view *view, const struct nat64_prefixes *prefixes,
                const struct address *addresses, size_t count)
{
    struct address ipv4;

    assert(count <= TARGET_ADDRESSES_MAX);
    *view = (struct nat64_view){.count = 0};
    for (size_t i = 0; i < count; i++)
        if (!is_link_local(&addresses[i]) && !nat64_carried(prefixes, &addresses[i], &ipv4))
            put(view, &addresses[i]);
    view->own_count = view->count;
    for (size_t i = 0; i < count; i++)
        if (nat64_carried(prefixes, &addresses[i], &ipv4))
            put(view, &ipv4);
        else if (is_link_local(&addresses[i]))
            put(view, &addresses[i]);
}

/* Network-specific prefixes come from the network's own global addresses (RFC 6052 section
 * 3.1), its unique local addresses, or 64:ff9b:1::/48 (RFC 8215). */
static bool may_be_synthesised(const struct address *address)
{
    static const struct address_block blocks[] = {
        {.address = {.family = ADDRESS_IPV6, .bytes = {0x20}}, .bits = 3},
        {.address = {.family = ADDRESS_IPV6, .bytes = {0xfc}}, .bits = 7},
        {.address = {.family = ADDRESS_IPV6, .bytes = {0, 0x64, 0xff, 0x9b, 0, 1}},
         .bits = 48},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        if (address_in_block(address, &blocks[i]))
            return true;
    return false;
}

bool nat64_in_question(const struct address *addresses, size_t count)
{
    bool any_ipv4 = false, any_ipv6 = false, resembling = false;

    for (size_t i = 0; i < count; i++) {
        any_ipv4 |= addresses[i].family == ADDRESS_IPV4;
        if (!may_be_synthesised(&addresses[i]))
            continue;
        any_ipv6 = true;
        for (size_t k = 0; k < count; k++)
            resembling |= nat64_resembles(&addresses[i], &addresses[k]);
    }
    return any_ipv6 && (!any_ipv4 || resembling);
}

/* ---- the prefix ---- */

static void add(struct nat64_prefixes *prefixes, const struct address *address,
                unsigned bits)
{
    struct address_block prefix = {.address.family = ADDRESS_IPV6, .bits = (uint8_t)bits};

    memcpy(prefix.address.bytes, address->bytes, bits / 8);
    for (size_t i = 0; i < prefixes->count; i++)
        if (prefixes->items[i].bits == bits &&
            address_equal(&prefixes->items[i].address, &prefix.address))
            return;
    if (prefixes->count < NAT64_PREFIXES_MAX)
        prefixes->items[prefixes->count++] = prefix;
}

void nat64_learn(struct nat64_prefixes *prefixes, const struct address *addresses,
                 size_t count)
{
    /* The addresses of NAT64_NAME, RFC 7050 section 8.2. */
    static const struct address known[] = {
        {.family = ADDRESS_IPV4, .bytes = {192, 0, 0, 170}},
        {.family = ADDRESS_IPV4, .bytes = {192, 0, 0, 171}},
    };

    prefixes->count = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(known); k++) {
            unsigned bits = length_for(&addresses[i], &known[k]);

            if (bits != 0)
                add(prefixes, &addresses[i], bits);
        }
}
