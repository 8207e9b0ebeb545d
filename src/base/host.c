/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/host.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <string.h>
#include <strings.h>

#define LABEL_MAX_LENGTH 63 /* RFC 1035 section 2.3.4 */

/* ---- addresses ---- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Reads one part of an IPv4 address: decimal, octal behind "0", or hexadecimal behind
 * "0x". Returns its end, or NULL when the text is no such number. */
static const char *read_number(const char *text, const char *end, uint64_t *number)
{
    const char *at = text;
    int base = 10;

    if (end - at >= 2 && at[0] == '0' && (at[1] | 0x20) == 'x') {
        base = 16;
        at += 2;
    } else if (end - at >= 2 && at[0] == '0') {
        base = 8;
        at++;
    }
    *number = 0;
    if (at == end || *at == '.')
        return base == 16 || at == text ? NULL : at;
    for (; at < end && *at != '.'; at++) {
        int digit = digit_value(*at);

        if (digit >= base)
            return NULL;
        *number = *number * (unsigned)base + (unsigned)digit;
        if (*number > UINT32_MAX)
            return NULL;
    }
    return at;
}

/* As inet_aton(3): one to four parts, of which the last fills the remaining bytes. */
static bool parse_ipv4(struct address *address, const char *text, const char *end)
{
    uint64_t value = 0, part = 0;
    unsigned parts = 0;

    for (const char *at = text;; at++) {
        at = read_number(at, end, &part);
        if (at == NULL || ++parts > 4)
            return false;
        if (at == end)
            break;
        if (part > UINT8_MAX)
            return false;
        value |= part << (32 - 8 * parts);
    }
    if (part > UINT32_MAX >> 8 * (parts - 1))
        return false;
    value |= part;
    *address = (struct address){.family = ADDRESS_IPV4};
    for (int i = 0; i < 4; i++)
        address->bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    return true;
}

/* A number is the scope itself, everything else the name of an interface. */
static bool parse_zone(struct host *host, const char *zone)
{
    const char *end = zone + strlen(zone);
    uint64_t number;

    if (zone == end || end - zone >= HOST_ZONE_SIZE ||
        strpbrk(zone, "/:%[] \t\n\v\f\r") != NULL)
        return false;
    if (*zone != '0' && strspn(zone, "0123456789") == strlen(zone) &&
        read_number(zone, end, &number) == end)
        host->address.scope = (uint32_t)number;
    else
        strcpy(host->zone, zone);
    return true;
}

static bool parse_ipv6(struct host *host, const char *text, size_t length)
{
    char literal[ADDRESS_TEXT_SIZE], *zone;

    if (length >= sizeof(literal))
        return false;
    memcpy(literal, text, length);
    literal[length] = '\0';
    zone = strchr(literal, '%');
    if (zone != NULL)
        *zone++ = '\0';
    if (address_parse(&host->address, literal) != OK ||
        host->address.family != ADDRESS_IPV6 || (zone != NULL && !parse_zone(host, zone)))
        return false;
    host->address = address_unmap(&host->address);
    return true;
}

/* ---- names ---- */

/* No top-level domain is a number (RFC 3696 section 2): such a text means an address. */
static bool ends_in_number(const char *text, const char *end)
{
    const char *label = end;

    while (label > text && label[-1] != '.')
        label--;
    if (end - label >= 2 && label[0] == '0' && (label[1] | 0x20) == 'x')
        return strspn(label + 2, "0123456789abcdefABCDEF") >= (size_t)(end - label - 2);
    return end > label && strspn(label, "0123456789") >= (size_t)(end - label);
}

/* The reason why the text is no name; NULL when it is one. */
static const char *find_flaw(const char *text, size_t length)
{
    size_t label = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if ((unsigned char)c >= 0x80)
            return "a name has only letters of ASCII; the DNS form of others begins with "
                   "xn--";
        if (c == '.') {
            if (label == 0)
                return "an empty label";
            label = 0;
            continue;
        }
        if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
            c != '-' && c != '_')
            return "a character that no host name has";
        if (++label > LABEL_MAX_LENGTH)
            return "a label of more than 63 characters";
    }
    if (length > HOST_NAME_MAX_LENGTH)
        return "more than 253 characters";
    return label == 0 ? "an empty label" : NULL;
}

/* Whether the name of `length` characters is `domain` or below it. */
static bool is_below(const char *text, size_t length, const char *domain)
{
    size_t suffix = strlen(domain);

    return length >= suffix && strncasecmp(text + length - suffix, domain, suffix) == 0 &&
           (length == suffix || text[length - suffix - 1] == '.');
}

static void classify_name(struct host *host, const char *text, size_t length)
{
    static const struct {
        const char *domain, *reason;
    } special[] = {
        {"onion", "only Tor finds such a name (RFC 7686)"},
        {"alt", "a name that is not one of DNS (RFC 9476)"},
        {"invalid", "a name that never exists (RFC 6761)"},
        {"in-addr.arpa", "a name for reverse lookups, which no host has"},
        {"ip6.arpa", "a name for reverse lookups, which no host has"},
    };

    host->kind = is_below(text, length, "localhost") ? HOST_LOCALHOST : HOST_NAME;
    for (size_t i = 0; i < ARRAY_LENGTH(special); i++)
        if (is_below(text, length, special[i].domain)) {
            host->kind = HOST_SPECIAL;
            host->reason = special[i].reason;
        }
}

void host_parse(struct host *host, const char *text)
{
    size_t length = strlen(text);

    *host = (struct host){.kind = HOST_ADDRESS};
    if (text[0] == '[' ? length > 1 && text[length - 1] == ']' &&
                             parse_ipv6(host, text + 1, length - 2)
                       : parse_ipv6(host, text, length))
        return;
    *host = (struct host){.kind = HOST_INVALID};
    if (length == 0) {
        host->reason = "an empty name";
        return;
    }
    if (length > 1 && text[length - 1] == '.')
        length--; /* the root */
    host->reason = strpbrk(text, ":[]%") != NULL ? "neither a name nor an IPv6 address"
                                                 : find_flaw(text, length);
    if (host->reason != NULL)
        return;
    if (!ends_in_number(text, text + length))
        classify_name(host, text, length);
    else if (parse_ipv4(&host->address, text, text + length))
        host->kind = HOST_ADDRESS;
    else
        host->reason = "it ends in a number, but is no IPv4 address";
}
