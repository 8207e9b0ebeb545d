/* SPDX-License-Identifier: MIT */
/*
 * Local: connects the subflows that a session asks for, each by its path to that path's
 * host of the relay, and logs the results.
 */
#ifndef SPLITSOCKS_PATH_DIALER_H
#define SPLITSOCKS_PATH_DIALER_H

#include <splitsocks/config/config_local.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/subflow_io.h>
#include <splitsocks/local/endpoint.h>
#include <splitsocks/local/path_advice.h>
#include <splitsocks/local/path_table.h>
#include <splitsocks/status/status.h>

struct path_dialer {
    const struct config_local *config; /* borrowed */
    const struct path_table *paths;    /* borrowed */
    struct driver *driver;             /* borrowed; its session may be NULL */
    struct endpoint endpoints[CONFIG_RELAY_HOSTS_MAX]; /* of relay.hosts */
    unsigned dials;                                    /* number of dials so far */
    /* errno of each path's last dial; logged once until a dial succeeds; 0: it
     * succeeded. */
    int errors[SESSION_PATHS_MAX];
    /* Why this machine itself keeps each path from working; "": it does not. */
    char blocked[SESSION_PATHS_MAX][PATH_ADVICE_SIZE];
    struct address last[SESSION_PATHS_MAX]; /* the address of each path's last dial */
    /* Of each path: connections in a row that did not prove to lead to the relay. Each
     * kind is logged once, until the relay is heard on the path. */
    struct path_strangers {
        unsigned unanswered;       /* HELLOs without an answer */
        unsigned strange;          /* ended or answered by another machine */
        uint64_t strange_since_ns; /* time of the first of these */
        struct address at;         /* address of the last of both; ADDRESS_NONE: none */
        bool unanswered_told, strange_told;
    } strangers[SESSION_PATHS_MAX];
};

void path_dialer_init(struct path_dialer *dialer, struct ev_loop *loop,
                      const struct config_local *config, struct resolver *resolver,
                      struct nat64_finder *finder, const struct path_table *paths,
                      struct driver *driver);
/* Not needed for a zeroed one. */
void path_dialer_deinit(struct path_dialer *dialer);

/* For driver_role.dial, .dialled, .proven and .unproven. */
void path_dialer_dial(struct path_dialer *dialer, struct subflow_io *io);
void path_dialer_dialled(struct path_dialer *dialer, const struct subflow_io *io,
                         int error);
void path_dialer_proven(struct path_dialer *dialer, const struct subflow_io *io);
void path_dialer_unproven(struct path_dialer *dialer, const struct subflow_io *io,
                          enum unproven how);

/* Describes a path of the session, with its name in `text`; false for a slot without an
 * interface. */
void path_dialer_describe(const struct path_dialer *dialer, unsigned index,
                          char text[PATH_TABLE_NAME_SIZE], struct status_path *path);

#endif
