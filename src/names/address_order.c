/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/address_order.h>

#include <splitsocks/base/attributes.h>

size_t address_interleave(const struct address *ipv6, size_t ipv6_count,
                          const struct address *ipv4, size_t ipv4_count,
                          enum address_family first, struct address *out, size_t bound)
{
    bool six = first == ADDRESS_IPV6;
    size_t count = 0;

    for (; count < bound && (ipv6_count > 0 || ipv4_count > 0); six = !six) {
        if (six && ipv6_count > 0) {
            out[count++] = *ipv6++;
            ipv6_count--;
        } else if (!six && ipv4_count > 0) {
            out[count++] = *ipv4++;
            ipv4_count--;
        }
    }
    return count;
}

/* The policy table of RFC 6724 section 2.1, reduced to labels. A source and a destination
 * with different labels do not suit each other: a packet might not find its way back. */
static unsigned label_of(const struct address *address)
{
    static const struct {
        struct address_block block;
        unsigned label;
    } table[] = {
        {{{.family = ADDRESS_IPV6, .bytes = {[15] = 1}}, 128}, 0},
        {{{.family = ADDRESS_IPV6, .bytes = {0x20, 0x02}}, 16}, 2},
        {{{.family = ADDRESS_IPV6, .bytes = {0x20, 0x01}}, 32}, 5},
        {{{.family = ADDRESS_IPV6, .bytes = {0xfc}}, 7}, 13},
        {{{.family = ADDRESS_IPV6, .bytes = {0xfe, 0xc0}}, 10}, 11},
        {{{.family = ADDRESS_IPV6, .bytes = {0x3f, 0xfe}}, 16}, 12},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
        if (address_in_block(address, &table[i].block))
            return table[i].label;
    return 1;
}

enum address_family address_first_family(const struct address *ipv6,
                                         const struct address *ipv6_source,
                                         const struct address *ipv4_source)
{
    if (ipv4_source->family == ADDRESS_NONE)
        return ADDRESS_IPV6;
    return ipv6_source->family != ADDRESS_NONE && label_of(ipv6) == label_of(ipv6_source)
               ? ADDRESS_IPV6
               : ADDRESS_IPV4;
}
