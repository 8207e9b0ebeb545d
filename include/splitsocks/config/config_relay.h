/* SPDX-License-Identifier: MIT */
/* The configuration of `splitsocks relay`: relay.json. */
#ifndef SPLITSOCKS_CONFIG_RELAY_H
#define SPLITSOCKS_CONFIG_RELAY_H

#include <splitsocks/config/config.h>

/* One address to listen on, at each of the ports. */
struct config_relay_listener {
    struct address address;    /* port 0; an IPv6 one takes only IPv6 (V6ONLY) */
    struct config_ports ports; /* at least one */
    /* The file named no address: both 0.0.0.0 and :: are listed, and it is no error if the
     * kernel lacks one of the families. */
    bool implied;
};

struct config_relay_listeners {
    const struct config_relay_listener *items; /* at least one */
    size_t count;
};

/* Exceptions from the relay's built-in refusals (loopback, link-local, private, multicast,
 * metadata). Of the blocks that contain a destination the longest decides; of two equally
 * long ones `deny` does. If no block contains it, the built-in rules decide. */
struct config_destinations {
    struct config_blocks allow;
    struct config_blocks deny;
    struct config_port_ranges ports; /* the open ones; count 0: all but port 25 */
};

/* What one client may have and do, in all its sessions together. 0: not said; so `limits`
 * decides, and where that does not either, there is no bound of the client's own. */
struct config_bounds {
    uint32_t max_sessions;     /* at a time */
    uint32_t max_streams;      /* open at a time */
    uint32_t max_flows;        /* of datagrams, the same */
    uint32_t dials_per_second; /* connections to destinations that it may begin */
    uint32_t max_descriptors;  /* connections with local; and again so many sockets beside
                                  these, to destinations */
    uint32_t max_names;        /* being looked up */
    uint64_t max_memory;       /* bytes */
};

/* A client that the relay serves. Names and keys are unique. */
struct config_client {
    const char *name; /* for the log; 1..63 printable characters */
    uint8_t public_key[CONFIG_KEY_SIZE];
    struct config_bounds bounds;
    /* Exceptions from the relay's `destinations`, which decide where this says nothing. */
    struct config_destinations destinations;
    struct config_rate rate; /* of all its sessions together */
    uint64_t quota_bytes;    /* per calendar month; or CONFIG_UNLIMITED */
    uint64_t expires_ns; /* since 1970, when the relay stops to serve it; TIME_NEVER */
};

struct config_clients {
    const struct config_client *items;
    size_t count; /* 0: nobody is served, and there is a warning */
};

/* Bounds of the whole process, and those of each client that has no others. */
struct config_limits {
    uint32_t half_open;                       /* HELLO answered, no valid chunk yet */
    uint32_t unauthenticated;                 /* connections without a valid chunk */
    uint32_t failures_per_minute_per_address; /* IPv6: per /64 */
    uint64_t buffered_bytes;
    uint32_t streams, flows; /* open at a time, of all clients */
    struct config_bounds bounds;
};

struct config_relay {
    struct config_relay_listeners listen;
    const char *private_key_file; /* as written */
    struct config_clients clients;
    struct config_destinations destinations;
    bool udp; /* whether clients may send datagrams */
    struct config_dns dns;
    uint32_t workers;               /* threads, 1..64 */
    struct config_rate rate;        /* of all clients together */
    uint8_t server_id;              /* byte 0 of session ids, 1..255 */
    uint64_t linger_ns;
    struct config_timeouts timeouts;
    const char *congestion_control; /* NULL: the kernel's default */
    const char *state_file;         /* as written; NULL: in the default place */
    struct config_control control;
    struct config_limits limits;
    struct config_strings warnings; /* FILE:LINE: PATH: text; the app logs each */
    struct config_memory *memory;   /* owned; only for the configuration itself */
};

/* As config_local_parse(). */
int config_relay_parse(const char *text, size_t length, const char *file_name,
                       struct config_relay **out, struct config_error *error) MUST_CHECK;
/* The bounds of the client with that index: its own ones and those of `limits`. */
struct config_bounds config_relay_bounds(const struct config_relay *config, size_t index);
/* Whether some client has a quota. */
bool config_relay_has_quotas(const struct config_relay *config);
/* Wipes and frees it. NULL is allowed. */
void config_relay_free(struct config_relay *config);

#endif
