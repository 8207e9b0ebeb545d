/* SPDX-License-Identifier: MIT */
/*
 * The machine's network interfaces as the kernel's rtnetlink tells of them: what each is
 * called, whether it is up, its addresses, and for which families it has a default route.
 *
 * It is filled from the answers to three dumps: links, then addresses, then routes. No
 * sockets here: path_watch.h asks.
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
    unsigned index; /* the kernel's; never 0. One that is made again gets another */
    char name[IF_NAMESIZE];
    bool up;      /* by the administrator's will */
    bool running; /* can carry packets: there is a carrier, and an authenticated one */
    bool loopback;
    uint8_t default_routes; /* families */
};

struct interface_address {
    unsigned index; /* of the interface */
    struct address address;
    bool tentative; /* IPv6: not to be used yet, or found to be another machine's */
};

/* Zero-initialised it is empty. Owned by whoever has it. */
struct interface_table {
    struct interface *interfaces;
    size_t interface_count, interface_room;
    struct interface_address *addresses;
    size_t address_count, address_room;
};

void interface_table_deinit(struct interface_table *table);
/* Forgets what is in it, and keeps the memory. */
void interface_table_clear(struct interface_table *table);
bool interface_table_equal(const struct interface_table *a,
                           const struct interface_table *b);

/* Adds what a part of a dump's answer tells. `messages` is aligned for a struct nlmsghdr;
 * whatever is not of the dump `sequence`, or of no use here, is passed over. `*done`
 * becomes true with the dump's last message. Returns OK; ERROR_CLOSED: something has
 * changed meanwhile, so that the whole is to be asked for again when the answer has ended;
 * ERROR_SYSTEM: the kernel refuses, with errno set; or ERROR_MEMORY. */
int interface_table_add(struct interface_table *table, const void *messages, size_t length,
                        uint32_t sequence, bool *done) MUST_CHECK;

/* Whether something that the kernel tells of its own accord may change a table: any change
 * of a link or an address, and of routes only those to everywhere. */
bool interface_table_concerned(const void *messages, size_t length);

/* NULL when there is none of that name. */
const struct interface *interface_table_find(const struct interface_table *table,
                                             const char *name);
/* The interface that has the address, with which any port and scope will do, tentative or
 * not; NULL: none. */
const struct interface *interface_table_owner(const struct interface_table *table,
                                              const struct address *address);
/* The families of the addresses that an interface may send from; link-local ones of IPv6
 * lead to no relay, and do not count. */
uint8_t interface_table_families(const struct interface_table *table, unsigned index);

#endif
