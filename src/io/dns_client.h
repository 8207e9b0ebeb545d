/* SPDX-License-Identifier: MIT */
/*
 * Asks DNS servers for the addresses of a name of one family, until one gives a reliable
 * answer. The server that answers best is asked first, and the next one too if that one is
 * silent for a moment; see server_choice.h.
 */
#ifndef IO_DNS_CLIENT_H
#define IO_DNS_CLIENT_H

#include <splitsocks/names/dns_answer.h>
#include <splitsocks/names/server_choice.h>

#include <ev.h>
#include <stdint.h>

struct dns_client;
struct dns_ask;

/* OK, with an answer that is not DNS_FAILED; ERROR_TIMEOUT: no server answered;
 * ERROR_SYSTEM: the servers failed. Called once with `final`, which ends the ask; before
 * that perhaps once with the addresses of a truncated answer, while the rest is asked for.
 * Always from the loop. */
typedef void dns_done(void *context, int error, const struct dns_answer *answer,
                      bool final);

/* Without servers nothing can be asked before dns_client_set_servers(). The loop is
 * borrowed. Returns OK, ERROR_MEMORY or ERROR_SYSTEM. */
int dns_client_new(struct ev_loop *loop, struct dns_client **out) MUST_CHECK;
/* Asks under way end without a report. NULL is allowed. */
void dns_client_free(struct dns_client *client);

/* Sets other servers, 1 to SERVERS_MAX, or the same on another network: forgets what was
 * learned about servers, and repeats the asks under way. */
void dns_client_set_servers(struct dns_client *client, const struct address *servers,
                            size_t count);

/* `name` has no final dot; it is copied, and used unchanged. NULL when memory is out. */
struct dns_ask *dns_client_ask(struct dns_client *client, const char *name,
                               enum address_family family, uint64_t timeout_ns,
                               dns_done *done, void *context) MUST_CHECK;
/* Cancels the report. Must not be called after the final report. */
void dns_ask_cancel(struct dns_ask *ask);

#endif
