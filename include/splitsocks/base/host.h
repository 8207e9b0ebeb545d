/* SPDX-License-Identifier: MIT */
/*
 * Sorts a text that should name a host: an address in one of its spellings, a name that
 * DNS may be asked for, or neither. All texts from users and clients are sorted here, so
 * that no DNS server is ever asked for a text that is not a name.
 */
#ifndef SPLITSOCKS_HOST_H
#define SPLITSOCKS_HOST_H

#include <splitsocks/base/address.h>

/* Characters of a name, without the final dot: RFC 1035 section 2.3.4, where the 255
 * bytes count the length of each label and the root. */
#define HOST_NAME_MAX_LENGTH 253
/* The size of an interface's name, as IFNAMSIZ. */
#define HOST_ZONE_SIZE 16

enum host_kind {
    HOST_NAME,      /* DNS may be asked for it */
    HOST_ADDRESS,   /* an address: nobody needs to be asked */
    HOST_LOCALHOST, /* "localhost" or below it: loopback, RFC 6761 section 6.3 */
    HOST_SPECIAL,   /* a name that DNS does not know by definition; a hosts file may */
    HOST_INVALID,   /* neither an address nor a name */
};

struct host {
    enum host_kind kind;
    /* For HOST_ADDRESS; the port is 0. An IPv4-mapped address becomes the IPv4 address. */
    struct address address;
    /* The interface that a link-local address belongs to, where it is named: the caller
     * sets address.scope from it. Empty: there is none, or the scope is set already. */
    char zone[HOST_ZONE_SIZE];
    /* For HOST_SPECIAL and HOST_INVALID: why DNS is not asked, as a phrase that goes on
     * from "NAME: ". Static storage. */
    const char *reason;
};

/* Takes addresses as getaddrinfo(3) and URLs have them: "192.0.2.1", "127.1", "0x7f.1",
 * "2130706433" (as inet_aton(3), with an optional final dot), "2001:db8::1",
 * "[2001:db8::1]", "fe80::1%eth0", "fe80::1%2". Names are letters, digits, hyphens and
 * underscores in labels, with an optional final dot. */
void host_parse(struct host *host, const char *text);

#endif
