/*
 * Names to addresses, by c-ares on a libev loop. One resolver per thread.
 *
 * A query reports once, from the loop and never from resolver_query() itself. Whatever
 * its server does, silence included, costs that query alone, and RESOLVER_TIMEOUT_NS at
 * most.
 */
#ifndef SPLITSOCKS_RESOLVER_H
#define SPLITSOCKS_RESOLVER_H

#include <splitsocks/address.h>
#include <splitsocks/attributes.h>
#include <splitsocks/error.h>
#include <splitsocks/target.h>

#include <stddef.h>

#define RESOLVER_TIMEOUT_NS (8 * NS_PER_S)
/* Queries under way at once; more are refused. */
#define RESOLVER_QUERIES_MAX 4096

struct ev_loop;
struct resolver;
struct resolver_query;

struct resolver_options {
    const struct address *servers; /* asked in this order; port 0 is 53 */
    size_t server_count;           /* 0: those of the system's configuration */
    bool search; /* names without enough dots are tried in the system's search domains */
};

/* The loop is borrowed, the options are copied. Returns OK, ERROR_MEMORY or ERROR_SYSTEM
 * (the system's resolver configuration cannot be read). */
int resolver_new(struct ev_loop *loop, const struct resolver_options *options,
                 struct resolver **out) MUST_CHECK;
/* Queries under way end without a report. */
void resolver_free(struct resolver *resolver);

/* Queries from now on go to these servers, as in resolver_options; those under way stay
 * with the old ones. Returns OK, ERROR_MEMORY or ERROR_SYSTEM; then nothing has changed. */
int resolver_set_servers(struct resolver *resolver, const struct address *servers,
                         size_t server_count) MUST_CHECK;

/* OK, with at least one address; ERROR_NOT_FOUND: there is no such name, or it has no
 * address; ERROR_TIMEOUT: no server answered; ERROR_SYSTEM: the servers failed.
 * Addresses have port 0, come in the order of RFC 6724, and are valid during the call. */
typedef void resolver_done(void *context, int error, const struct address *addresses,
                           size_t count);

/* Resolves A and AAAA records; literals, "localhost" and names of the hosts file too. At
 * most TARGET_ADDRESSES_MAX addresses are reported. Returns OK, and in *query what
 * resolver_cancel() takes until the report; or ERROR_MEMORY or ERROR_LIMIT, and then no
 * report follows. */
int resolver_query(struct resolver *resolver, const char *name, resolver_done *done,
                   void *context, struct resolver_query **query) MUST_CHECK;
/* The query is not reported any more. Not after its report. */
void resolver_cancel(struct resolver_query *query);

#endif
