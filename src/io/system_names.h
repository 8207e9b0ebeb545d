/* SPDX-License-Identifier: MIT */
/* How this system resolves names: its DNS servers, search domains and order of sources,
 * read again when they change. */
#ifndef IO_SYSTEM_NAMES_H
#define IO_SYSTEM_NAMES_H

#include <splitsocks/base/address.h>
#include <splitsocks/names/resolv_conf.h>

#include <sys/stat.h>

struct system_names {
    const char *path; /* borrowed: of resolv.conf */
    bool seen;
    struct stat status;
    struct resolv_conf conf;
    enum lookup_order order;
};

void system_names_init(struct system_names *names, const char *path);
/* Reads the files if they have changed; true when they have, and the first time. */
bool system_names_refresh(struct system_names *names);
/* The servers, at least one. Returns how many. */
size_t system_names_servers(const struct system_names *names,
                            struct address servers[SERVERS_MAX]);

/* Sets the scope of an address from the name of its interface. False: no such
 * interface. */
bool host_resolve_zone(struct host *host);

#endif
