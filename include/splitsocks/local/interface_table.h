/* SPDX-License-Identifier: MIT */
/*
 * The machine's network interfaces, as the kernel's rtnetlink reports them: the name of
 * each, whether it is up, its addresses, and the families for which it has a default
 * route.
 *
 * The table is filled from the answers to three dumps: links, addresses, routes. It has no
 * sockets: path_watch.h asks.
 */
#ifndef SPLITSOCKS_INTERFACE_TABLE_H
#define SPLITSOCKS_INTERFACE_TABLE_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interface {
    unsigned index; /* the kernel's; never 0; new if it is made again */
    char name[IF_NAMESIZE];
    bool up;      /* the administrator has set it up */
    bool running; /* can carry packets: it has a carrier, and is authenticated */
    bool loopback;
    uint8_t default_routes; /* set of families */
};

struct interface_address {
    unsigned index; /* its interface */
    struct address address;
    bool tentative; /* IPv6: not usable yet, or another machine has it */
};

/* Zero-initialised: empty. */
struct interface_table {
    struct interface *interfaces;
    size_t interface_count, interface_room;
    struct interface_address *addresses;
    size_t address_count, address_room;
};

void interface_table_deinit(struct interface_table *table);
/* Empties the table, and keeps its memory. */
void interface_table_clear(struct interface_table *table);
bool interface_table_equal(const struct interface_table *a,
                           const struct interface_table *b);

/* Adds a part of a dump's answer. `messages` is aligned for a struct nlmsghdr; messages
 * that are not of the dump `sequence`, or of no use here, are skipped. `*done` becomes
 * true with the dump's last message. Returns OK; ERROR_CLOSED: something has changed
 * meanwhile, so ask for everything again when the answer has ended; ERROR_SYSTEM: the
 * kernel refuses, with errno set; or ERROR_MEMORY. */
int interface_table_add(struct interface_table *table, const void *messages, size_t length,
                        uint32_t sequence, bool *done) MUST_CHECK;

/* Whether a notification of the kernel may change a table: any change of a link or an
 * address, but of routes only default routes. */
bool interface_table_concerned(const void *messages, size_t length);

/* NULL when there is none of that name. */
const struct interface *interface_table_find(const struct interface_table *table,
                                             const char *name);
/* The interface that has the address, whatever its port and scope, even a tentative one;
 * NULL: none. */
const struct interface *interface_table_owner(const struct interface_table *table,
                                              const struct address *address);
/* The families of the addresses that an interface may send from. Link-local IPv6 addresses
 * do not count, since they lead to no relay. */
uint8_t interface_table_families(const struct interface_table *table, unsigned index);

#endif
