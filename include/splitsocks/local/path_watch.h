/* SPDX-License-Identifier: MIT */
/*
 * Tells when the machine's network interfaces change, by rtnetlink.
 *
 * A notification of the kernel only says that it is time to look; then everything is asked
 * for again. So nothing is lost when there are more notifications than fit, or when the
 * kernel sends none (it silently removes IPv4 routes of a link that goes down).
 */
#ifndef SPLITSOCKS_PATH_WATCH_H
#define SPLITSOCKS_PATH_WATCH_H

#include <splitsocks/local/interface_table.h>

#include <ev.h>

struct mnl_socket;

struct path_watch {
    struct ev_loop *loop;              /* borrowed */
    struct mnl_socket *news, *answers; /* NULL: there is no netlink */
    ev_io news_io, answers_io;
    ev_timer timer;               /* until the next look */
    ev_timer patience;            /* of the look under way */
    unsigned failures;            /* failed looks, in a row */
    struct interface_table table; /* the result of the last look */
    struct interface_table next;  /* filled by the look under way */
    unsigned step;                /* which dump of the look under way; 0: no look */
    uint32_t sequence;            /* of that dump */
    ev_tstamp began;              /* when the look began */
    ev_tstamp rest;               /* time before another look may begin */
    bool again;                   /* something has changed since the look began */
    bool spoilt;                  /* the look's answers do not fit together */
    bool known;                   /* `table` is valid */
    bool troubled;                /* a failed look was logged, which is done once */
    void (*changed)(void *context);
    void *context;
};

/* `changed` is called from the loop when `known` or `table` has changed; first soon after
 * this call, if netlink works. If it does not, that is logged and `known` stays false: at
 * once, or, when the kernel forbids to ask, with a call of `changed`. */
void path_watch_init(struct path_watch *watch, struct ev_loop *loop,
                     void (*changed)(void *context), void *context);
/* Not needed for a zeroed one. */
void path_watch_deinit(struct path_watch *watch);

/* `known` is false, and no look is under way that may change it. */
static inline bool path_watch_blind(const struct path_watch *watch)
{
    return watch->news == NULL;
}

#endif
