/* SPDX-License-Identifier: MIT */
/*
 * The ways to the relay, and which of them may be used now.
 *
 * Path i of the session is local path i / hosts to host i % hosts of the relay. The local
 * paths are those of the configuration; or the one that the kernel routes; or, automatic,
 * one for each interface that has a default route, in the order of their appearance. The
 * table watches the interfaces and the quotas, and tells the session which paths are
 * usable and the log why.
 */
#ifndef SPLITSOCKS_PATH_TABLE_H
#define SPLITSOCKS_PATH_TABLE_H

#include <splitsocks/base/log.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/outage_log.h>
#include <splitsocks/local/limit_memory.h>
#include <splitsocks/local/local_path.h>
#include <splitsocks/local/packet_memory.h>
#include <splitsocks/local/path_quota.h>
#include <splitsocks/local/path_watch.h>

/* A local path. */
struct path_slot {
    struct local_path path;
    const struct config_path *config; /* borrowed; NULL: the configuration lists none */
    const char *name;                 /* borrowed; for the log */
    bool taken;                       /* automatic: an interface has this slot */
    bool seen;                        /* `view` is valid */
    struct local_path_view view;
    struct outage_log outage; /* of its interface, address or quota */
    struct log_limit log_limit;
};

struct path_table {
    const struct config_local *config; /* borrowed */
    void (*moved)(void *context); /* the machine may be in another network now */
    void *context;
    struct driver *driver;             /* borrowed; NULL while there is no session */
    struct path_watch watch;
    struct path_quota quota;
    struct packet_memory packets;
    struct limit_memory limits;
    unsigned slot_count, host_count;
    bool forbidden; /* this process may not bind to interfaces */
    bool automatic;
    bool looked;    /* the interfaces are known */
    bool quiet;     /* of a retired local, which logs nothing */
    struct path_slot slots[SESSION_PATHS_MAX];
    /* Of the session's paths; the log has reported that one works. */
    struct outage_log outages[SESSION_PATHS_MAX];
    bool told_up[SESSION_PATHS_MAX];
};

_Static_assert(CONFIG_PATHS_MAX <= SESSION_PATHS_MAX, "paths fit the engine");

/* `state` keeps quotas, packet sizes and limits, borrowed. `moved` is called from the loop
 * when interfaces, addresses or routes have changed. */
void path_table_init(struct path_table *table, struct ev_loop *loop,
                     const struct config_local *config, struct state_file *state,
                     void (*moved)(void *context), void *context);
/* Not needed for a zeroed one. */
void path_table_deinit(struct path_table *table);

/* For session_config.path_count. */
unsigned path_table_count(const struct path_table *table);
/* A driver has a new session, or is about to lose it (NULL). */
void path_table_attach(struct path_table *table, struct driver *driver);
/* SESSION_PATH_UP, _DOWN and _PACKETS, and SESSION_LIMIT: logs them, and remembers packet
 * sizes and limits. */
void path_table_note(struct path_table *table, const struct session_event *event);

/* "wlan0", or "wlan0 to HOST" when the relay has several. Returns `text`. */
#define PATH_TABLE_NAME_SIZE 384
const char *path_table_name(const struct path_table *table, unsigned index,
                            char text[PATH_TABLE_NAME_SIZE]);
static inline unsigned path_table_host(const struct path_table *table, unsigned index)
{
    return index % table->host_count;
}
static inline const struct path_slot *path_table_slot(const struct path_table *table,
                                                      unsigned index)
{
    return &table->slots[index / table->host_count];
}
/* Turns the bits of config_policy.paths into those of the session's paths. */
uint16_t path_table_bits(uint16_t paths, size_t host_count);

#endif
