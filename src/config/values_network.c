/* SPDX-License-Identifier: MIT */
/* Addresses and ports. */
#include "values.h"

#include <splitsocks/base/host.h>
#include <splitsocks/config/config_local.h>

#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53

/* Reads an IPv4 address in its IPv6 form as the IPv4 address: the kernel makes the same
 * socket of both, and they must not count as two addresses. */
int read_address(struct reader *reader, const struct place *place,
                 const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value);
    struct address *address = field, parsed;

    if (text == NULL || address_parse(&parsed, text) != OK)
        return refuse(reader, place, option, value, "%s", option->allowed);
    parsed.port = address->port;
    *address = address_unmap(&parsed);
    return OK;
}

/* The port in the `length` characters at `text`, which must all be digits; 0 otherwise. */
static uint16_t parse_port(const char *text, size_t length)
{
    unsigned port = 0;

    if (length == 0 || length > 5)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53" */
static bool parse_server(struct address *address, const char *text)
{
    char literal[ADDRESS_TEXT_SIZE];
    bool bracket = text[0] == '[';
    const char *start = text + bracket, *end = strchr(start, bracket ? ']' : ':');
    const char *rest;

    if (address_parse(address, text) == OK) {
        address->port = DNS_PORT;
        return true;
    }
    if (end == NULL || (size_t)(end - start) >= sizeof(literal))
        return false;
    memcpy(literal, start, (size_t)(end - start));
    literal[end - start] = '\0';
    if (address_parse(address, literal) != OK ||
        address->family != (bracket ? ADDRESS_IPV6 : ADDRESS_IPV4))
        return false;
    rest = end + bracket;
    address->port = *rest == '\0'  ? DNS_PORT
                    : *rest == ':' ? parse_port(rest + 1, strlen(rest + 1))
                                   : 0;
    return address->port != 0;
}

int read_server(struct reader *reader, const struct place *place,
                const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value);

    if (text == NULL || !parse_server(field, text))
        return refuse(reader, place, option, value,
                      "an address with an optional port, such as \"192.0.2.1\" or "
                      "\"[2001:db8::1]:53\"");
    return OK;
}

/* "rdp.example:3389", "192.0.2.1:22", "[2001:db8::1]:22". Returns the end of the host, or
 * NULL. */
static const char *find_host_end(const char *text, const char **host, uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *end = colon;
    bool bracket = text[0] == '[';

    if (colon == NULL)
        return NULL;
    *host = text + bracket;
    *port = parse_port(colon + 1, strlen(colon + 1));
    if (bracket && *--end != ']')
        return NULL;
    /* Without brackets, the colons of a literal cannot be told from that of the port. */
    if (*port == 0 || end <= *host || (!bracket && strchr(text, ':') != colon))
        return NULL;
    return end;
}

/* A configuration accepts addresses only in their usual spelling: "192.0.2" is more likely
 * a mistake than 192.0.0.2. A scope may follow. */
static bool usual_host(struct host *host, const char *text)
{
    struct address address;

    host_parse(host, text);
    if (host->kind == HOST_ADDRESS)
        return text[0] != '[' &&
               (strchr(text, '%') != NULL || address_parse(&address, text) == OK);
    return host->kind != HOST_INVALID;
}

int read_host(struct reader *reader, const struct place *place, const struct option *option,
              json_t *value, void *field)
{
    const char *text = json_string_value(value);
    struct host host = {.kind = HOST_ADDRESS};
    char *copy;

    if (text == NULL || !usual_host(&host, text)) {
        if (host.kind == HOST_ADDRESS || text[0] == '[')
            return refuse(reader, place, option, value, "%s", option->allowed);
        return report(reader, place, ERROR_INVALID, "found \"%.256s\": %s; allowed: %s",
                      text, host.reason, option->allowed);
    }
    copy = memory_take_string(reader->memory, text);
    if (copy == NULL)
        return report_memory(reader);
    memcpy(field, &copy, sizeof(copy));
    return OK;
}

