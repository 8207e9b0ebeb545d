/* SPDX-License-Identifier: MIT */
/*
 * Parts that the configurations of local and relay have in common. splitsocks.conf(5)
 * describes each key for users.
 *
 * A configuration is made from a text in memory and never changes. It owns all it points
 * to, until it is freed. No file is read here: names of files are kept as written, and are
 * relative to the folder of the configuration.
 *
 * Defaults are already filled in: no field says "absent" unless its comment does.
 */
#ifndef SPLITSOCKS_CONFIG_H
#define SPLITSOCKS_CONFIG_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An X25519 public key, RFC 7748. */
#define CONFIG_KEY_SIZE 32
/* A byte count that bounds nothing (null in the file). */
#define CONFIG_UNLIMITED UINT64_MAX
/* Names of congestion controls are shorter than this, as TCP_CA_NAME_MAX has it. */
#define CONFIG_CONGESTION_CONTROL_SIZE 16

/* Why a text was refused, ready to be shown. */
struct config_problem {
    /* ERROR_MALFORMED: the text is not JSON; ERROR_INVALID: a key or value is not allowed;
     * ERROR_UNSUPPORTED: this version does not accept it yet; ERROR_MEMORY. */
    enum error code;
    unsigned line; /* from 1; 0 when memory ran out */
    size_t offset; /* in the text; orders the problems of one line */
    /* One line without a newline: FILE:LINE: JSON.path[3].key: found X; allowed: Y */
    char text[768];
};

/* More problems than a user mends before trying again. */
#define CONFIG_PROBLEMS_MAX 32

/* All problems of a text, in the order of its lines. A text that is not JSON has one
 * problem, since the rest cannot be read. */
struct config_error {
    struct config_problem problems[CONFIG_PROBLEMS_MAX];
    size_t count;    /* at least one */
    size_t left_out; /* problems beyond CONFIG_PROBLEMS_MAX */
};

/* Lists. `items` is NULL when count is 0. */
struct config_strings {
    const char *const *items;
    size_t count;
};

struct config_ports {
    const uint16_t *items; /* 1..65535, ranges spelt out, each port once, in file order */
    size_t count;
};

struct config_port_ranges {
    const struct port_range *items; /* 1 <= first <= last */
    size_t count;
};

struct config_addresses {
    const struct address *items;
    size_t count;
};

struct config_blocks {
    const struct address_block *items;
    size_t count;
};

/* After these times things end. */
struct config_timeouts {
    /* A stream whose one direction has ended, when nothing has moved in the other for so
     * long; 0: never. */
    uint64_t half_closed_after_ns;
    /* TCP's keepalive on sockets of clients and destinations begins after so long without
     * traffic; 0: no keepalive. */
    uint64_t keepalive_ns;
    /* Streams that still move, so long after the process was asked to end. */
    uint64_t stop_after_ns;
};

/* Bits a second; the least rate that may be set. Frames of control, which ignore the
 * ceiling, take some 200 bytes a second: data needs more. */
#define CONFIG_RATE_MINIMUM 16000
#define CONFIG_RATE_MAXIMUM UINT64_C(1000000000000)

/* Bits a second of a whole session, or of a client; 0: no ceiling. */
struct config_rate {
    uint64_t up_bits;
    uint64_t down_bits;
};

/* How names are resolved. */
struct config_dns {
    struct config_addresses servers; /* with ports; count 0: the system's servers */
    uint64_t timeout_ns;             /* for each name */
    uint32_t cache;                  /* entries that are kept */
    uint64_t max_ttl_ns;
    uint64_t max_negative_ttl_ns;
    uint32_t max_waiting; /* names looked up at a time */
};

/* The socket that `splitsocks status` connects to. */
struct config_control {
    bool given;       /* false: at the default place, if that is possible */
    const char *file; /* as written; NULL: no control socket */
};

/* Owns what a configuration points to. */
struct config_memory;

/* Whether the text has more keys of a relay's configuration alone than keys of a local's
 * alone. */
bool config_is_of_relay(const char *text, size_t length);

#endif
