/* SPDX-License-Identifier: MIT */
#include "side.h"

#include "local_parts.h"

#include <strings.h>

/* A relay gives an idle subflow up after twice this time. */
#define KEEPALIVE_MAX (45 * NS_PER_S)
#define POOL_MAX 1024
#define BURST_DEFAULT 48
#define IDLE_DEFAULT 2
#define MTU_RETRY_MAX (30 * 24 * 3600 * NS_PER_S)

static int check_pool(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    struct config_pool *pool = field;
    struct place at;
    int result = OK;

    if (json_object_get(value, "idle") == NULL)
        pool->idle = MIN(pool->size, IDLE_DEFAULT);
    if (json_object_get(value, "size") != NULL)
        pool->asked = pool->size;
    if (json_object_get(value, "burst") != NULL)
        pool->asked = pool->burst;
    else
        pool->burst = MAX(pool->size, BURST_DEFAULT);
    if (pool->idle > pool->size) {
        at = member_place(place, value, "idle");
        result =
            report(reader, &at, ERROR_INVALID, "found %u, more than size; allowed: 0 to %u",
                   pool->idle, pool->size);
    }
    if (pool->burst < pool->size) {
        at = member_place(place, value, "burst");
        result = report(reader, &at, ERROR_INVALID,
                        "found %u, less than size; allowed: %u to %d", pool->burst,
                        pool->size, POOL_MAX);
    }
    return result;
}

static int check_hosts(struct reader *reader, const struct place *place, json_t *value,
                       void *field)
{
    const struct config_strings *hosts = field;
    int result = OK;
    (void)value;

    for (size_t i = 1; i < hosts->count; i++) {
        struct place at = {.parent = place, .index = i};
        size_t j = 0;

        while (j < i && strcasecmp(hosts->items[i], hosts->items[j]) != 0)
            j++;
        if (j < i)
            result = report(reader, &at, ERROR_INVALID,
                            "found \"%s\" a second time; allowed: each host once",
                            hosts->items[i]);
    }
    return result;
}

/* A proxy that is open to other machines makes their users believe that it hides the names
 * they look up. */
static int warn_of_names(struct reader *reader, const struct place *place, json_t *value,
                         const struct config_local *config)
{
    struct place list = member_place(place, value, "listen");

    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_listener *listener = &config->listen.items[i];
        struct place at = {.parent = &list, .index = i};

        if (listener->protocol == CONFIG_PROTOCOL_SOCKS5 &&
            !address_is_loopback(&listener->address))
            return warn(reader, &at,
                        "others can use this proxy, and dns.resolve is \"local\": the "
                        "names that they ask for leave this machine in clear, to its DNS "
                        "servers and not through the relay");
    }
    return OK;
}

static int check_local(struct reader *reader, const struct place *place, json_t *value,
                       void *field)
{
    struct config_local *config = field;
    size_t paths = MAX(config->paths.count, (size_t)1), hosts = config->relay.hosts.count;
    struct place at = member_place(place, value, "paths");
    int result = OK;

    /* Entries cannot refer to a list of paths that could not be read. */
    if (member_failed(reader, local_root.members, "paths"))
        return result;
    if (paths * hosts > CONFIG_PATHS_MAX)
        result = report(reader, &at, ERROR_INVALID,
                        "found %zu, which with %zu hosts of the relay make %zu paths; "
                        "allowed: up to %d in all",
                        paths, hosts, paths * hosts, CONFIG_PATHS_MAX);
    if (member_failed(reader, local_root.members, "listen") ||
        member_failed(reader, local_root.members, "rules"))
        return result;
    result = first_error(result, resolve_local_names(reader, place, value, config));
    if (result != OK || config->dns.resolve == CONFIG_RESOLVE_RELAY)
        return result;
    return warn_of_names(reader, place, value, config);
}

/* One option below the other, with several words on a line: tables. */
/* clang-format off */
#define ALLOWED_HOST "a DNS name, or an address without brackets"

static const struct option relay_host = {
    .read = read_host, ELEMENT(const char *), .allowed = ALLOWED_HOST};

static const struct option endpoint_options[] = {
    {.name = "host", .read = read_list, FIELD(config_relay_endpoint, hosts), .lone = true,
     .required = true, .minimum = 1, .maximum = CONFIG_RELAY_HOSTS_MAX,
     .element = &relay_host, .check = check_hosts, .allowed = ALLOWED_HOST},
    {.name = "ports", .read = read_ports, FIELD(config_relay_endpoint, ports),
     .fallback = "[443]"},
    {.name = "public_key", .read = read_key, FIELD(config_relay_endpoint, public_key),
     .required = true, .allowed = ALLOWED_PUBLIC_KEY},
    {.name = NULL},
};

