/* SPDX-License-Identifier: MIT */
#include "local_parts.h"

#include <string.h>
#include <strings.h>

/* RFC 1929: a length is one byte, and not zero. */
#define CREDENTIAL_MAX 255
#define USERS_MAX 4096
/* Connections to one target. All connections of a forward listener have the same target,
 * and a loop that cannot be seen in addresses makes so many within a second. SOCKS clients
 * may have good reasons for many more, but must leave a quarter of the streams that a
 * relay allows a session by default (max_streams, 16384) for other targets. */
#define PER_TARGET_FORWARD 1024
#define PER_TARGET_SOCKS 12288
#define PER_TARGET_MAX 1000000

/* The message does not show the value: it may be a password. */
static int refuse_password(struct reader *reader, const struct place *place)
{
    return report(reader, place, ERROR_INVALID,
                  "found something else than a password; allowed: a text of 1 to %d bytes",
                  CREDENTIAL_MAX);
}

static int read_user(struct reader *reader, const struct place *at, json_t *password,
                     struct config_user *user)
{
    size_t length = strlen(at->key);

    if (length == 0 || length > CREDENTIAL_MAX)
        return report(reader, at, ERROR_INVALID,
                      "found a name of %zu bytes; allowed: 1 to %d", length,
                      CREDENTIAL_MAX);
    length = json_string_length(password);
    if (length == 0 || length > CREDENTIAL_MAX)
        return refuse_password(reader, at);
    user->name = memory_take_string(reader->memory, at->key);
    user->password = memory_take_string(reader->memory, json_string_value(password));
    return user->name != NULL && user->password != NULL ? OK : report_memory(reader);
}

static int read_users(struct reader *reader, const struct place *place,
                      const struct option *option, json_t *value, void *field)
{
    struct config_users *users = field;
    struct place at = {.parent = place};
    struct config_user *items;
    json_t *password;
    size_t count = json_object_size(value); /* 0 if it is not an object */
    int result = OK;

    if (count == 0 || count > USERS_MAX)
        return refuse(reader, place, option, value,
                      "an object of 1 to %d names, each with its password", USERS_MAX);
    items = memory_take_array(reader->memory, count, sizeof(items[0]));
    if (items == NULL)
        return report_memory(reader);
    json_object_foreach(value, at.key, password) {
        result = first_error(result, read_user(reader, &at, password, &items[at.index]));
        if (result == ERROR_MEMORY)
            return result;
        at.index++;
    }
    *users = (struct config_users){.items = items, .count = count};
    return result;
}

/* Each protocol has a key that it needs and one that it does not use. */
static int check_protocol(struct reader *reader, const struct place *place, json_t *value,
                          const struct config_listener *listener)
{
    bool forward = listener->protocol == CONFIG_PROTOCOL_FORWARD;
    struct place at;
    int result = OK;

    if (forward && listener->to.host == NULL) {
        at = member_place(place, value, "to");
        result = report(reader, &at, ERROR_INVALID,
                        "found nothing; allowed: the host and port that connections are "
                        "forwarded to, such as \"rdp.example.net:3389\"");
    }
    if (forward && json_object_get(value, "port") == NULL) {
        at = member_place(place, value, "port");
        result = report(reader, &at, ERROR_INVALID,
                        "found nothing; allowed: the port to listen on, since \"forward\" "
                        "has no usual one");
    }
    if (forward && listener->users.count > 0) {
        at = member_place(place, value, "users");
        result = report(reader, &at, ERROR_INVALID,
                        "found users, whom \"forward\" cannot ask for a password; allowed: "
                        "leave it out");
    }
    if (!forward && listener->network != CONFIG_NETWORK_TCP) {
        at = member_place(place, value, "network");
        result = report(reader, &at, ERROR_INVALID,
                        "found a network, but each SOCKS client chooses its own; allowed: "
                        "leave it out, or protocol \"forward\"");
    }
    if (!forward && listener->to.host != NULL) {
        at = member_place(place, value, "to");
        result =
            report(reader, &at, ERROR_INVALID,
                   "found a target, but a SOCKS client names its own; allowed: leave it "
                   "out, or protocol \"forward\"");
    }
    return result;
}

static int check_listener(struct reader *reader, const struct place *place, json_t *value,
                          void *field)
{
    struct config_listener *listener = field;
    struct place address = member_place(place, value, "address");
    int error = check_protocol(reader, place, value, listener);

    if (json_object_get(value, "max_per_target") == NULL)
        listener->max_per_target = listener->protocol == CONFIG_PROTOCOL_FORWARD
                                       ? PER_TARGET_FORWARD
                                       : PER_TARGET_SOCKS;

    if (error != OK || address_is_loopback(&listener->address) || listener->users.count > 0)
        return error;
    if (listener->protocol == CONFIG_PROTOCOL_FORWARD)
        return warn(
            reader, &address,
            "this is not a loopback address: every machine that reaches it is connected "
            "to the target");
    return warn(
        reader, &address,
        "this is not a loopback address, and there are no users: every machine that "
        "reaches it can use the proxy without a password");
}

