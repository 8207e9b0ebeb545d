/* SPDX-License-Identifier: MIT */
#include "side.h"

#include "values.h"

#include <splitsocks/config/config_relay.h>

#include <stdlib.h>
#include <string.h>

/* Turns an entry without an address into one for each family. */
static int spell_out_listeners(struct reader *reader, const struct place *place,
                               json_t *value, void *field)
{
    static const struct address any[] = {{.family = ADDRESS_IPV4},
                                         {.family = ADDRESS_IPV6}};
    struct config_relay_listeners *list = field;
    struct config_relay_listener *items =
        memory_take_array(reader->memory, list->count, 2 * sizeof(items[0]));
    size_t count = 0;
    (void)place;
    (void)value;

    if (items == NULL)
        return report_memory(reader);
    for (size_t i = 0; i < list->count; i++) {
        struct config_relay_listener entry = list->items[i];

        if (entry.address.family != ADDRESS_NONE) {
            items[count++] = entry;
            continue;
        }
        entry.implied = true;
        for (size_t family = 0; family < ARRAY_LENGTH(any); family++) {
            entry.address = any[family];
            items[count++] = entry;
        }
    }
    *list = (struct config_relay_listeners){.items = items, .count = count};
    return OK;
}

typedef int client_order(const void *a, const void *b); /* of pointers, for qsort() */

static int by_name(const void *a, const void *b)
{
    const struct config_client *const *x = a, *const *y = b;

    /* NULL where the name could not be read. */
    return strcmp((*x)->name != NULL ? (*x)->name : "",
                  (*y)->name != NULL ? (*y)->name : "");
}

static int by_key(const void *a, const void *b)
{
    const struct config_client *const *x = a, *const *y = b;

    return memcmp((*x)->public_key, (*y)->public_key, sizeof((*x)->public_key));
}

/* Reports the member `key` of client `index` as a repetition. */
static int report_second(struct reader *reader, const struct place *place, json_t *value,
                         size_t index, const char *key)
{
    struct place client = {.parent = place, .index = index};
    struct place at = member_place(&client, json_array_get(value, index), key);

    return report(reader, &at, ERROR_INVALID, "found a second time; allowed: each %s once",
                  key);
}

/* Reports two clients that `order`, which compares the member `key`, finds equal. */
static int check_unique(struct reader *reader, const struct place *place, json_t *value,
                        const struct config_clients *clients, client_order *order,
                        const char *key)
{
    static const struct config_client unread; /* members that could not be read are zero */
    const struct config_client *none = &unread;
    const struct config_client **sorted = calloc(clients->count, sizeof(sorted[0]));
    int error = OK;

    if (sorted == NULL)
        return report_memory(reader);
    for (size_t i = 0; i < clients->count; i++)
        sorted[i] = &clients->items[i];
    qsort(sorted, clients->count, sizeof(sorted[0]), order);
    for (size_t i = 1; i < clients->count; i++)
        if (order(&none, &sorted[i]) != 0 && order(&sorted[i - 1], &sorted[i]) == 0)
            error = report_second(reader, place, value,
                                  (size_t)(MAX(sorted[i - 1], sorted[i]) - clients->items),
                                  key);
    free(sorted);
    return error;
}

static int check_clients(struct reader *reader, const struct place *place, json_t *value,
                         void *field)
{
    const struct config_clients *clients = field;
    int error;

    if (clients->count == 0)
        return warn(reader, place, "nobody is listed, so nobody is served");
    error = check_unique(reader, place, value, clients, by_name, "name");
    if (error == ERROR_MEMORY)
        return error;
    return first_error(error,
                       check_unique(reader, place, value, clients, by_key, "public_key"));
}

/* One option below the other, with several words on a line: tables. */
/* clang-format off */
/* The bounds of one client, which stand in its entry and in `limits`. */
#define OPTION_BOUND(type, key, least, greatest) \
    .name = #key, .read = read_integer, FIELD(type, bounds.key), .minimum = least, \
    .maximum = greatest
#define OPTION_MAX_SESSIONS(type) OPTION_BOUND(type, max_sessions, 1, 65535)
#define OPTION_MAX_STREAMS(type) OPTION_BOUND(type, max_streams, 1, 1000000)
#define OPTION_MAX_FLOWS(type) OPTION_BOUND(type, max_flows, 1, 65536)
#define OPTION_DIALS_PER_SECOND(type) OPTION_BOUND(type, dials_per_second, 1, 1000000)
/* A session that moves much has 48 connections by default (pool.burst at local), and some
 * that are about to end. */
#define OPTION_MAX_DESCRIPTORS(type) \
    OPTION_BOUND(type, max_descriptors, 64, 1000000), .nullable = true
#define OPTION_MAX_NAMES(type) OPTION_BOUND(type, max_names, 1, 1000000), .nullable = true
/* The least has room for the records of a thousand streams. */
#define OPTION_MAX_MEMORY(type) \
    .name = "max_memory", .read = read_size, FIELD(type, bounds.max_memory), \
    .minimum = 6 << 20, .maximum = UINT64_C(1) << 40, .nullable = true

static const struct option listener_options[] = {
    {.name = "address", .read = read_address, FIELD(config_relay_listener, address),
     .allowed = "an IPv4 or IPv6 address"},
    {.name = "ports", .read = read_ports, FIELD(config_relay_listener, ports),
     .fallback = "[443]"},
    {.name = NULL},
};

static const struct option listener = {
    .read = read_object, ELEMENT(struct config_relay_listener),
    .members = listener_options};

static const struct option block = {.read = read_block, ELEMENT(struct address_block)};

#define OPTION_BLOCKS \
    .read = read_list, .maximum = 4096, .element = &block, \
    .allowed = "addresses or address blocks"