static const struct option pool_options[] = {
    {.name = "size", .read = read_integer, FIELD(config_pool, size), .fallback = "8",
     .minimum = 1, .maximum = POOL_MAX},
    {.name = "idle", .read = read_integer, FIELD(config_pool, idle), .maximum = POOL_MAX},
    {.name = "burst", .read = read_integer, FIELD(config_pool, burst), .minimum = 1,
     .maximum = POOL_MAX},
    {.name = "dials_per_second", .read = read_rate_per_second,
     FIELD(config_pool, dials_per_second), .nullable = true, .maximum = 1000000},
    {.name = "keepalive", .read = read_duration, FIELD(config_pool, keepalive_ns),
     .fallback = "\"45s\"", .minimum = NS_PER_S, .maximum = KEEPALIVE_MAX},
    {.name = NULL},
};

static const struct choice resolvers[] = {
    {"local", CONFIG_RESOLVE_LOCAL, true},
    {"relay", CONFIG_RESOLVE_RELAY, true},
    {NULL, 0, false},
};

static const struct option dns_options[] = {
    {.name = "resolve", .read = read_choice, FIELD(config_local_dns, resolve),
     .fallback = "\"local\"", .choices = resolvers},
    OPTIONS_DNS(config_local_dns, common.),
    {.name = NULL},
};

static const struct option local_options[] = {
    {.name = "relay", .read = read_object, FIELD(config_local, relay), .required = true,
     .members = endpoint_options, .allowed = "an object with host and public_key"},
    {OPTION_PRIVATE_KEY_FILE, FIELD(config_local, private_key_file)},
    {.name = "listen", .read = read_list, FIELD(config_local, listen), .fallback = "[{}]",
     .minimum = 1, .maximum = CONFIG_LISTENERS_MAX, .element = &local_listener,
     .check = check_local_listeners,
     .allowed = "objects, one for each address to listen on"},
    {.name = "paths", .read = read_local_paths, FIELD(config_local, paths),
     .nullable = true, .minimum = 1, .maximum = CONFIG_PATHS_MAX, .element = &local_path,
     .allowed = "objects with interface or source"},
    {OPTION_MODE, FIELD(config_local, policy.mode), .fallback = "\"split\""},
    {OPTION_COPIES, FIELD(config_local, policy.copies), .fallback = "null"},
    {.name = "rules", .read = read_list, FIELD(config_local, rules), .fallback = "[]",
     .maximum = RULES_MAX, .element = &local_rule, .check = check_local_rules,
     .allowed = "objects, the first of which whose conditions hold decides"},
    {.name = "pool", .read = read_object, FIELD(config_local, pool), .fallback = "{}",
     .members = pool_options, .check = check_pool},
    {OPTION_CONGESTION_CONTROL, FIELD(config_local, congestion_control)},
    {.name = "chunk_size", .read = read_size, FIELD(config_local, chunk_size),
     .fallback = "16384", .minimum = 64, .maximum = 16384},
    {.name = "budget", .read = read_local_budget, FIELD(config_local, budget),
     .fallback = "\"auto\""},
    {.name = "rate", .read = read_rates, FIELD(config_local, rate), .nullable = true},
    {.name = "dns", .read = read_object, FIELD(config_local, dns), .fallback = "{}",
     .members = dns_options},
    {.name = "udp", .read = read_object, FIELD(config_local, udp), .fallback = "{}",
     .members = udp_options},
    {OPTION_LINGER, FIELD(config_local, linger_ns)},
    {.name = "mtu_retry", .read = read_duration, FIELD(config_local, mtu_retry_after_ns),
     .nullable = true, .null_value = TIME_NEVER, .fallback = "\"10m\"",
     .minimum = NS_PER_S, .maximum = MTU_RETRY_MAX},
    {OPTION_TIMEOUTS, FIELD(config_local, timeouts)},
    {OPTION_STATE_FILE, FIELD(config_local, state_file)},
    {OPTION_CONTROL, FIELD(config_local, control)},
    {.name = NULL},
};

const struct option local_root = {
    .read = read_object, ELEMENT(struct config_local), .members = local_options,
    .check = check_local, .lenient = true};
/* clang-format on */
