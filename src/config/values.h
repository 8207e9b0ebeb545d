/* SPDX-License-Identifier: MIT */
/* Readers for the types of values. The types of their fields are in brackets. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "schema.h"

value_reader read_integer; /* minimum..maximum [uint8_t, uint16_t, uint32_t, uint64_t] */
value_reader read_rate_per_second; /* a number above 0, up to maximum [double] */
value_reader read_size;            /* bytes, minimum..maximum [uint32_t, uint64_t] */
value_reader read_rate;            /* bits a second, minimum..maximum [uint64_t] */
value_reader read_rates;           /* of both directions [struct config_rate] */
value_reader read_boolean;         /* true or false [bool] */
value_reader read_duration;        /* minimum..maximum, in ns [uint64_t] */
value_reader read_moment;          /* a date or time of UTC, in ns since 1970 [uint64_t] */
value_reader read_choice;          /* of option->choices [an enum] */
value_reader read_string;  /* minimum..maximum bytes, option->valid [const char *] */
value_reader read_key;     /* base64 [uint8_t[CONFIG_KEY_SIZE]] */
value_reader read_address; /* a literal; leaves the port alone [struct address] */
value_reader read_server;  /* a literal with an optional port, else 53 [struct address] */
value_reader read_block;   /* [struct address_block] */
value_reader read_ports;   /* numbers and "A-B" [struct config_ports] */
value_reader read_port_range; /* a number or "A-B" [struct port_range] */
value_reader read_host;       /* a name or an address, as host_parse() [const char *] */
value_reader read_host_port;  /* "host:port" [struct config_host_port] */
value_reader read_control;    /* a file's name or null [struct config_control] */

/* For option->valid. */
bool valid_host_pattern(const char *text); /* a name, "*.name" or "*" */
bool valid_congestion_control(const char *text);
bool valid_interface(const char *text);
bool valid_label(const char *text);
/* For option->allowed. */
#define ALLOWED_PUBLIC_KEY \
    "a public key as keygen prints it, 44 characters of base64 for 32 bytes"
#define ALLOWED_MOMENT \
    "a date of UTC, as \"2027-12-31\", or a time, as \"2027-12-31T18:00:00Z\""

/* Options that local and relay share; each table adds the rest. */
/* clang-format off */
#define OPTION_PRIVATE_KEY_FILE \
    .name = "private_key_file", .read = read_string, .required = true, .minimum = 1, \
    .maximum = 4095, .allowed = "the name of a file, relative to this one"
#define OPTION_STATE_FILE \
    .name = "state_file", .read = read_string, .nullable = true, .minimum = 1, \
    .maximum = 4095, .allowed = "the name of a file, relative to this one"
#define OPTION_CONTROL \
    .name = "control", .read = read_control, .minimum = 1, .maximum = 4095, \
    .allowed = "the name of a socket, relative to this file, or null"
#define OPTION_LINGER \
    .name = "linger", .read = read_duration, .fallback = "\"120s\"", \
    .maximum = 24 * 3600 * NS_PER_S
#define OPTION_CONGESTION_CONTROL \
    .name = "congestion_control", .read = read_string, .nullable = true, .minimum = 1, \
    .maximum = CONFIG_CONGESTION_CONTROL_SIZE - 1, .valid = valid_congestion_control, \
    .allowed = "a name that the kernel knows, such as \"bbr\""
#define OPTION_RATE \
    .read = read_rate, .nullable = true, .minimum = CONFIG_RATE_MINIMUM, \
    .maximum = CONFIG_RATE_MAXIMUM
#define OPTION_QUOTA \
    .read = read_size, .nullable = true, .null_value = CONFIG_UNLIMITED, \
    .fallback = "null", .minimum = UINT64_C(1) << 20, .maximum = UINT64_C(1) << 50
#define OPTION_TIMEOUTS \
    .name = "timeouts", .read = read_object, .fallback = "{}", .members = timeout_options
/* The defaults. With an hour and a few thousand names, home routers and filtering services
 * get few queries; with a minute for missing names, new names are found soon. See
 * splitsocks.conf(5). */
#define OPTIONS_DNS(type, member) \
    {.name = "servers", .read = read_list, .nullable = true, .minimum = 1, .maximum = 8, \
     .element = &dns_server, .allowed = "addresses with an optional port", \
     FIELD(type, member servers)}, \
    {.name = "timeout", .read = read_duration, .fallback = "\"8s\"", \
     .minimum = NS_PER_S / 10, .maximum = 60 * NS_PER_S, FIELD(type, member timeout_ns)}, \
    {.name = "cache", .read = read_integer, .fallback = "4096", .maximum = 1000000, \
     FIELD(type, member cache)}, \
    {.name = "max_ttl", .read = read_duration, .fallback = "\"1h\"", \
     .maximum = 24 * 3600 * NS_PER_S, FIELD(type, member max_ttl_ns)}, \
    {.name = "max_negative_ttl", .read = read_duration, .fallback = "\"30s\"", \
     .maximum = 3 * 3600 * NS_PER_S, FIELD(type, member max_negative_ttl_ns)}, \
    {.name = "max_waiting", .read = read_integer, .fallback = "4096", .minimum = 1, \
     .maximum = 1000000, FIELD(type, member max_waiting)}
/* clang-format on */

/* Elements of lists. */
extern const struct option dns_server;
extern const struct option port_range;
#define PORT_RANGES_MAX 256
extern const struct option timeout_options[]; /* timeouts.c */

#endif
