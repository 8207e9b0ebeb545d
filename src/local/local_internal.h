/* SPDX-License-Identifier: MIT */
/* The struct local, and functions that the files of the local side share. */
#ifndef IO_LOCAL_INTERNAL_H
#define IO_LOCAL_INTERNAL_H

#include <splitsocks/io/driver.h>
#include <splitsocks/io/listener.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/io/restart.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/io/worker.h>
#include <splitsocks/local/association.h>
#include <splitsocks/local/datagram_forward.h>
#include <splitsocks/local/inbound.h>
#include <splitsocks/local/local.h>
#include <splitsocks/local/path_dialer.h>
#include <splitsocks/local/path_table.h>
#include <splitsocks/local/socks_connection.h>
#include <splitsocks/local/stamp_keeper.h>

struct local_listener {
    struct local *local;
    const struct config_listener *config; /* borrowed */
    struct socks5_user *users;            /* owned; the texts are the configuration's */
    struct socks_terms terms;
    struct target to; /* of a forward listener */
    struct listener listener;
    int fd;                           /* for streams; -1: not listening */
    struct datagram_socket datagrams; /* of a forward listener */
    struct datagram_forward forward;
    bool absent; /* this machine did not have its address at the last look */
    /* Networks whose socket was closed for one of the local that will replace this one. */
    unsigned made_way;
};

struct local {
    const struct config_local *config; /* borrowed */
    uint8_t private_key[CONFIG_KEY_SIZE];
    struct worker worker;
    struct resolver *resolver;
    struct nat64_finder finder;
    struct state_file state;
    struct stamp_keeper stamps;
    struct path_table paths;
    struct path_dialer dialer;
    struct session *session; /* NULL for a moment after a session has ended */
    struct driver driver;    /* its session is NULL at the same time */
    struct rules *rules;
    struct inbound_service inbound;
    struct datagram_service datagrams;
    struct association_service associations;
    struct socks_service socks;
    struct local_listener *listeners; /* owned; as many as the configuration has */
    bool had_session;                 /* `session` was established before */
    struct outage_log contact;        /* logs contact with the relay */
    ev_timer retired;
    ev_timer restart;      /* runs while there is no session */
    struct restart ending; /* of the last session */
    /* When moving streams end too; TIME_NEVER: wait for idle streams. */
    uint64_t stop_at_ns;
    bool closing; /* the session was asked to close */
    void (*done)(struct local *local, void *context);
    void *done_context;
};

/* local_loops.c */
/* For decider.comes_back. */
bool local_comes_back(const struct local *local, enum rule_network network,
                      const struct address *to, bool direct);

/* local_listeners.c */
int local_init_listeners(struct local *local) MUST_CHECK;
/* Frees the listeners, also after a failed local_init_listeners(). */
void local_free_listeners(struct local *local);
void local_stop_listening(struct local *local);
/* Accepts from the socket that it has; closes it, if it has one. */
void local_listener_begin(struct local_listener *listener);
void local_listener_stop(struct local_listener *listener);
/* Closes the socket for datagrams, if it has one. */
void local_stop_forward(struct local_listener *listener);
/* For status: the addresses, and which of them are not there. */
struct json_t *local_describe_listeners(const struct local *local) MUST_CHECK;

/* local_handover.c; `network` is TCP or UDP */
bool local_listener_serves(const struct local_listener *listener,
                           enum config_network network);
/* The listener of `previous` whose socket was opened for the same address; NULL: none. */
struct local_listener *local_find_previous(struct local *previous,
                                           enum config_network network,
                                           const struct address *address);
/* Closes a socket of `previous` that excludes the address and is not needed any more: for
 * example one on loopback, for one on all addresses. Clients that wait to be accepted are
 * served first. False: there is none. */
bool local_make_way(struct local *local, struct local *previous,
                    enum config_network network, const struct address *address);
/* Whether the socket was closed to make way; only the first call says so. */
bool local_wants_back(struct local_listener *listener, enum config_network network);

/* Closes SOCKS connections of `previous` that have not finished their requests, where the
 * local asks for other names or passwords. */
void local_end_negotiations(const struct local *local, struct local *previous);

/* local_forwards.c */
/* Opens the sockets for datagrams that `previous` does not have. */
int local_open_forwards(struct local *local, struct local *previous) MUST_CHECK;
/* Serves the listener's clients, if it is for datagrams, with the socket that it or
 * `previous` has. */
void local_begin_forward(struct local_listener *listener, struct local *previous);
/* The new local cannot have all of its sockets: `previous` gets back those that it
 * closed. */
void local_give_back_forwards(struct local *previous);

#endif
