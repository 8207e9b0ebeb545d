/* SPDX-License-Identifier: MIT */
/* The system's settings for name resolution: resolv.conf(5) and nsswitch.conf(5). */
#ifndef SPLITSOCKS_RESOLV_CONF_H
#define SPLITSOCKS_RESOLV_CONF_H

#include <splitsocks/base/host.h>
#include <splitsocks/names/server_choice.h>

#include <stddef.h>

/* Enough for the domains that DHCP and VPNs bring along; more are left out. */
#define RESOLV_DOMAINS_MAX 16
#define RESOLV_NDOTS_MAX 15 /* the bound of glibc */

enum lookup_order { LOOKUP_FILES_DNS, LOOKUP_DNS_FILES, LOOKUP_FILES, LOOKUP_DNS };

struct resolv_conf {
    size_t server_count; /* 0: the file names none, which means 127.0.0.1 */
    struct host servers[SERVERS_MAX];
    size_t domain_count; /* search domains, without final dot */
    char domains[RESOLV_DOMAINS_MAX][HOST_NAME_MAX_LENGTH + 1];
    unsigned ndots; /* a name with at least so many dots is tried unchanged first */
};

/* `text` is the zero-terminated contents of resolv.conf. Malformed lines are skipped. */
void resolv_conf_parse(struct resolv_conf *conf, const char *text);

/* Reads the line "hosts:" of nsswitch.conf, as far as it concerns files and DNS. */
enum lookup_order lookup_order_parse(const char *text);

/* The names that stand for `name` (without its final dot), one by one: index 0 is tried
 * first. False after the last. `absolute`: only the unchanged name is tried. */
bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, bool absolute,
                           size_t index, char candidate[HOST_NAME_MAX_LENGTH + 1]);

#endif
