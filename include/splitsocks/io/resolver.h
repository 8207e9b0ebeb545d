/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses, by c-ares on a libev loop. One resolver per thread.
 *
 * A query reports once, from the loop and never from resolver_query() itself. Whatever
 * the servers do, silence included, costs that query alone, and dns.timeout at most. Those
 * who ask for the same name at the same time share one question to the servers, and what is
 * learned is kept for as long as its TTL says; see name_source.h and dns_client.h.
 *
 * Both families are asked for at once. When IPv4 has answered and IPv6 is silent for
 * RESOLVER_DELAY_NS more, the query reports what there is; the other way round it waits for
 * RESOLVER_DOUBT_NS. Addresses that come later serve the next query.
 */
#ifndef SPLITSOCKS_RESOLVER_H
#define SPLITSOCKS_RESOLVER_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/host.h>
#include <splitsocks/base/target.h>
#include <splitsocks/config/config.h>

#include <stddef.h>

/* The Resolution Delay of RFC 8305 section 8. */
#define RESOLVER_DELAY_NS (50 * NS_PER_MS)
/* The same where what is known may well be of no use: most relays have no IPv6. Longer than
 * the patience of server_choice.h after which a lost answer is asked for again. */
#define RESOLVER_DOUBT_NS (1500 * NS_PER_MS)

struct ev_loop;
struct resolver;
struct resolver_query;

struct resolver_options {
    struct config_dns dns; /* without servers, those of the system */
    bool search; /* names without enough dots are tried in the system's search domains */
    const char *hosts_path;  /* NULL: /etc/hosts; borrowed */
    const char *system_path; /* NULL: /etc/resolv.conf; borrowed */
};

/* The loop is borrowed, the options are copied. Returns OK, ERROR_MEMORY or ERROR_SYSTEM
 * (c-ares cannot start). */
int resolver_new(struct ev_loop *loop, const struct resolver_options *options,
                 struct resolver **out) MUST_CHECK;
/* Queries under way end without a report. */
void resolver_free(struct resolver *resolver);

/* Other servers and bounds hold from now on, and nothing that was known does. Returns OK or
 * ERROR_MEMORY; then nothing has changed. */
int resolver_configure(struct resolver *resolver, const struct config_dns *dns) MUST_CHECK;
/* The network has changed: forgets all that is known of names and servers, and asks again
 * for what is under way. */
void resolver_flush(struct resolver *resolver);
/* The next query for the name asks the servers, whatever is known. */
void resolver_forget(struct resolver *resolver, const char *name);

/* OK, with at least one address; ERROR_NOT_FOUND: there is no such name, or it has no
 * address, or DNS is never asked for such a name; ERROR_INVALID: it is no name;
 * ERROR_TIMEOUT: no server answered; ERROR_SYSTEM: the servers failed. Addresses have port
 * 0, come in the order in which they are to be tried, families in turns, and are valid
 * during the call. */
typedef void resolver_done(void *context, int error, const struct address *addresses,
                           size_t count);

/* Resolves A and AAAA records; addresses in any spelling, "localhost" and names of the
 * hosts file too. At most TARGET_ADDRESSES_MAX addresses are reported. Returns OK, and in
 * *query what resolver_cancel() takes until the report; or ERROR_MEMORY or ERROR_LIMIT
 * (which is logged), and then no report follows. */
int resolver_query(struct resolver *resolver, const char *name, resolver_done *done,
                   void *context, struct resolver_query **query) MUST_CHECK;
/* The query is not reported any more. Not after its report. */
void resolver_cancel(struct resolver_query *query);

/* What a text means, with the scope of a link-local address set from the name of its
 * interface; an interface that is not there makes it HOST_INVALID. */
void resolver_parse(struct host *host, const char *text);

#endif
