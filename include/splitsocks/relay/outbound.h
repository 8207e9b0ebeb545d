/* SPDX-License-Identifier: MIT */
/*
 * The relay's end of a stream from its STREAM_OPEN on: resolves the name, connects to the
 * destination, and makes a plain of the socket; or resets the stream with the reason. It
 * frees itself.
 */
#ifndef SPLITSOCKS_OUTBOUND_H
#define SPLITSOCKS_OUTBOUND_H

#include <splitsocks/io/dialer.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/proxy/destination.h>

/* State that all streams of a relay's worker share. */
struct outbound_service {
    struct resolver *resolver; /* borrowed */
    struct dialer_ways *ways;  /* borrowed */
};

/* The outbounds of one session, and the plains that they become. */
struct outbound_list {
    const char *client; /* borrowed; the session's client, for the log */
    const struct destination_rules *rules; /* borrowed; the client's */
    struct list outbounds;
    struct list plains;
};

void outbound_list_init(struct outbound_list *list, const char *client,
                        const struct destination_rules *rules);
/* Ends all of them, and their streams. */
void outbound_list_abort(struct outbound_list *list);

/* For SESSION_STREAM_INCOMING. When memory is out the stream is reset. */
void outbound_start(struct driver *driver, const struct outbound_service *service,
                    struct outbound_list *list, struct stream *stream,
                    const struct target *target);

#endif
