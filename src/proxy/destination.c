/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/destination.h>

#include <splitsocks/base/error.h>
#include <splitsocks/names/nat64.h>

#include <stdio.h>
#include <string.h>

struct named_block {
    uint8_t prefix[16];
    uint8_t bits;
    const char *kind;
};

/* IANA IPv4 Special-Purpose Address Registry: the blocks that are not globally
 * reachable. */
static const struct named_block refused_ipv4[] = {
    {{0}, 8, "this network, RFC 791"}, /* and the unspecified address */
    {{10}, 8, "private use, RFC 1918"},
    {{100, 64}, 10, "carrier-grade NAT, RFC 6598"},
    {{127}, 8, "loopback, RFC 1122"},
    {{169, 254}, 16, "link-local, RFC 3927"}, /* metadata at 169.254.169.254 */
    {{172, 16}, 12, "private use, RFC 1918"},
    {{192, 0, 0}, 24, "IETF protocol assignments, RFC 6890"}, /* metadata of one cloud */
    {{192, 0, 2}, 24, "documentation, RFC 5737"},
    {{192, 88, 99}, 24, "6to4 relays, RFC 7526"},
    {{192, 168}, 16, "private use, RFC 1918"},
    {{198, 18}, 15, "benchmarking, RFC 2544"},
    {{198, 51, 100}, 24, "documentation, RFC 5737"},
    {{203, 0, 113}, 24, "documentation, RFC 5737"},
    {{224}, 4, "multicast, RFC 1112"},
    {{240}, 4, "reserved, RFC 1112"},              /* and limited broadcast */
    {{168, 63, 129, 16}, 32, "metadata of Azure"}, /* inside public space */
};

/* IPv6: nothing outside of these blocks is allowed ... */
static const struct named_block considered_ipv6[] = {
    {{0x20}, 3, "global unicast, RFC 4291"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64, RFC 6052"}, /* carried ones are checked, too */
};

/* ... nor inside of these, of the IANA IPv6 Special-Purpose Address Registry. Those that
 * lie outside of `considered_ipv6` are here for their names. */
static const struct named_block refused_ipv6[] = {
    {{[15] = 1}, 128, "loopback, RFC 4291"},
    {{0x01}, 64, "discard-only, RFC 6666"},
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, "local NAT64, RFC 8215"},
    {{0x20, 0x01}, 23, "IETF protocol assignments, RFC 2928"}, /* Teredo, ORCHID, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation, RFC 3849"},
    {{0x3f, 0xff}, 20, "documentation, RFC 9637"},
    {{0x5f}, 16, "segment routing, RFC 9602"},
    {{0xfc}, 7, "private use, RFC 4193"}, /* metadata at fd00:ec2::254 */
    {{0xfe, 0x80}, 10, "link-local, RFC 4291"},
    {{0xff}, 8, "multicast, RFC 4291"},
};

/* The block of the table that contains the address, in `*block`; NULL when none does. */
static const struct named_block *find_in_table(const struct address *address,
                                               const struct named_block *table,
                                               size_t count, struct address_block *block)
{
    for (size_t i = 0; i < count; i++) {
        *block = (struct address_block){.bits = table[i].bits};
        block->address.family = address->family;
        memcpy(block->address.bytes, table[i].prefix, sizeof(table[i].prefix));
        if (address_in_block(address, block))
            return &table[i];
    }
    return NULL;
}

static bool allowed_by_default(const struct destination_rules *rules,
                               const struct address *address,
                               struct destination_refusal *refusal)
{
    bool ipv4 = address->family == ADDRESS_IPV4;
    const struct named_block *found =
        ipv4 ? find_in_table(address, refused_ipv4, ARRAY_LENGTH(refused_ipv4),
                             &refusal->block)
             : find_in_table(address, refused_ipv6, ARRAY_LENGTH(refused_ipv6),
                             &refusal->block);
    struct address_block ignored;

    if (found != NULL) {
        refusal->kind = found->kind;
        return false;
    }
    refusal->block.address = refusal->address;
    refusal->block.bits = ipv4 ? 32 : 128;
    if (!ipv4 && find_in_table(address, considered_ipv6, ARRAY_LENGTH(considered_ipv6),
                               &ignored) == NULL)
        refusal->kind = "not of the public internet, RFC 4291";
    else if (rules->is_own != NULL && rules->is_own(rules->own_context, address))
        refusal->kind = "the relay's own machine";
    return refusal->kind == NULL;
}

/* The bits of the longest of the blocks that contains the address, which becomes `*match`;
 * -1 when none does. */
static int longest_match(const struct address *address, const struct address_block *blocks,
                         size_t count, struct address_block *match)
{
    int longest = -1;

    for (size_t i = 0; i < count; i++) {
        struct address_block block = blocks[i];

        /* A block of IPv4-mapped addresses means the IPv4 ones. */
        if (block.address.family == ADDRESS_IPV6 && block.bits >= 96) {
            block.address = address_unmap(&block.address);
            if (block.address.family == ADDRESS_IPV4)
                block.bits -= 96;
        }
        if (block.bits <= longest || !address_in_block(address, &block))
            continue;
        longest = block.bits;
        *match = block;
    }
    return longest;
}

static bool allowed(const struct destination_rules *rules, const struct address *address,
                    struct destination_refusal *refusal)
{
    struct address_block ignored;

