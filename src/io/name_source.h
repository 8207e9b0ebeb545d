/* SPDX-License-Identifier: MIT */
/*
 * What DNS says of a name's addresses of one family, from memory or from the servers. All
 * who want to know the same at the same time share one question, and what is learned is
 * kept for as long as it may be: RFC 1035, RFC 2308, RFC 9520.
 */
#ifndef IO_NAME_SOURCE_H
#define IO_NAME_SOURCE_H

#include <splitsocks/base/list.h>
#include <splitsocks/config/config.h>
#include <splitsocks/names/name_cache.h>

#include <ev.h>

struct name_source;
struct question;

/* Somebody who waits for an answer; embedded in what that somebody is. */
struct name_wait {
    struct list node;
    struct question *question; /* NULL: does not wait */
    /* From the loop: once with `final`, and before that perhaps with the first addresses
     * of a longer answer. */
    void (*told)(struct name_wait *wait, const struct name_entry *entry, bool final);
};

/* The loop is borrowed, the bounds are copied. Returns OK, ERROR_MEMORY or ERROR_SYSTEM. */
int name_source_new(struct ev_loop *loop, const struct config_dns *bounds,
                    struct name_source **out) MUST_CHECK;
/* Nobody may wait any more. NULL is allowed. */
void name_source_free(struct name_source *source);

/* Other servers or another network: all that is known is forgotten, and what is under way
 * is asked again. `count` is 1 to SERVERS_MAX. */
void name_source_set_servers(struct name_source *source, const struct address *servers,
                             size_t count);
/* What is known of the name is not relied on any more. */
void name_source_forget(struct name_source *source, const char *name);
/* All that is known is forgotten. Other bounds hold from now on. Returns OK, or
 * ERROR_MEMORY, and then nothing has changed. */
int name_source_set_bounds(struct name_source *source,
                           const struct config_dns *bounds) MUST_CHECK;

/* `name` is in lower case, without final dot. Returns OK with *entry filled in when the
 * answer is known. Else `wait`, which does not wait yet, waits, and the result is
 * ERROR_TRUNCATED; *entry has the first addresses, if some are known. Or ERROR_MEMORY, or
 * ERROR_LIMIT: too many questions are under way. */
int name_source_ask(struct name_source *source, const char *name,
                    enum address_family family, struct name_wait *wait,
                    struct name_entry *entry) MUST_CHECK;
/* Does not wait any more; safe on one that does not. */
void name_source_leave(struct name_wait *wait);

#endif
