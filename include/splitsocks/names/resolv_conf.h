/* SPDX-License-Identifier: MIT */
/* How the system wants names to be resolved: resolv.conf(5) and nsswitch.conf(5). */
#ifndef SPLITSOCKS_RESOLV_CONF_H
#define SPLITSOCKS_RESOLV_CONF_H

#include <splitsocks/base/host.h>
#include <splitsocks/names/server_choice.h>

#include <stddef.h>

/* Enough for what DHCP and VPNs bring along; more are left out. */
#define RESOLV_DOMAINS_MAX 16
#define RESOLV_NDOTS_MAX 15 /* as glibc has it */

enum lookup_order { LOOKUP_FILES_DNS, LOOKUP_DNS_FILES, LOOKUP_FILES, LOOKUP_DNS };

struct resolv_conf {
    size_t server_count; /* 0: the file names none, which means 127.0.0.1 */
    struct host servers[SERVERS_MAX];
    size_t domain_count; /* search domains, as they are written without final dot */
    char domains[RESOLV_DOMAINS_MAX][HOST_NAME_MAX_LENGTH + 1];
    unsigned ndots; /* a name with so many dots is tried as it is first */
};

/* `text` is what resolv.conf says; zero-terminated. Lines that are none are skipped. */
void resolv_conf_parse(struct resolv_conf *conf, const char *text);

/* The line "hosts:" of nsswitch.conf, as far as it is about files and DNS. */
enum lookup_order lookup_order_parse(const char *text);

/* The names that stand for `name` (without its final dot), one after the other: index 0 is
 * the first to try. False behind the last. `absolute`: it is tried as it is alone. */
bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, bool absolute,
                           size_t index, char candidate[HOST_NAME_MAX_LENGTH + 1]);

#endif
