#include <splitsocks/config_local.h>

#include "schema.h"
#include "values.h"

#include <string.h>

#define POOL_MAX 1024
#define BURST_DEFAULT 48
#define IDLE_DEFAULT 2
/* IFNAMSIZ of linux/if.h, without the final zero. */
#define INTERFACE_MAX 15
/* RFC 1929: a length is one byte, and not zero. */
#define CREDENTIAL_MAX 255
#define USERS_MAX 4096

/* The value is not shown: it may be a password. */
static int refuse_password(struct reader *reader, const struct place *place)
{
    return report(reader, place, ERROR_INVALID,
                  "found something else than a password; allowed: a text of 1 to %d bytes",
                  CREDENTIAL_MAX);
}

static int read_users(struct reader *reader, const struct place *place,
                      const struct option *option, json_t *value, void *field)
{
    struct config_users *users = field;
    struct place at = {.parent = place};
    struct config_user *items;
    json_t *password;
    size_t count = json_object_size(value); /* 0 when it is no object */

    if (count == 0 || count > USERS_MAX)
        return refuse(reader, place, option, value,
                      "an object of 1 to %d names, each with its password", USERS_MAX);
    items = memory_take_array(reader->memory, count, sizeof(items[0]));
    if (items == NULL)
        return report_memory(reader);
    json_object_foreach(value, at.key, password) {
        size_t length = strlen(at.key);
        struct config_user *user = &items[at.index];

        if (length == 0 || length > CREDENTIAL_MAX)
            return report(reader, &at, ERROR_INVALID,
                          "found a name of %zu bytes; allowed: 1 to %d", length,
                          CREDENTIAL_MAX);
        length = json_string_length(password);
        if (length == 0 || length > CREDENTIAL_MAX)
            return refuse_password(reader, &at);
        user->name = memory_take_string(reader->memory, at.key);
        user->password = memory_take_string(reader->memory, json_string_value(password));
        if (user->name == NULL || user->password == NULL)
            return report_memory(reader);
        at.index++;
    }
    *users = (struct config_users){.items = items, .count = count};
    return OK;
}

static bool is_loopback(const struct address *address)
{
    static const struct address_block loopback[] = {
        {{.family = ADDRESS_IPV4, .bytes = {127}}, 8},
        {{.family = ADDRESS_IPV6, .bytes = {[15] = 1}}, 128},
    };
    struct address plain = address_unmap(address);

    return address_in_block(&plain, &loopback[0]) || address_in_block(&plain, &loopback[1]);
}

static int check_listener(struct reader *reader, const struct place *place, json_t *value,
                          void *field)
{
    const struct config_listener *listener = field;
    struct place address = member_place(place, value, "address");

    if (is_loopback(&listener->address) || listener->users.count > 0)
        return OK;
    return warn(reader, &address,
                "this is no loopback address, and there are no users: whoever reaches it "
                "can use the proxy without a password");
}

static int check_listeners(struct reader *reader, const struct place *place, json_t *value,
                           void *field)
{
    const struct config_listeners *list = field;
    (void)value;

    for (size_t i = 1; i < list->count; i++) {
        for (size_t j = 0; j < i; j++) {
            struct place at = {.parent = place, .index = i};
            char text[ADDRESS_TEXT_SIZE];

            if (list->items[i].address.port != 0 &&
                address_equal(&list->items[i].address, &list->items[j].address))
                return report(reader, &at, ERROR_INVALID,
                              "found %s a second time; allowed: each address and port once",
                              address_format(&list->items[i].address, text));
        }
    }
    return OK;
}

static int check_path(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    const struct config_path *path = field;
    (void)value;

    if (path->interface == NULL && path->source.family == ADDRESS_NONE)
        return report(reader, place, ERROR_INVALID,
                      "found neither interface nor source; allowed: one of them, or both");
    return OK;
}

