/* SPDX-License-Identifier: MIT */
/*
 * Connects to the first address of a host that answers, by the rules of eyeballs.h, after
 * checking each against the relay's destination rules.
 */
#ifndef SPLITSOCKS_DIALER_H
#define SPLITSOCKS_DIALER_H

#include <splitsocks/base/account.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/proxy/destination.h>
#include <splitsocks/proxy/eyeballs.h>
#include <splitsocks/proxy/family_memory.h>

#include <ev.h>

/* `fd` is the connected socket, now the callee's, charged to the account's `destinations`;
 * or -1, and `code` says why. With RESET_DENIED the dialer's `denied` is the first address
 * that the rules refuse. */
typedef void dialer_done(void *context, int fd, enum reset_code code);

/* State that all dialers of one loop share: how connections leave this machine. */
struct dialer_ways {
    struct ev_loop *loop;          /* borrowed */
    struct nat64_finder *finder;   /* borrowed */
    struct family_memory families; /* all zero at first */
};

struct dialer {
    struct dialer_ways *ways;              /* borrowed */
    const struct destination_rules *rules; /* borrowed; NULL: everything is allowed */
    struct account *account;               /* borrowed; NULL: nobody's */
    dialer_done *done;                     /* NULL: not running */
    void *context;
    struct eyeballs eyeballs;
    struct address denied; /* first refused one; ADDRESS_NONE: none */
    struct nat64_waiter waiter;
    bool tried;    /* a connection was begun */
    bool by_nat64; /* the addresses of NAT64 were added; nothing else is left */
    ev_timer timer;
    struct dialer_attempt {
        struct dialer *dialer;
        size_t index; /* of the address */
        ev_io io;     /* fd -1: unused */
    } attempts[EYEBALLS_CONCURRENT];
};

/* Tries `addresses` in order of preference, each at `port`, and first those of the family
 * that works. If IPv4 is unreachable, it uses the network's NAT64. Calls `done` once,
 * perhaps before it returns; the dialer may be freed from there. */
void dialer_start(struct dialer *dialer, struct dialer_ways *ways,
                  const struct destination_rules *rules, struct account *account,
                  const struct address *addresses, size_t count, uint16_t port,
                  dialer_done *done, void *context);
/* Closes all attempts; `done` is not called. Safe on a zeroed dialer, and after `done`. */
void dialer_cancel(struct dialer *dialer);

#endif
