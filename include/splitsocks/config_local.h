/* The configuration of `splitsocks local` and `splitsocks connect`: local.json. */
#ifndef SPLITSOCKS_CONFIG_LOCAL_H
#define SPLITSOCKS_CONFIG_LOCAL_H

#include <splitsocks/config.h>

enum config_protocol { CONFIG_PROTOCOL_SOCKS5 };

/* The scheduler of streams. */
enum config_mode { CONFIG_MODE_SPLIT };

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

struct config_listener {
    enum config_protocol protocol;
    struct address address; /* port 0: the kernel chooses one */
    struct config_users users;
};

struct config_listeners {
    const struct config_listener *items; /* at least one */
    size_t count;
};

/* What the session engine can tell apart. */
#define CONFIG_PATHS_MAX 16

/* One way out of this machine. At least one of the two is given. */
struct config_path {
    const char *interface; /* NULL: any; shorter than IFNAMSIZ */
    struct address source; /* family ADDRESS_NONE: the kernel's choice; port 0 */
};

struct config_paths {
    const struct config_path *items;
    size_t count; /* 0: one path, what the kernel routes */
};

struct config_relay_endpoint {
    const char *host;          /* a DNS name, or an address literal without brackets */
    struct config_ports ports; /* at least one */
    uint8_t public_key[CONFIG_KEY_SIZE];
};

/* 0 <= idle <= size <= burst, 1 <= size. */
struct config_pool {
    uint32_t size;           /* open subflows while data waits */
    uint32_t idle;           /* kept usable when nothing waits */
    uint32_t burst;          /* never more than this are open, handshakes counted */
    double dials_per_second; /* > 0; 0: no ceiling until a dial fails */
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
    struct config_addresses servers; /* with ports; count 0: those of the system */
};

struct config_local {
    struct config_relay_endpoint relay;
    const char *private_key_file; /* as written */
    struct config_listeners listen;
    struct config_paths paths;
    enum config_mode mode;
    struct config_pool pool;
    const char *congestion_control; /* NULL: the kernel's default */
    uint32_t chunk_size;            /* bytes on the wire, 64..16384; may exceed a budget */
    struct config_budget budget;
    struct config_local_dns dns;
    uint64_t linger_ns;
    struct config_strings warnings; /* FILE:LINE: PATH: text; the app logs each */
    struct config_memory *memory;   /* owned; of no use outside the configuration */
};

/* Parses `length` bytes of JSON. `file_name` is used in messages alone. On success *out
 * is a new configuration, for config_local_free(), and `error` is left alone; else *out
 * is NULL, `error` is filled in and its code returned. */
int config_local_parse(const char *text, size_t length, const char *file_name,
                       struct config_local **out, struct config_error *error) MUST_CHECK;
/* Wipes and frees it. NULL is allowed. */
void config_local_free(struct config_local *config);

#endif
