/* SPDX-License-Identifier: MIT */
/*
 * One way out of this machine, seen against its interfaces: may it be used now, for which
 * families, and if not, why. No sockets here.
 */
#ifndef SPLITSOCKS_LOCAL_PATH_H
#define SPLITSOCKS_LOCAL_PATH_H

#include <splitsocks/base/address.h>
#include <splitsocks/local/interface_table.h>

#include <stdbool.h>
#include <stdint.h>

/* Neither an interface nor a source: what the kernel routes, whatever that is. */
struct local_path {
    char interface[IF_NAMESIZE]; /* "": any */
    struct address source;       /* ADDRESS_NONE: any */
    bool routed; /* only for families of which the interface has a default route */
};

#define LOCAL_PATH_WHY_SIZE 160

struct local_path_view {
    bool usable;
    uint8_t families;   /* to which it may connect; 0 unless usable */
    unsigned index;     /* of its interface; 0: it has none, or none is set */
    uint64_t signature; /* another when anything is that may matter for what it reaches */
    bool missing;       /* its interface is not there */
    bool pointed_out;   /* and `why` names another one that may have become of it */
    char why[LOCAL_PATH_WHY_SIZE]; /* not usable: a phrase, e.g. "interface eth0: no
                                      carrier" */
};

/* `owned` tells of a source that is in no table whether it is this machine's all the same:
 * the kernel may take whole networks for local, as it does with 127.0.0.0/8. */
void local_path_look(const struct local_path *path, const struct interface_table *table,
                     bool (*owned)(const struct address *address),
                     struct local_path_view *view);

/* As if nothing were known of the interfaces. */
void local_path_assume(const struct local_path *path, struct local_path_view *view);

#endif
