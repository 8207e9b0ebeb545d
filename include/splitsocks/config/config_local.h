/* SPDX-License-Identifier: MIT */
/* The configuration of `splitsocks local` and `splitsocks connect`: local.json. */
#ifndef SPLITSOCKS_CONFIG_LOCAL_H
#define SPLITSOCKS_CONFIG_LOCAL_H

#include <splitsocks/config/config.h>

enum config_protocol {
    CONFIG_PROTOCOL_SOCKS5,
    CONFIG_PROTOCOL_FORWARD, /* every connection goes to one fixed target */
};

/* How streams are carried. */
enum config_mode {
    CONFIG_MODE_UNSET, /* not said here: an outer level decides */
    CONFIG_MODE_SPLIT,
    CONFIG_MODE_REDUNDANT,
    CONFIG_MODE_AUTO, /* young and interactive streams redundant, bulk split */
};

/* What the whole file, a listener or a rule says about streams. What an inner level leaves
 * unset comes from the next outer one; the outermost one leaves nothing unset but paths. */
struct config_policy {
    enum config_mode mode;
    uint32_t copies; /* 2..16, CONFIG_COPIES_ALL or CONFIG_COPIES_UNSET */
    uint16_t paths;  /* bit i: paths.items[i] may be used; 0: not said, which is all */
    struct config_strings path_names; /* what `paths` was made of */
};

#define CONFIG_COPIES_UNSET 0
#define CONFIG_COPIES_ALL UINT32_MAX /* one on every path */

enum config_resolve {
    CONFIG_RESOLVE_LOCAL, /* names are resolved here; the relay gets addresses */
    CONFIG_RESOLVE_RELAY, /* names travel to the relay */
};

/* RFC 1929 credentials: each text is 1..255 bytes long. */
struct config_user {
    const char *name;
    const char *password;
};

struct config_users {
    const struct config_user *items; /* names differ */
    size_t count;                    /* 0: no authentication */
};

/* A host with a port. */
struct config_host_port {
    const char *host; /* a DNS name, or an address literal without brackets */
    uint16_t port;
};

struct config_listener {
    enum config_protocol protocol;
    const char *name;       /* for rules; unique; NULL: none */
    struct address address; /* port 0: the kernel chooses one */
    struct config_users users;
    struct config_host_port to; /* FORWARD alone; else its host is NULL */
    uint32_t max_per_target;    /* connections to one target at a time */
    struct config_policy policy;
};

#define CONFIG_LISTENERS_MAX 64

struct config_listeners {
    const struct config_listener *items; /* at least one */
    size_t count;
};

/* What the session engine can tell apart. */
#define CONFIG_PATHS_MAX 16

/* Bits a second, where a rate is given at all. Frames of control take some 200 bytes a
 * second, beyond any ceiling: data needs more. */
#define CONFIG_RATE_MINIMUM 16000
#define CONFIG_RATE_MAXIMUM UINT64_C(1000000000000)

/* One way out of this machine. Interface, source or both are given. */
struct config_path {
    const char *name;      /* unique; the interface or the source where the file has none */
    const char *interface; /* NULL: any; shorter than IFNAMSIZ */
    struct address source; /* family ADDRESS_NONE: the kernel's choice; port 0 */
    bool backup;           /* used while no other path works */
    uint32_t cost;         /* dearer paths are filled when cheaper ones are full */
    uint64_t bulk_after_ns; /* better ones are to be gone, or full, for so long before */
    uint64_t quota_bytes;  /* in a calendar month; CONFIG_UNLIMITED: any number */
    uint64_t rate_up_bits; /* a second; 0: no bound */
    uint64_t rate_down_bits;
    enum config_mode mode; /* for streams of that mode alone; UNSET: for all */
    uint32_t mtu;          /* of its IP packets; 0: found out */
};

struct config_paths {
    bool automatic; /* every interface with a default route; count is 0 */
    const struct config_path *items;
    size_t count; /* 0 without `automatic`: one path, what the kernel routes */
};

