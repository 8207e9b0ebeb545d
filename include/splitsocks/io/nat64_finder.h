/* SPDX-License-Identifier: MIT */
/*
 * Local: which NAT64 prefixes this network has. Asks the network's DNS when somebody wants
 * to know, as RFC 7050 has it, and remembers the answer for a while.
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
    uint64_t until_ns;              /* for so long that is believed */
    struct list waiters;
    ev_timer patience; /* runs while there are some */
};

void nat64_finder_init(struct nat64_finder *finder, struct ev_loop *loop,
                       struct resolver *resolver);
/* Safe on one that is all zero. Nobody waits any more. */
void nat64_finder_deinit(struct nat64_finder *finder);
/* The network is another. */
void nat64_finder_forget(struct nat64_finder *finder);

/* True: `prefixes` says what is known. False: `waiter` is told when it does, or when that
 * has taken too long. A waiter is no more when its list node is removed. */
bool nat64_finder_ask(struct nat64_finder *finder, struct nat64_waiter *waiter);

#endif
