/* SPDX-License-Identifier: MIT */
/*
 * Resolves names to addresses, by c-ares on a libev loop. One resolver per thread.
 *
 * A query reports once, from the loop and never from resolver_query() itself. Whatever the
 * servers do or fail to do affects only that query, for dns.timeout at most. Queries for
 * the same name at the same time share one question to the servers, and answers are kept
 * for as long as their TTL says; see name_source.h and dns_client.h.
 *
 * Both families are asked for at once. When IPv4 has answered and IPv6 has not within
 * RESOLVER_DELAY_NS, the query reports the IPv4 addresses; the other way round it waits
 * for RESOLVER_DOUBT_NS. Addresses that come later serve the next query.
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
/* The same when only IPv6 has answered, since its addresses may be useless: most relays
 * have no IPv6. Longer than the patience of server_choice.h, after which a lost query is
 * repeated. */
#define RESOLVER_DOUBT_NS (1500 * NS_PER_MS)

struct ev_loop;
struct resolver;
struct resolver_query;

struct resolver_options {
    struct config_dns dns; /* without servers: the system's */
    bool search; /* try names without enough dots in the system's search domains */
    const char *hosts_path;  /* NULL: /etc/hosts; borrowed */
    const char *system_path; /* NULL: /etc/resolv.conf; borrowed */
};

/* The loop is borrowed, the options are copied. Returns OK, ERROR_MEMORY or ERROR_SYSTEM
 * (c-ares cannot start; logged). */
int resolver_new(struct ev_loop *loop, const struct resolver_options *options,
                 struct resolver **out) MUST_CHECK;
/* Queries under way end without a report. */
void resolver_free(struct resolver *resolver);

/* Replaces servers and bounds, and forgets all answers. Returns OK or ERROR_MEMORY; then
 * nothing has changed. */
int resolver_configure(struct resolver *resolver, const struct config_dns *dns) MUST_CHECK;
/* The network has changed: forgets everything about names and servers, and repeats the
 * queries under way. */
void resolver_flush(struct resolver *resolver);
/* The next query for the name asks the servers, even if an answer is known. */
void resolver_forget(struct resolver *resolver, const char *name);

/* OK, with at least one address; ERROR_NOT_FOUND: the name does not exist, has no address,
 * or is one that DNS is never asked for; ERROR_INVALID: the text is not a name;
 * ERROR_TIMEOUT: no server answered; ERROR_SYSTEM: the servers failed. Addresses have port
 * 0, come in the order in which to try them, with families in turns, and are valid during
 * the call. */
typedef void resolver_done(void *context, int error, const struct address *addresses,
                           size_t count);

/* Resolves A and AAAA records, and also addresses in any spelling, "localhost" and names
 * of the hosts file. Reports at most TARGET_ADDRESSES_MAX addresses. Returns OK, and in
 * *query the handle for resolver_cancel() until the report; or ERROR_MEMORY or ERROR_LIMIT
 * (which is logged), and then no report follows. */
int resolver_query(struct resolver *resolver, const char *name, resolver_done *done,
                   void *context, struct resolver_query **query) MUST_CHECK;
/* Cancels the report. Must not be called after it. */
void resolver_cancel(struct resolver_query *query);

/* Parses a text, and sets the scope of a link-local address from the name of its
 * interface; an interface that does not exist makes it HOST_INVALID. */
void resolver_parse(struct host *host, const char *text);

#endif