static int read_paths(struct reader *reader, const struct place *place,
                      const struct option *option, json_t *value, void *field)
{
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0)
        return report(reader, place, ERROR_UNSUPPORTED,
                      "found \"auto\", which is not supported yet; allowed: a list of "
                      "objects with interface or source, or null");
    return read_list(reader, place, option, value, field);
}

static int check_pool(struct reader *reader, const struct place *place, json_t *value,
                      void *field)
{
    struct config_pool *pool = field;
    struct place at;

    if (json_object_get(value, "idle") == NULL)
        pool->idle = MIN(pool->size, IDLE_DEFAULT);
    if (json_object_get(value, "burst") == NULL)
        pool->burst = MAX(pool->size, BURST_DEFAULT);
    if (pool->idle > pool->size) {
        at = member_place(place, value, "idle");
        return report(reader, &at, ERROR_INVALID,
                      "found %u, more than size; allowed: 0 to %u", pool->idle, pool->size);
    }
    if (pool->burst < pool->size) {
        at = member_place(place, value, "burst");
        return report(reader, &at, ERROR_INVALID,
                      "found %u, less than size; allowed: %u to %d", pool->burst,
                      pool->size, POOL_MAX);
    }
    return OK;
}

/* One option after the other, several words to a line: tables. */
/* clang-format off */
static const struct option relay_options[] = {
    {.name = "host", .read = read_string, FIELD(config_relay_endpoint, host),
     .required = true, .minimum = 1, .maximum = 254, .valid = valid_host,
     .allowed = "a DNS name, or an address without brackets"},
    {.name = "ports", .read = read_ports, FIELD(config_relay_endpoint, ports),
     .fallback = "[443]"},
    {.name = "public_key", .read = read_key, FIELD(config_relay_endpoint, public_key),
     .required = true, .allowed = ALLOWED_PUBLIC_KEY},
    {.name = NULL},
};

static const struct choice protocols[] = {
    {"socks5", CONFIG_PROTOCOL_SOCKS5, true},
    {"forward", 0, false},
    {NULL, 0, false},
};

static const struct option listener_options[] = {
    {.name = "protocol", .read = read_choice, FIELD(config_listener, protocol),
     .fallback = "\"socks5\"", .choices = protocols},
    {.name = "address", .read = read_address, FIELD(config_listener, address),
     .fallback = "\"127.0.0.1\"", .allowed = "an IPv4 or IPv6 address"},
    {.name = "port", .read = read_integer, FIELD(config_listener, address.port),
     .fallback = "1080", .maximum = UINT16_MAX},
    {.name = "users", .read = read_users, FIELD(config_listener, users), .nullable = true},
    {.name = "to", .read = read_unsupported, .allowed = NOT_YET},
    {.name = "mode", .read = read_unsupported, .allowed = NOT_YET},
    {.name = NULL},
};

static const struct option listener = {
    .read = read_object, ELEMENT(struct config_listener), .members = listener_options,
    .check = check_listener};

static const struct option path_options[] = {
    {.name = "interface", .read = read_string, FIELD(config_path, interface),
     .minimum = 1, .maximum = INTERFACE_MAX, .valid = valid_interface,
     .allowed = "the name of a network interface"},
    {.name = "source", .read = read_address, FIELD(config_path, source),
     .allowed = "an IPv4 or IPv6 address of this machine"},
    {.name = "rate_up", .read = read_unsupported, .nullable = true, .allowed = ONLY_NULL},
    {.name = "rate_down", .read = read_unsupported, .nullable = true, .allowed = ONLY_NULL},
    {.name = "backup", .read = read_unsupported, .allowed = NOT_YET},
    {.name = NULL},
};

static const struct option path = {
    .read = read_object, ELEMENT(struct config_path), .members = path_options,
    .check = check_path};

static const struct choice modes[] = {
    {"split", CONFIG_MODE_SPLIT, true},
    {"redundant", 0, false},
    {"coded", 0, false},
    {NULL, 0, false},
};

