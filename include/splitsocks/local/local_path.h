/* SPDX-License-Identifier: MIT */
/*
 * One way out of this machine, compared with its interfaces: whether it may be used now,
 * for which families, and if not, why. No sockets here.
 */
#ifndef SPLITSOCKS_LOCAL_PATH_H
#define SPLITSOCKS_LOCAL_PATH_H

#include <splitsocks/base/address.h>
#include <splitsocks/local/interface_table.h>

#include <stdbool.h>
#include <stdint.h>

/* With neither an interface nor a source the kernel's routes decide. */
struct local_path {
    char interface[IF_NAMESIZE]; /* "": any */
    struct address source;       /* ADDRESS_NONE: any */
    bool routed; /* only for families for which the interface has a default route */
};

#define LOCAL_PATH_WHY_SIZE 160

struct local_path_view {
    bool usable;
    uint8_t families;   /* to which it may connect; 0 unless usable */
    unsigned index;     /* of its interface; 0: it has none */
    uint64_t signature; /* changes with everything that may matter for its connections */
    bool missing;       /* its interface does not exist */
    bool pointed_out;   /* `why` names another interface that it may have become */
    char why[LOCAL_PATH_WHY_SIZE]; /* not usable: a phrase, e.g. "interface eth0: no
                                      carrier" */
};

/* `owned` tells whether a source that is in no table is this machine's all the same: the
 * kernel may treat whole networks as local, as it does with 127.0.0.0/8. */
void local_path_look(const struct local_path *path, const struct interface_table *table,
                     bool (*owned)(const struct address *address),
                     struct local_path_view *view);

/* The view when nothing is known about the interfaces. */
void local_path_assume(const struct local_path *path, struct local_path_view *view);

#endif
