/* SPDX-License-Identifier: MIT */
/*
 * One DNS server, asked by c-ares on a libev loop, over UDP or over TCP. A channel sends
 * each query once; its owner decides which server to ask and when.
 */
#ifndef IO_DNS_CHANNEL_H
#define IO_DNS_CHANNEL_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct dns_channel;

enum dns_verdict {
    DNS_ANSWERED, /* there is a message, with or without addresses */
    DNS_REFUSED,  /* nothing listens there, or no route leads there */
    DNS_SILENT,
    DNS_BROKEN, /* any other failure, for example without memory */
};

/* Called once for each query, perhaps before dns_channel_query() returns; it must not call
 * channels. `message` is valid during the call, and NULL without an answer. */
typedef void dns_channel_done(void *context, enum dns_verdict verdict,
                              const uint8_t *message, size_t length);

/* Initialises c-ares for the process. Returns OK or ERROR_SYSTEM. */
int dns_channel_library_init(void) MUST_CHECK;

/* Port 0 is 53. `owned` lists the channels of an owner, for dns_channels_free(). Returns
 * OK, ERROR_MEMORY or ERROR_SYSTEM. */
int dns_channel_new(struct ev_loop *loop, const struct address *server, bool tcp,
                    struct list *owned, struct dns_channel **out) MUST_CHECK;
/* Frees all channels, retired ones included. Their queries are reported as BROKEN. */
void dns_channels_free(struct list *owned);
/* The channel frees itself after its last query. NULL is allowed. */
void dns_channel_retire(struct dns_channel *channel);
/* Whether the channel has sent so many queries that another should replace it. */
bool dns_channel_worn(const struct dns_channel *channel);

void dns_channel_query(struct dns_channel *channel, const char *name,
                       enum address_family family, dns_channel_done *done, void *context);

#endif