#define CONFIG_RELAY_HOSTS_MAX 8

/* Each path and each host together are one path of the session: no more than
 * CONFIG_PATHS_MAX of these, where paths are listed. */
struct config_relay_endpoint {
    struct config_strings hosts; /* names, or literals without brackets; 1..HOSTS_MAX */
    struct config_ports ports;   /* at least one */
    uint8_t public_key[CONFIG_KEY_SIZE];
};

enum config_action {
    CONFIG_ACTION_PROXY,  /* through the relay */
    CONFIG_ACTION_DIRECT, /* connected to from this machine */
    CONFIG_ACTION_BLOCK,  /* refused */
};

struct config_port_ranges {
    const struct port_range *items; /* 1 <= first <= last */
    size_t count;
};

/* A rule wins when all of its conditions hold; an empty condition always does. Of a list,
 * one element suffices. */
struct config_rule {
    /* "www.example.org", "*.example.org" or "*"; in any case, perhaps with a final dot */
    struct config_strings hosts;
    struct config_blocks blocks;
    struct config_port_ranges ports;
    uint64_t listeners;                   /* bit i: listen.items[i]; 0: any */
    struct config_strings listener_names; /* what `listeners` was made of */
    enum config_action action;
    struct config_policy policy; /* nothing is set unless the action is PROXY */
};

struct config_rules {
    const struct config_rule *items; /* the first one that wins decides */
    size_t count;
};

/* Bits a second of the whole session; 0: no ceiling. */
struct config_rate {
    uint64_t up_bits;
    uint64_t down_bits;
};

/* 0 <= idle <= size <= burst, 1 <= size. */
struct config_pool {
    uint32_t size;           /* open subflows while data waits */
    uint32_t idle;           /* kept usable when nothing waits */
    uint32_t burst;          /* never more than this are open, handshakes counted */
    double dials_per_second; /* > 0; 0: no ceiling until a dial fails */
    uint64_t keepalive_ns;   /* an idle one is asked for a sign of life so often at least */
};

/* TCP payload bytes of one subflow; at least CONFIG_BUDGET_MINIMUM, or
 * CONFIG_UNLIMITED. */
struct config_budget {
    uint64_t up;
    uint64_t down;
};

#define CONFIG_BUDGET_MINIMUM 256

struct config_local_dns {
    enum config_resolve resolve;
    struct config_dns common;
};

/* Where `splitsocks status` asks. */
struct config_control {
    bool given;       /* false: at the usual place, if there is one */
    const char *file; /* as written; NULL: nowhere */
};

struct config_local {
    struct config_relay_endpoint relay;
    const char *private_key_file; /* as written */
    struct config_listeners listen;
    struct config_paths paths;
    struct config_policy policy;
    struct config_rules rules;
    struct config_pool pool;
    const char *congestion_control; /* NULL: the kernel's default */
    uint32_t chunk_size;            /* bytes on the wire, 64..16384; may exceed a budget */
    struct config_budget budget;
    struct config_rate rate;
    struct config_local_dns dns;
    uint64_t linger_ns;
    uint64_t mtu_retry_ns; /* TIME_NEVER: never */
    struct config_timeouts timeouts;
    const char *state_file; /* as written; NULL: in the usual place */
    struct config_control control;
    struct config_strings warnings; /* FILE:LINE: PATH: text; the app logs each */
    struct config_memory *memory;   /* owned; of no use outside the configuration */
};

/* Parses `length` bytes of JSON. `file_name` is used in messages alone. On success *out
 * is a new configuration, for config_local_free(), and `error` is left alone; else *out
 * is NULL, `error` is filled in and the code of its first problem returned. */
int config_local_parse(const char *text, size_t length, const char *file_name,
                       struct config_local **out, struct config_error *error) MUST_CHECK;
/* Wipes and frees it. NULL is allowed. */
void config_local_free(struct config_local *config);

#endif
