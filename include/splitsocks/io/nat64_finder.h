/* SPDX-License-Identifier: MIT */
/*
 * Local: finds the NAT64 prefixes of this network. Asks the network's DNS when a caller
 * wants to know, as in RFC 7050, and remembers the answer for a while.
 */
#ifndef SPLITSOCKS_NAT64_FINDER_H
#define SPLITSOCKS_NAT64_FINDER_H

#include <splitsocks/base/list.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/names/nat64.h>

#include <ev.h>
#include <stdbool.h>

struct nat64_waiter {
    struct list node; /* initialised by its owner */
    void (*done)(struct nat64_waiter *waiter);
};

struct nat64_finder {
    struct ev_loop *loop;           /* borrowed */
    struct resolver *resolver;      /* borrowed */
    struct resolver_query *query;   /* NULL: none is under way */
    struct nat64_prefixes prefixes; /* as far as is known */
    uint64_t known_until_ns;        /* how long `prefixes` is believed */
    struct list waiters;
    ev_timer patience; /* runs while there are waiters */
};

void nat64_finder_init(struct nat64_finder *finder, struct ev_loop *loop,
                       struct resolver *resolver);
/* Safe on a zeroed finder. No waiter may be left. */
void nat64_finder_deinit(struct nat64_finder *finder);
/* The network has changed: forgets the prefixes. */
void nat64_finder_forget(struct nat64_finder *finder);

/* True: `prefixes` is up to date. False: `waiter` is called when it is, or when the answer
 * has taken too long. To stop waiting, remove the waiter's list node. */
bool nat64_finder_ask(struct nat64_finder *finder, struct nat64_waiter *waiter);

#endif