static const struct option pool_options[] = {
    {.name = "size", .read = read_integer, FIELD(config_pool, size), .fallback = "8",
     .minimum = 1, .maximum = POOL_MAX},
    {.name = "idle", .read = read_integer, FIELD(config_pool, idle), .maximum = POOL_MAX},
    {.name = "burst", .read = read_integer, FIELD(config_pool, burst), .minimum = 1,
     .maximum = POOL_MAX},
    {.name = "dials_per_second", .read = read_rate_per_second,
     FIELD(config_pool, dials_per_second), .nullable = true, .maximum = 1000000},
    {.name = NULL},
};

#define OPTION_BUDGET \
    .read = read_size, .nullable = true, .null_value = CONFIG_UNLIMITED, \
    .fallback = "\"1MiB\"", .minimum = CONFIG_BUDGET_MINIMUM, .maximum = UINT64_C(1) << 40

static const struct option budget_options[] = {
    {.name = "up", FIELD(config_budget, up), OPTION_BUDGET},
    {.name = "down", FIELD(config_budget, down), OPTION_BUDGET},
    {.name = NULL},
};

static const struct option rate_options[] = {
    {.name = "up", .read = read_unsupported, .nullable = true, .allowed = ONLY_NULL},
    {.name = "down", .read = read_unsupported, .nullable = true, .allowed = ONLY_NULL},
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
    {OPTION_DNS_SERVERS, FIELD(config_local_dns, servers)},
    {.name = NULL},
};

static const struct option local_options[] = {
    {.name = "relay", .read = read_object, FIELD(config_local, relay), .required = true,
     .members = relay_options, .allowed = "an object with host and public_key"},
    {OPTION_PRIVATE_KEY_FILE, FIELD(config_local, private_key_file)},
    {.name = "listen", .read = read_list, FIELD(config_local, listen), .fallback = "[{}]",
     .minimum = 1, .maximum = 64, .element = &listener, .check = check_listeners,
     .allowed = "objects, one for each address to listen on"},
    {.name = "paths", .read = read_paths, FIELD(config_local, paths), .nullable = true,
     .minimum = 1, .maximum = CONFIG_PATHS_MAX, .element = &path,
     .allowed = "objects with interface or source"},
    {.name = "mode", .read = read_choice, FIELD(config_local, mode),
     .fallback = "\"split\"", .choices = modes},
    {.name = "rules", .read = read_unsupported, .allowed = NOT_YET},
    {.name = "pool", .read = read_object, FIELD(config_local, pool), .fallback = "{}",
     .members = pool_options, .check = check_pool},
    {OPTION_CONGESTION_CONTROL, FIELD(config_local, congestion_control)},
    {.name = "chunk_size", .read = read_size, FIELD(config_local, chunk_size),
     .fallback = "16384", .minimum = 64, .maximum = 16384},
    {.name = "budget", .read = read_object, FIELD(config_local, budget), .fallback = "{}",
     .members = budget_options},
    {.name = "rate", .read = read_object, .nullable = true, .members = rate_options},
    {.name = "dns", .read = read_object, FIELD(config_local, dns), .fallback = "{}",
     .members = dns_options},
    {OPTION_LINGER, FIELD(config_local, linger_ns)},
    {.name = NULL},
};

static const struct option root = {
    .read = read_object, ELEMENT(struct config_local), .members = local_options};
/* clang-format on */

int config_local_parse(const char *text, size_t length, const char *file_name,
                       struct config_local **out, struct config_error *error)
{
    struct reader reader = {
        .text = text, .length = length, .file_name = file_name, .error = error};
    struct config_local *config = schema_parse(&reader, &root);

    *out = config;
    if (config == NULL)
        return error->code;
    config->memory = reader.memory;
    config->warnings = reader.warnings;
    return OK;
}

void config_local_free(struct config_local *config)
{
    if (config != NULL)
        memory_free(config->memory);
}