int read_host_port(struct reader *reader, const struct place *place,
                   const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value), *start, *end = NULL;
    struct config_host_port *to = field;
    struct host parsed;
    char *host;

    if (text != NULL)
        end = find_host_end(text, &start, &to->port);
    if (end != NULL) {
        host = memory_take_string(reader->memory, start);
        if (host == NULL)
            return report_memory(reader);
        host[end - start] = '\0';
        to->host = host;
        /* Only IPv6 literals may have brackets. */
        if ((text[0] != '[' || strchr(host, ':') != NULL) && usual_host(&parsed, host))
            return OK;
    }
    return refuse(reader, place, option, value,
                  "a host and a port, such as \"rdp.example.net:3389\" or "
                  "\"[2001:db8::1]:22\"");
}

int read_block(struct reader *reader, const struct place *place,
               const struct option *option, json_t *value, void *field)
{
    const char *text = json_string_value(value);

    if (text == NULL || address_block_parse(field, text) != OK)
        return refuse(reader, place, option, value,
                      "an address or a block such as \"10.0.0.0/8\", without bits set "
                      "below the prefix");
    return OK;
}

/* The ports read so far: which ones, and in what order. */
struct port_set {
    uint8_t known[(UINT16_MAX + 1) / 8];
    uint16_t ports[UINT16_MAX];
    size_t count;
};

/* False when `port` was there already. */
static bool add_port(struct port_set *set, unsigned port)
{
    uint8_t bit = (uint8_t)(1U << port % 8);

    if ((set->known[port / 8] & bit) != 0)
        return false;
    set->known[port / 8] |= bit;
    set->ports[set->count++] = (uint16_t)port;
    return true;
}

/* Reads a number, or a text "A-B". */
static bool get_range(const json_t *value, uint16_t *first, uint16_t *last)
{
    const char *text = json_string_value(value), *dash;

    if (text == NULL) {
        json_int_t port = json_integer_value(value); /* 0 if it is not an integer */

        *first = *last = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
        return *first != 0;
    }
    dash = strchr(text, '-');
    if (dash == NULL)
        return false;
    *first = parse_port(text, (size_t)(dash - text));
    *last = parse_port(dash + 1, strlen(dash + 1));
    return *first != 0 && *first <= *last;
}

#define ALLOWED_PORT "a port from 1 to 65535, or a range such as \"8000-8009\""

int read_port_range(struct reader *reader, const struct place *place,
                    const struct option *option, json_t *value, void *field)
{
    struct port_range *range = field;

    if (!get_range(value, &range->first, &range->last))
        return refuse(reader, place, option, value, ALLOWED_PORT);
    return OK;
}

static int collect_ports(struct reader *reader, const struct place *place,
                         const struct option *option, json_t *value, struct port_set *set)
{
    struct place at = {.parent = place};
    json_t *element;
    int result = OK;

    json_array_foreach(value, at.index, element) {
        uint16_t first, last;
        unsigned second = 0;

        if (!get_range(element, &first, &last)) {
            result =
                first_error(result, refuse(reader, &at, option, element, ALLOWED_PORT));
            continue;
        }
        for (unsigned port = first; port <= last; port++)
            if (!add_port(set, port) && second == 0)
                second = port;
        if (second != 0)
            result = first_error(
                result,
                report(reader, &at, ERROR_INVALID,
                       "found port %u a second time; allowed: each port once", second));
    }
    return result;
}

int read_ports(struct reader *reader, const struct place *place,
               const struct option *option, json_t *value, void *field)
{
    struct config_ports *ports = field;
    struct port_set *set;
    uint16_t *items;
    int error;

    if (json_array_size(value) == 0) /* not a list, or an empty one */
        return refuse(reader, place, option, value,
                      "a list of ports and ranges, such as [443, \"8000-8009\"]");
    set = calloc(1, sizeof(*set));
    if (set == NULL)
        return report_memory(reader);
    error = collect_ports(reader, place, option, value, set);
    if (error == OK) {
        items = memory_take_array(reader->memory, set->count, sizeof(items[0]));
        if (items == NULL) {
            error = report_memory(reader);
        } else {
            memcpy(items, set->ports, set->count * sizeof(items[0]));
            *ports = (struct config_ports){.items = items, .count = set->count};
        }
    }
    free(set);
    return error;
}

const struct option dns_server = {.read = read_server, ELEMENT(struct address)};
const struct option port_range = {.read = read_port_range, ELEMENT(struct port_range)};
