/* SPDX-License-Identifier: MIT */
/*
 * DNS answers about a name's addresses of one family, from a cache or from the servers.
 * All callers that want the same answer at the same time share one question, and answers
 * are kept for as long as RFC 1035, RFC 2308 and RFC 9520 allow.
 */
#ifndef IO_NAME_SOURCE_H
#define IO_NAME_SOURCE_H

#include <splitsocks/base/list.h>
#include <splitsocks/config/config.h>
#include <splitsocks/names/name_cache.h>

#include <ev.h>

struct name_source;
struct question;

/* A caller that waits for an answer; embedded in the caller's object. */
struct name_wait {
    struct list node;
    struct question *question; /* NULL: it does not wait */
    /* From the loop: once with `final`, and before that perhaps with the first addresses
     * of a longer answer. */
    void (*told)(struct name_wait *wait, const struct name_entry *entry, bool final);
};

/* The loop is borrowed, the bounds are copied. Returns OK, ERROR_MEMORY or ERROR_SYSTEM. */
int name_source_new(struct ev_loop *loop, const struct config_dns *bounds,
                    struct name_source **out) MUST_CHECK;
/* No caller may wait any more. NULL is allowed. */
void name_source_free(struct name_source *source);

/* Sets other servers, or the same on another network: forgets all answers, and repeats the
 * questions under way. `count` is 1 to SERVERS_MAX. */
void name_source_set_servers(struct name_source *source, const struct address *servers,
                             size_t count);
/* Makes the next caller ask the servers about the name. */
void name_source_forget(struct name_source *source, const char *name);
/* Forgets all answers, and sets other bounds. Returns OK; or ERROR_MEMORY, and nothing has
 * changed. */
int name_source_set_bounds(struct name_source *source,
                           const struct config_dns *bounds) MUST_CHECK;

/* `name` is in lower case, without final dot. Returns OK with *entry filled in when the
 * answer is known. ERROR_TRUNCATED: `wait`, which must not wait yet, waits for the rest;
 * *entry has the first addresses, if some are known. ERROR_MEMORY. ERROR_LIMIT: too many
 * questions are under way. */
int name_source_ask(struct name_source *source, const char *name,
                    enum address_family family, struct name_wait *wait,
                    struct name_entry *entry) MUST_CHECK;
/* Stops waiting; safe on one that does not wait. */
void name_source_leave(struct name_wait *wait);

#endif
