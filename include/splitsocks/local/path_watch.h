/* SPDX-License-Identifier: MIT */
/*
 * Tells when the machine's network interfaces change, as rtnetlink says.
 *
 * What the kernel tells of its own accord only says when to look: then everything is asked
 * for again. So nothing is lost when the kernel had more to tell than fits, or forgets to
 * tell (it removes IPv4 routes of a link that goes down without a word).
 */
#ifndef SPLITSOCKS_PATH_WATCH_H
#define SPLITSOCKS_PATH_WATCH_H

#include <splitsocks/local/interface_table.h>

#include <ev.h>

struct mnl_socket;

struct path_watch {
    struct ev_loop *loop;              /* borrowed */
    struct mnl_socket *news, *answers; /* NULL: netlink is not to be had */
    ev_io news_io, answers_io;
    ev_timer timer;               /* until the next look */
    ev_timer patience;            /* of the look under way */
    unsigned failures;            /* of looks, in a row */
    struct interface_table table; /* what was found last */
    struct interface_table next;  /* of the look under way */
    unsigned step;                /* of the look under way: which dump; 0: none is */
    uint32_t sequence;            /* of its dump */
    ev_tstamp began;              /* when it began */
    ev_tstamp rest;               /* before another may begin */
    bool again;                   /* something has changed since it began */
    bool spoilt;                  /* so much so that its answers do not fit together */
    bool known;                   /* `table` is good */
    bool troubled;                /* a look has failed: told once */
    void (*changed)(void *context);
    void *context;
};

/* `changed` is called from the loop when `known` or `table` has changed; first soon after
 * this, if netlink is to be had at all. Else that is logged, and `known` stays false: at
 * once, or, when the kernel forbids to ask, with a call of `changed`. */
void path_watch_init(struct path_watch *watch, struct ev_loop *loop,
                     void (*changed)(void *context), void *context);
/* Not needed for one that is all zero. */
void path_watch_deinit(struct path_watch *watch);

/* `known` is false, and no look is under way that may change it. */
static inline bool path_watch_blind(const struct path_watch *watch)
{
    return watch->news == NULL;
}

#endif
