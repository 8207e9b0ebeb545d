/* SPDX-License-Identifier: MIT */
/*
 * Local: connects the subflows that a session asks for, each by its path to its host of the
 * relay, and tells the log what comes of it.
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
    unsigned dials;                                    /* so far */
    /* errno of each path's last dial, told once until one succeeds; 0: it did. */
    int errors[SESSION_PATHS_MAX];
    /* Why this machine itself keeps each path from working; "": it does not. */
    char blocked[SESSION_PATHS_MAX][PATH_ADVICE_SIZE];
    struct address last[SESSION_PATHS_MAX]; /* where each path has dialled last */
    /* Of each path: connections in a row that did not turn out to lead to the relay. Each
     * is told once, until the relay is heard there. */
    struct path_strangers {
        unsigned unanswered; /* HELLOs without an answer */
        unsigned strange;    /* somebody else has ended or answered them */
        uint64_t strange_ns; /* when the first was */
        struct address at;   /* of the last of either; ADDRESS_NONE: there was none */
        bool unanswered_told, strange_told;
    } strangers[SESSION_PATHS_MAX];
};

void path_dialer_init(struct path_dialer *dialer, struct ev_loop *loop,
                      const struct config_local *config, struct resolver *resolver,
                      struct nat64_finder *finder, const struct path_table *paths,
                      struct driver *driver);
/* Not needed for one that is all zero. */
void path_dialer_deinit(struct path_dialer *dialer);

/* For driver_role.dial, .dialled, .proven and .unproven. */
void path_dialer_dial(struct path_dialer *dialer, struct subflow_io *io);
void path_dialer_dialled(struct path_dialer *dialer, const struct subflow_io *io,
                         int error);
void path_dialer_proven(struct path_dialer *dialer, const struct subflow_io *io);
void path_dialer_unproven(struct path_dialer *dialer, const struct subflow_io *io,
                          enum unproven how);

/* What is known of a path of the session, with its name in `text`; nothing of a slot that
 * no interface has got. */
void path_dialer_describe(const struct path_dialer *dialer, unsigned index,
                          char text[PATH_TABLE_NAME_SIZE], struct status_path *path);

#endif
