/* SPDX-License-Identifier: MIT */
/* The configuration of `splitsocks local` and `splitsocks connect`: local.json. */
#ifndef SPLITSOCKS_CONFIG_LOCAL_H
#define SPLITSOCKS_CONFIG_LOCAL_H

#include <splitsocks/config/config.h>

enum config_protocol {
    CONFIG_PROTOCOL_SOCKS5,
    CONFIG_PROTOCOL_FORWARD, /* every connection goes to one fixed target */
};

/* Bits. */
enum config_network {
    CONFIG_NETWORK_TCP = 1,
    CONFIG_NETWORK_UDP = 2,
    CONFIG_NETWORK_BOTH = 3,
};

/* How streams are carried. */
enum config_mode {
    CONFIG_MODE_UNSET, /* an outer level decides */
    CONFIG_MODE_SPLIT,
    CONFIG_MODE_REDUNDANT,
    CONFIG_MODE_AUTO, /* young and interactive streams redundant, bulk split */
};

/* How streams are carried, as the whole file, a listener or a rule sets it. An inner level
 * that leaves a field unset takes it from the next outer one; the outermost leaves only
 * `paths` unset. */
struct config_policy {
    enum config_mode mode;
    uint32_t copies; /* 2..16, CONFIG_COPIES_ALL or CONFIG_COPIES_UNSET */
    uint16_t paths;  /* bit i: paths.items[i] may be used; 0: unset, all may */
    struct config_strings path_names; /* the names behind `paths` */
};

#define CONFIG_COPIES_UNSET 0
#define CONFIG_COPIES_ALL UINT32_MAX /* one copy on every path */

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
    const struct config_user *items; /* names are unique */
    size_t count;                    /* 0: no authentication */
};

/* A host with a port. */
struct config_host_port {
    const char *host; /* a DNS name, or an address literal without brackets */
    uint16_t port;
};

struct config_listener {
    enum config_protocol protocol;
    enum config_network network; /* for SOCKS5, TCP: its datagrams have other sockets */
    const char *name;       /* for rules; unique; NULL: none */
    struct address address; /* port 0: the kernel chooses one */
    struct config_users users;
    struct config_host_port to; /* only for FORWARD; else its host is NULL */
    uint32_t max_per_target;    /* connections to one target at a time */
    uint64_t max_age_ns;        /* of its flows' datagrams; 0: as config_udp has it */
    struct config_policy policy;
};

#define CONFIG_LISTENERS_MAX 64

struct config_listeners {
    const struct config_listener *items; /* at least one */
    size_t count;
};

/* The number of paths that a session can tell apart. */
#define CONFIG_PATHS_MAX 16

/* One way out of this machine. At least one of interface and source is given. */
struct config_path {
    const char *name;      /* unique; defaults to the interface or the source */
    const char *interface; /* NULL: any; shorter than IFNAMSIZ */
    struct address source; /* family ADDRESS_NONE: the kernel's choice; port 0 */
    bool backup;           /* used while no other path works */
    uint32_t cost;         /* a dearer path is filled only when cheaper ones are full */
    uint64_t bulk_after_ns; /* time before bulk; better paths are gone or full */
    uint64_t quota_bytes;   /* per calendar month; or CONFIG_UNLIMITED */
    uint64_t rate_up_bits; /* a second; 0: no bound */
    uint64_t rate_down_bits;
    enum config_mode mode; /* only for streams of this mode; UNSET: for all */
    uint32_t mtu;          /* largest IP packet; 0: found out by the engine */
};

struct config_paths {
    bool automatic; /* every interface with a default route; count is 0 */
    const struct config_path *items;
    size_t count; /* 0 without `automatic`: one path, chosen by the kernel's routes */
};

#define CONFIG_RELAY_HOSTS_MAX 8

/* Each pair of a path and a host is one path of the session. Where paths are listed, there
 * are at most CONFIG_PATHS_MAX such pairs. */
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

/* A rule holds when all of its conditions hold. An empty condition always holds; a list
 * holds when one of its elements does. */
struct config_rule {
    /* "www.example.org", "*.example.org" or "*"; in any case, perhaps with a final dot */
    struct config_strings hosts;
    struct config_blocks blocks;
    struct config_port_ranges ports;
    uint64_t listeners;                   /* bit i: listen.items[i]; 0: any */
    struct config_strings listener_names; /* the names behind `listeners` */
    enum config_network network;
    enum config_action action;
    struct config_policy policy; /* nothing is set unless the action is PROXY */
};

struct config_rules {
    const struct config_rule *items; /* the first rule that holds decides */
    size_t count;
};

/* 0 <= idle <= size <= burst, 1 <= size. */
struct config_pool {
    uint32_t size;           /* open subflows while data waits */
    uint32_t idle;           /* kept usable when nothing waits */
    uint32_t burst;          /* never more are open, handshakes counted */
    uint32_t asked;          /* the most that `size` and `burst` set by hand ask for; 0:
                                neither is set */
    double dials_per_second; /* > 0; 0: no ceiling until a dial fails */
    uint64_t keepalive_ns;   /* longest time between two PINGs on an idle subflow */
};

/* TCP payload bytes; CONFIG_BUDGET_MINIMUM <= least <= most. Both are CONFIG_UNLIMITED
 * where the configuration sets no bound. */
struct config_budget_range {
    uint64_t least;
    uint64_t most;
};

/* Bounds of one subflow, drawn from these ranges for each. */
struct config_budget {
    struct config_budget_range up;
    struct config_budget_range down;
};

#define CONFIG_BUDGET_MINIMUM 256

struct config_local_dns {
    enum config_resolve resolve;
    struct config_dns common;
};

/* Who may send datagrams to a SOCKS client's flow. */
enum config_filter {
    CONFIG_FILTER_NONE,    /* everybody */
    CONFIG_FILTER_ADDRESS, /* the addresses to which it has sent something */
};

/* UDP for SOCKS clients, and what holds for all flows. */
struct config_udp {
    bool enabled;             /* UDP ASSOCIATE is served */
    struct address advertise; /* told to clients for their datagrams; ADDRESS_NONE: the
                                 address at which the client reached us; port 0 */
    struct port_range ports;  /* of the clients' sockets; 0: the kernel's choice */
    enum config_mode mode;    /* where neither rule nor listener has one */
    uint64_t max_age_ns;      /* a datagram that has waited so long is dropped; 0: the
                                 engine's default */
    uint64_t idle_after_ns;   /* a flow without datagrams is closed */
    uint32_t max_flows;       /* at a time; the oldest gives way */
    enum config_filter filter;
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
    struct config_rate rate; /* of the whole session */
    struct config_local_dns dns;
    struct config_udp udp;
    uint64_t linger_ns;
    uint64_t mtu_retry_after_ns; /* TIME_NEVER: never */
    struct config_timeouts timeouts;
    const char *state_file; /* as written; NULL: in the default place */
    struct config_control control;
    struct config_strings warnings; /* FILE:LINE: PATH: text; the app logs each */
    struct config_memory *memory;   /* owned; only for the configuration itself */
};

/* Parses `length` bytes of JSON. `file_name` is used only in messages. On success *out is
 * a new configuration, for config_local_free(), and `error` is untouched; else *out is
 * NULL, `error` is filled in, and the code of its first problem is returned. */
int config_local_parse(const char *text, size_t length, const char *file_name,
                       struct config_local **out, struct config_error *error) MUST_CHECK;
/* Wipes and frees it. NULL is allowed. */
void config_local_free(struct config_local *config);

#endif
