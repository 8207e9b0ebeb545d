/* SPDX-License-Identifier: MIT */
/*
 * Decides where the relay may connect to, by the resolved address that is about to be
 * dialled, never by a name.
 *
 * By default only addresses of the public internet are allowed. All blocks of the IANA
 * special-purpose registries (RFC 6890, kept at iana.org) that are not globally reachable
 * are refused: loopback, link-local, private and shared address space, multicast,
 * broadcast, documentation, benchmarking, reserved. So are the addresses at which clouds
 * hand out secrets to their machines.
 *
 * So are the addresses of the relay's own machine, public ones too: from inside, a service
 * that listens on 0.0.0.0 would be reached past the machine's firewall. And so is the port
 * of mail transfer, unless the operator lists the open ports: whoever sends spam through a
 * relay ruins its address.
 *
 * The operator's blocks go first: among those that contain the address the longest
 * decides, and of two equally long ones the denying one. So an operator can open, or
 * close, a private range except for one host. In the same way, the rules for one client
 * go before those for all.
 *
 * An IPv4-mapped IPv6 address is the IPv4 address that would be dialled. If an IPv6
 * address carries an IPv4 address for a translator or tunnel on the way (NAT64, 6to4,
 * Teredo, IPv4-compatible), both must be allowed; else 64:ff9b::10.0.0.1 would be a way
 * round.
 */
#ifndef SPLITSOCKS_DESTINATION_H
#define SPLITSOCKS_DESTINATION_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <stdbool.h>
#include <stddef.h>

/* SMTP, RFC 5321 section 4.5.4.2. Users hand in their mail at ports 465 and 587. */
#define DESTINATION_PORT_CLOSED 25

/* Whether packets to the address end on this machine. */
typedef bool destination_is_own(void *context, const struct address *address);

/* All borrowed. Zero-initialised rules are the default ones, of a machine without
 * addresses. */
struct destination_rules {
    const struct address_block *allow;
    size_t allow_count;
    const struct address_block *deny;
    size_t deny_count;
    const struct port_range *ports; /* the open ones */
    size_t port_count;              /* 0: all but DESTINATION_PORT_CLOSED */
    const char *name;               /* of the option; NULL: "destinations" */
    /* These decide what the ones above leave open; NULL: the defaults do. */
    const struct destination_rules *otherwise;
    destination_is_own *is_own; /* of the last rules; NULL: no address is */
    void *own_context;
};

/* Why an address is refused. */
struct destination_refusal {
    struct address address;     /* the address asked for, or one that it carries; port 0 */
    struct address_block block; /* the refused block that contains `address` */
    const char *kind; /* name of a block refused by default; NULL: the operator's `deny` */
    uint16_t port;    /* the refused port; 0: the address is refused */
    bool port_listed; /* the operator lists the open ports, and this one is not there */
    const char *rules_name; /* of the rules that refuse; NULL: "destinations" */
};

/* Returns OK or ERROR_DENIED. Port 0 stands for any port. */
int destination_check(const struct destination_rules *rules,
                      const struct address *address) MUST_CHECK;
/* The same; fills in `*refusal` on ERROR_DENIED. */
int destination_judge(const struct destination_rules *rules, const struct address *address,
                      struct destination_refusal *refusal) MUST_CHECK;

/* The refusal in words; if the defaults refuse the address, with the line of the relay's
 * configuration that would allow it. Returns `text`. */
#define DESTINATION_TEXT_SIZE 384
const char *destination_refusal_format(const struct destination_refusal *refusal,
                                       char text[DESTINATION_TEXT_SIZE]);

#endif
