/* SPDX-License-Identifier: MIT */
/*
 * How much of their quotas the paths have used in this month, kept in the state file.
 *
 * Several processes may share the file, and so may the old and the new local during a
 * reload: each adds the bytes that it has counted itself. Bytes are TCP's payload, without
 * headers.
 */
#ifndef SPLITSOCKS_PATH_QUOTA_H
#define SPLITSOCKS_PATH_QUOTA_H

#include <splitsocks/config/config_local.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/usage_store.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct path_quota {
    struct ev_loop *loop;                /* borrowed */
    const struct config_paths *paths;    /* borrowed */
    unsigned hosts;                      /* paths of the session for each configured path */
    struct usage_store store;
    struct usage_fresh fresh[CONFIG_PATHS_MAX]; /* of `store` */
    uint64_t counted[SESSION_PATHS_MAX]; /* the session's counters when last read */
    const struct session *session;       /* borrowed; NULL: there is none */
    ev_timer timer;
    void (*changed)(void *context);
    void *context;
};

/* `changed` is called from the loop when a quota may be used up, or is open again. Session
 * path i belongs to configured path i / hosts. */
void path_quota_init(struct path_quota *quota, struct ev_loop *loop,
                     const struct config_paths *paths, unsigned hosts,
                     struct state_file *file,
                     void (*changed)(void *context), void *context);
/* Saves. Not needed for a zeroed one. */
void path_quota_deinit(struct path_quota *quota);

/* A session has begun to count from zero, or is about to end (NULL). */
void path_quota_attach(struct path_quota *quota, const struct session *session);

/* Bytes used in this month. `index` is that of a configured path. */
uint64_t path_quota_used(const struct path_quota *quota, size_t index);
bool path_quota_used_up(const struct path_quota *quota, size_t index);

#endif