static const struct option destination_options[] = {
    {.name = "allow", FIELD(config_destinations, allow), OPTION_BLOCKS},
    {.name = "deny", FIELD(config_destinations, deny), OPTION_BLOCKS},
    {.name = "ports", .read = read_list, FIELD(config_destinations, ports), .minimum = 1,
     .maximum = PORT_RANGES_MAX, .element = &port_range, .allowed = "ports and ranges"},
    {.name = NULL},
};

static const struct option client_options[] = {
    {.name = "name", .read = read_string, FIELD(config_client, name), .required = true,
     .minimum = 1, .maximum = 63, .valid = valid_label,
     .allowed = "a text of 1 to 63 printable ASCII characters"},
    {.name = "public_key", .read = read_key, FIELD(config_client, public_key),
     .required = true, .allowed = ALLOWED_PUBLIC_KEY},
    {OPTION_MAX_SESSIONS(config_client), .nullable = true},
    {OPTION_MAX_STREAMS(config_client), .nullable = true},
    {OPTION_MAX_FLOWS(config_client), .nullable = true},
    {OPTION_DIALS_PER_SECOND(config_client), .nullable = true},
    {OPTION_MAX_DESCRIPTORS(config_client)},
    {OPTION_MAX_NAMES(config_client)},
    {OPTION_MAX_MEMORY(config_client)},
    {.name = "destinations", .read = read_object, FIELD(config_client, destinations),
     .fallback = "{}", .members = destination_options},
    {.name = "rate", .read = read_rates, FIELD(config_client, rate), .nullable = true},
    {.name = "quota", FIELD(config_client, quota_bytes), OPTION_QUOTA},
    {.name = "expires", .read = read_moment, FIELD(config_client, expires_ns),
     .nullable = true, .null_value = TIME_NEVER, .fallback = "null",
     .allowed = ALLOWED_MOMENT},
    {.name = NULL},
};

static const struct option client = {
    .read = read_object, ELEMENT(struct config_client), .members = client_options};

static const struct option dns_options[] = {
    OPTIONS_DNS(config_dns, ),
    {.name = NULL},
};

static const struct option limit_options[] = {
    {.name = "half_open", .read = read_integer, FIELD(config_limits, half_open),
     .fallback = "1024", .minimum = 1, .maximum = 1000000},
    {.name = "unauthenticated", .read = read_integer,
     FIELD(config_limits, unauthenticated), .fallback = "4096", .minimum = 1,
     .maximum = 1000000},
    {.name = "failures_per_minute_per_address", .read = read_integer,
     FIELD(config_limits, failures_per_minute_per_address), .fallback = "1920",
     .minimum = 1, .maximum = 1000000},
    {.name = "buffered_bytes", .read = read_size, FIELD(config_limits, buffered_bytes),
     .fallback = "\"512MiB\"", .minimum = 1 << 20, .maximum = UINT64_C(1) << 40},
    {.name = "streams", .read = read_integer, FIELD(config_limits, streams),
     .fallback = "131072", .minimum = 1, .maximum = 10000000},
    {.name = "flows", .read = read_integer, FIELD(config_limits, flows),
     .fallback = "16384", .minimum = 1, .maximum = 1000000},
    {OPTION_MAX_SESSIONS(config_limits), .fallback = "16"},
    {OPTION_MAX_STREAMS(config_limits), .fallback = "16384"},
    {OPTION_MAX_FLOWS(config_limits), .fallback = "1024"},
    {OPTION_DIALS_PER_SECOND(config_limits), .fallback = "1000"},
    {OPTION_MAX_DESCRIPTORS(config_limits)},
    {OPTION_MAX_NAMES(config_limits)},
    {OPTION_MAX_MEMORY(config_limits)},
    {.name = NULL},
};

static const struct option relay_options[] = {
    {.name = "listen", .read = read_list, FIELD(config_relay, listen), .fallback = "[{}]",
     .minimum = 1, .maximum = 64, .element = &listener, .check = spell_out_listeners,
     .allowed = "objects with address and ports"},
    {OPTION_PRIVATE_KEY_FILE, FIELD(config_relay, private_key_file)},
    {.name = "clients", .read = read_list, FIELD(config_relay, clients), .required = true,
     .maximum = 65536, .element = &client, .check = check_clients, .lenient = true,
     .allowed = "objects with name and public_key"},
    {.name = "destinations", .read = read_object, FIELD(config_relay, destinations),
     .fallback = "{}", .members = destination_options},
    {.name = "udp", .read = read_boolean, FIELD(config_relay, udp), .fallback = "true"},
    {.name = "dns", .read = read_object, FIELD(config_relay, dns), .fallback = "{}",
     .members = dns_options},
    {.name = "workers", .read = read_integer, FIELD(config_relay, workers),
     .fallback = "1", .minimum = 1, .maximum = 64},
    {.name = "rate", .read = read_rates, FIELD(config_relay, rate), .nullable = true},
    {.name = "server_id", .read = read_integer, FIELD(config_relay, server_id),
     .fallback = "1", .minimum = 1, .maximum = 255},
    {OPTION_LINGER, FIELD(config_relay, linger_ns)},
    {OPTION_TIMEOUTS, FIELD(config_relay, timeouts)},
    {OPTION_CONGESTION_CONTROL, FIELD(config_relay, congestion_control)},
    {OPTION_STATE_FILE, FIELD(config_relay, state_file)},
    {OPTION_CONTROL, FIELD(config_relay, control)},
    {.name = "limits", .read = read_object, FIELD(config_relay, limits), .fallback = "{}",
     .members = limit_options},
    {.name = NULL},
};

const struct option relay_root = {
    .read = read_object, ELEMENT(struct config_relay), .members = relay_options};
/* clang-format on */
