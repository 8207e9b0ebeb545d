/* SPDX-License-Identifier: MIT */
/*
 * The status of a local as a JSON document. splitsocks(1) documents its names, and
 * programs rely on them: add names, do not rename. "Up" is from local to the relay.
 */
#ifndef SPLITSOCKS_STATUS_H
#define SPLITSOCKS_STATUS_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/target.h>
#include <splitsocks/engine/session/session_flow.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct restart;

/* Rises when a name changes its meaning. */
#define STATUS_FORMAT 1
/* At most so many streams and other connections are described, waiting ones first, and at
 * most so many flows; the rest is counted. This bounds the time and memory that an answer
 * takes. */
#define STATUS_STREAMS_MAX 1000

/* Facts about a path that local knows, and its session does not. Borrowed. */
struct status_path {
    const char *name;      /* as in the log; NULL: no such path at present */
    const char *interface; /* NULL: any */
    struct address source; /* ADDRESS_NONE: the kernel's choice */
    struct address address;  /* the relay's, as last dialled; ADDRESS_NONE: not yet */
    struct address stranger; /* accepted connections, but was not the relay; or NONE */
    const char *detail;      /* more about why it does not work; NULL: nothing */
    const char *hint;        /* a sentence that says how to mend it; NULL: none */
    uint64_t quota_bytes;  /* 0: none */
    uint64_t quota_used_bytes;
};

enum status_connection_phase {
    STATUS_CONNECTION_RESOLVES, /* its name is being looked up */
    STATUS_CONNECTION_CONNECTS, /* its destination is being dialled without the relay */
    STATUS_CONNECTION_OPEN,     /* its bytes bypass the relay */
};

/* A connection of an application that has no stream. */
struct status_connection {
    void *node; /* the iterator's own; NULL before the first */
    enum status_connection_phase phase;
    char destination[TARGET_TEXT_SIZE];
    uint64_t up_bytes, down_bytes;     /* passed on */
    uint64_t waiting_up, waiting_down; /* bytes read and not yet passed on */
};

/* Fills in the next connection; false after the last. */
typedef bool status_next_connection(const void *connections,
                                    struct status_connection *connection);

/* Writes the address of the client that a flow belongs to. Returns `text`. */
typedef const char *status_flow_client(const struct flow *flow,
                                       char text[ADDRESS_TEXT_SIZE]);

struct status_source {
    const struct session *session; /* NULL between two sessions */
    const struct restart *ending;  /* why the last one ended; NULL: none, or one was up */
    const char *const *relays;     /* its hosts, as configured */
    size_t relay_count;
    const struct status_path *paths;
    size_t path_count;
    const uint16_t *ports; /* the relay's, as the session numbers them */
    size_t port_count;     /* at most SESSION_PORTS_MAX */
    /* Iterates over the connections without streams; NULL: there are none. */
    status_next_connection *next_connection;
    const void *connections; /* for next_connection() */
    status_flow_client *flow_client; /* NULL: the clients are not known */
};

/* A new object with the members "session", "paths", "streams" and "flows"; the caller's
 * reference. NULL when memory is out. */
struct json_t *status_describe(const struct status_source *source, uint64_t now) MUST_CHECK;

/* The reasons for which datagrams were dropped, with their numbers, in a new object; NULL
 * when memory is out. For the status of a relay, too. */
struct json_t *status_drops(const uint64_t drops[FLOW_DROPS]) MUST_CHECK;

#endif
