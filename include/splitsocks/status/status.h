/* SPDX-License-Identifier: MIT */
/*
 * The status of a local as a JSON document. Its names are documented in splitsocks(1) and
 * are relied upon: add to them, do not rename. "Up" is from local to the relay.
 */
#ifndef SPLITSOCKS_STATUS_H
#define SPLITSOCKS_STATUS_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>

#include <splitsocks/base/target.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct restart;
struct session;

/* Rises when a name changes its meaning. */
#define STATUS_FORMAT 1
/* So many streams, and connections that are none, are described, those that wait first; the rest
 * is counted. It bounds what an answer takes of time and memory. */
#define STATUS_STREAMS_MAX 1000

/* What a local knows of a path that its session does not. Borrowed. */
struct status_path {
    const char *name;      /* as in the log; NULL: there is no such path now */
    const char *interface; /* NULL: any */
    struct address source; /* ADDRESS_NONE: the kernel's choice */
    struct address address; /* of the relay, as last dialled; ADDRESS_NONE: not yet */
    struct address stranger; /* what took connections, and was not the relay; or NONE */
    const char *detail;    /* more of why it does not work, in words; NULL */
    const char *hint;      /* what would mend it, in a sentence; NULL */
    uint64_t quota_bytes;  /* 0: none */
    uint64_t quota_used_bytes;
};

enum status_connection_phase {
    STATUS_CONNECTION_RESOLVES, /* its name is being looked up */
    STATUS_CONNECTION_CONNECTS, /* its destination is being connected to without the relay */
    STATUS_CONNECTION_OPEN,     /* its bytes go past the relay */
};

/* A connection of an application that is no stream. */
struct status_connection {
    void *node; /* the iterator's own; NULL before the first */
    enum status_connection_phase phase;
    char destination[TARGET_TEXT_SIZE];
    uint64_t up_bytes, down_bytes;     /* passed on */
    uint64_t waiting_up, waiting_down; /* bytes read and not yet passed on */
};

/* Fills in the next connection; false behind the last. */
typedef bool status_next_connection(const void *connections,
                                    struct status_connection *connection);

struct status_source {
    const struct session *session; /* NULL between two sessions */
    const struct restart *ending;  /* how the last one has ended; NULL: none has, or one was
                                      up since */
    const char *const *relays;     /* its hosts, as configured */
    size_t relay_count;
    const struct status_path *paths;
    size_t path_count;
    /* The connections that are no streams; NULL: there are none. */
    status_next_connection *next_connection;
    const void *connections; /* for next_connection() */
};

/* A new object with the members "session", "paths" and "streams"; the caller's reference.
 * NULL when memory is out. */
struct json_t *status_describe(const struct status_source *source, uint64_t now) MUST_CHECK;

#endif