    refusal->address = *address;
    refusal->address.port = 0;
    refusal->kind = NULL;
    for (;; rules = rules->otherwise) {
        int allow = longest_match(address, rules->allow, rules->allow_count, &ignored);
        int deny = longest_match(address, rules->deny, rules->deny_count, &refusal->block);

        refusal->rules_name = rules->name;
        if (allow >= 0 || deny >= 0)
            return allow > deny;
        if (rules->otherwise == NULL)
            return allowed_by_default(rules, address, refusal);
    }
}

static struct address ipv4_from(const uint8_t *bytes, uint8_t mask)
{
    struct address address = {.family = ADDRESS_IPV4};

    for (size_t i = 0; i < 4; i++)
        address.bytes[i] = bytes[i] ^ mask;
    return address;
}

/* Fills in the IPv4 addresses that an IPv6 address carries; returns how many. */
static size_t carried_addresses(const struct address *address, struct address carried[2])
{
    static const uint8_t zeros[12];
    const uint8_t *b = address->bytes;

    if (nat64_extract(&nat64_well_known, address, &carried[0]))
        return 1;
    /* IPv4-compatible, RFC 4291 section 2.5.5.1; but :: and ::1 are not. */
    if (memcmp(b, zeros, sizeof(zeros)) == 0 && (b[12] | b[13] | b[14] | (b[15] > 1))) {
        carried[0] = ipv4_from(b + 12, 0);
        return 1;
    }
    if (b[0] == 0x20 && b[1] == 0x02) { /* 6to4, RFC 3056 section 2 */
        carried[0] = ipv4_from(b + 2, 0);
        return 1;
    }
    if (memcmp(b, "\x20\x01\0\0", 4) == 0) {  /* Teredo, RFC 4380 section 4 */
        carried[0] = ipv4_from(b + 4, 0);     /* server */
        carried[1] = ipv4_from(b + 12, 0xff); /* client, obfuscated */
        return 2;
    }
    return 0;
}

static bool port_open(const struct destination_rules *rules, uint16_t port,
                      struct destination_refusal *refusal)
{
    while (rules->port_count == 0 && rules->otherwise != NULL)
        rules = rules->otherwise;
    if (port == 0 || (rules->port_count == 0 && port != DESTINATION_PORT_CLOSED))
        return true;
    for (size_t i = 0; i < rules->port_count; i++)
        if (rules->ports[i].first <= port && port <= rules->ports[i].last)
            return true;
    refusal->port = port;
    refusal->port_listed = rules->port_count > 0;
    refusal->rules_name = rules->name;
    return false;
}

int destination_judge(const struct destination_rules *rules, const struct address *address,
                      struct destination_refusal *refusal)
{
    struct address plain = address_unmap(address);
    struct address carried[2];
    size_t count = 0;

    *refusal = (struct destination_refusal){.address = plain, .kind = "no IP address"};
    if (plain.family != ADDRESS_IPV4 && plain.family != ADDRESS_IPV6)
        return ERROR_DENIED;
    if (!port_open(rules, plain.port, refusal) || !allowed(rules, &plain, refusal))
        return ERROR_DENIED;
    if (plain.family == ADDRESS_IPV6)
        count = carried_addresses(&plain, carried);
    for (size_t i = 0; i < count; i++)
        if (!allowed(rules, &carried[i], refusal))
            return ERROR_DENIED;
    return OK;
}

int destination_check(const struct destination_rules *rules, const struct address *address)
{
    struct destination_refusal ignored;

    return destination_judge(rules, address, &ignored);
}

static const char *option_name(const struct destination_refusal *refusal)
{
    return refusal->rules_name != NULL ? refusal->rules_name : "destinations";
}

static const char *format_port(const struct destination_refusal *refusal,
                               char text[DESTINATION_TEXT_SIZE])
{
    if (refusal->port_listed)
        snprintf(text, DESTINATION_TEXT_SIZE,
                 "port %u is not among the relay's \"%s.ports\"", refusal->port,
                 option_name(refusal));
    else
        snprintf(text, DESTINATION_TEXT_SIZE,
                 "port %u (mail transfer, RFC 5321) is closed by default; "
                 "\"destinations\": { \"ports\": [ \"1-65535\" ] } in the relay's "
                 "configuration opens every port",
                 refusal->port);
    return text;
}

const char *destination_refusal_format(const struct destination_refusal *refusal,
                                       char text[DESTINATION_TEXT_SIZE])
{
    char address[ADDRESS_TEXT_SIZE], block[ADDRESS_TEXT_SIZE];

    if (refusal->port != 0)
        return format_port(refusal, text);
    address_format(&refusal->address, address);
    address_format(&refusal->block.address, block);
    if (refusal->kind == NULL)
        snprintf(text, DESTINATION_TEXT_SIZE,
                 "%s is in %s/%u, which the relay's \"%s.deny\" lists", address, block,
                 refusal->block.bits, option_name(refusal));
    else
        snprintf(text, DESTINATION_TEXT_SIZE,
                 "%s is in %s/%u (%s), which a relay refuses by default; "
                 "\"destinations\": { \"allow\": [ \"%s/%u\" ] } in the relay's "
                 "configuration allows it",
                 address, block, refusal->block.bits, refusal->kind, block,
                 refusal->block.bits);
    return text;
}