static int check_pair(struct reader *reader, const struct place *place,
                      const struct config_listener *one,
                      const struct config_listener *other)
{
    char text[ADDRESS_TEXT_SIZE];
    int result = OK;

    if (one->address.port != 0 && (one->network & other->network) != 0 &&
        address_equal(&one->address, &other->address))
        result = report(reader, place, ERROR_INVALID,
                        "found %s a second time; allowed: each address and port once",
                        address_format(&one->address, text));
    if (one->name != NULL && other->name != NULL && strcmp(one->name, other->name) == 0)
        result = report(reader, place, ERROR_INVALID,
                        "found the name \"%s\" a second time; allowed: names that differ",
                        one->name);
    return result;
}

/* Whether a forward listener's target is `other`, on this machine. Names other than
 * "localhost" cannot be checked here. */
static bool leads_to(const struct config_listener *from,
                     const struct config_listener *other)
{
    const struct config_host_port *to = &from->to;
    const struct address *bound = &other->address;
    struct address plain;

    if (to->host == NULL || to->port != bound->port ||
        (from->network & other->network) == 0)
        return false;
    if (strcasecmp(to->host, "localhost") == 0)
        return address_is_any(bound) || address_is_loopback(bound);
    if (address_parse(&plain, to->host) != OK)
        return false;
    plain = address_unmap(&plain);
    if (plain.family != bound->family)
        return false;
    if (address_is_any(&plain)) /* connect(2) treats it as loopback */
        return address_is_any(bound) || address_is_loopback(bound);
    return address_is_any(bound) ? address_is_loopback(&plain)
                         : memcmp(plain.bytes, bound->bytes, sizeof(plain.bytes)) == 0;
}

#define LOOP_WARNING \
    "on this machine this is a listener of this file: connections would come back, and are " \
    "refused unless the relay runs on another machine, whose own port this is"

/* Only a warning: the relay may be another machine, whose loopback addresses are meant. */
static int warn_of_loops(struct reader *reader, const struct place *place, json_t *value,
                         const struct config_listeners *list)
{
    int result = OK;

    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->count; j++) {
            struct place listener = {.parent = place, .index = i};
            struct place at = member_place(&listener, json_array_get(value, i), "to");

            if (leads_to(&list->items[i], &list->items[j]))
                result = first_error(result, warn(reader, &at, LOOP_WARNING));
        }
    return result;
}

int check_local_listeners(struct reader *reader, const struct place *place, json_t *value,
                          void *field)
{
    const struct config_listeners *list = field;
    int result = warn_of_loops(reader, place, value, list);

    for (size_t i = 1; i < list->count; i++) {
        struct place at = {.parent = place, .index = i};
        int error = OK;

        for (size_t j = 0; j < i && error == OK; j++)
            error = check_pair(reader, &at, &list->items[i], &list->items[j]);
        result = first_error(result, error);
    }
    return result;
}

/* One option below the other, with several words on a line: tables. */
/* clang-format off */
static const struct choice protocols[] = {
    {"socks5", CONFIG_PROTOCOL_SOCKS5, true},
    {"forward", CONFIG_PROTOCOL_FORWARD, true},
    {NULL, 0, false},
};

static const struct option listener_options[] = {
    {.name = "protocol", .read = read_choice, FIELD(config_listener, protocol),
     .fallback = "\"socks5\"", .choices = protocols},
    {OPTION_NAME, FIELD(config_listener, name)},
    {.name = "address", .read = read_address, FIELD(config_listener, address),
     .fallback = "\"127.0.0.1\"", .allowed = "an IPv4 or IPv6 address"},
    {.name = "port", .read = read_integer, FIELD(config_listener, address.port),
     .fallback = "1080", .maximum = UINT16_MAX},
    {.name = "users", .read = read_users, FIELD(config_listener, users), .nullable = true},
    {.name = "to", .read = read_host_port, FIELD(config_listener, to)},
    {OPTION_NETWORK, FIELD(config_listener, network), .fallback = "\"tcp\""},
    {OPTION_MAX_AGE, FIELD(config_listener, max_age_ns)},
    {.name = "max_per_target", .read = read_integer,
     FIELD(config_listener, max_per_target), .minimum = 1, .maximum = PER_TARGET_MAX},
    {OPTION_MODE, FIELD(config_listener, policy.mode)},
    {OPTION_COPIES, FIELD(config_listener, policy.copies)},
    {OPTION_PATH_NAMES, FIELD(config_listener, policy.path_names)},
    {.name = NULL},
};

const struct option local_listener = {
    .read = read_object, ELEMENT(struct config_listener), .members = listener_options,
    .check = check_listener};
/* clang-format on */
