/* SPDX-License-Identifier: MIT */
/* Structs and functions that the files of the relay share. */
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include "outbound_flow.h"
#include "own_addresses.h"
#include "relay_mailbox.h"
#include "relay_part.h"
#include "stamp_file.h"

#include <splitsocks/base/log.h>
#include <splitsocks/base/outage_news.h>
#include <splitsocks/config/config_relay.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/gate/admission.h>
#include <splitsocks/gate/client_table.h>
#include <splitsocks/gate/door.h>
#include <splitsocks/io/driver.h>
#include <splitsocks/io/listener.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/io/tally.h>
#include <splitsocks/io/usage_store.h>
#include <splitsocks/proxy/destination.h>
#include <splitsocks/relay/outbound.h>
#include <splitsocks/relay/relay.h>

#include <pthread.h>
#include <stdatomic.h>

/* The relay's clients. Sessions refer to a client by its index, so the index stays the
 * same while the relay runs: a client that a reload has removed keeps its place and its
 * stamps, and so do those that were listed in an earlier run. */
struct relay_clients {
    struct client_table *table; /* owned; those that are gone are barred */
    size_t count, capacity;
    struct relay_client {
        uint8_t public_key[CONFIG_KEY_SIZE];
        char name[64];
        bool gone;
        size_t listed;    /* its place in the newest configuration, unless gone */
        char refusal[96]; /* why it is not served now; "": it is */
        uint64_t crowded_at_ns;      /* when a session was last refused; 0: never */
    } * items;                       /* owned */
    struct admission_client *limits; /* owned; one for each client */
};

/* What all sessions of a client share. */
struct relay_meter {
    struct client_account account;
    struct list owing;         /* in `owing` of a worker, or in none; under relay.lock */
    struct pace_rate up, down; /* to destinations, and from them */
    struct tally tally;        /* of its subflows */
    bool metered;              /* the client has a quota */
    /* Datagrams of its sessions that have ended. */
    atomic_uint_least64_t drops[FLOW_DROPS];
    char name[64];             /* the client's, when this was last looked at */
};

/* A configuration, and the one before it, which a worker may still use. */
struct relay_config {
    struct relay_config *older;
    struct config_relay *config; /* owned */
};

struct relay {
    struct key_pair key;
    /* Protects everything that a reload changes. Every call of an admission needs it too,
     * since it looks at the clients. */
    pthread_mutex_t lock;
    struct relay_clients *clients;
    struct client_pools pools;   /* what all clients share */
    struct pace_rate up, down;   /* of all together */
    struct relay_meter **meters; /* owned; one for each client */
    size_t meter_count;
    struct stamp_file stamps;
    struct state_file state;
    struct usage_store usage;    /* of clients with quotas */
    struct usage_fresh *fresh;   /* owned; of `usage` */
    struct relay_config *config; /* the newest */
    atomic_uint round;           /* of questions about the status */
    struct {
        relay_status_done *done; /* NULL: nobody asks */
        void *context;
        ev_timer timeout;
    } asked;
    ev_timer terms;              /* looks which clients may be served still */
    int *sockets;                /* owned: the listening sockets */
    size_t socket_count;
    struct relay_worker *workers; /* owned */
    unsigned worker_count;
    unsigned initialised;    /* workers that need a deinit */
    uint64_t silence_random; /* for the doors of all workers */
    atomic_uint_fast64_t
        stop_at_ns;      /* when sessions are closed; TIME_NEVER: not stopping */
    atomic_bool terms_due; /* a client's quota is to be looked at */
    atomic_uint cuts;      /* times when some client may have come to be unserved */
    atomic_uint threads; /* workers' threads that have not ended */
};

struct relay_worker {
    struct relay *relay; /* borrowed */
    unsigned index;
    bool own_loop; /* `loop` was made here, and `thread` runs it */
    bool thread_started;
    pthread_t thread;
    struct worker worker;
    struct resolver *resolver;
    _Atomic(const struct config_relay *) config; /* its present configuration */
    struct destination_rules rules;              /* of that configuration */
    struct own_addresses own;
    struct destination_cache verdicts; /* of those rules */
    struct outbound_service outbound;
    struct flow_service flows;
    struct nat64_finder finder;
    struct dialer_ways ways; /* for connections to destinations */
    struct door *door;
    struct admission *admission;
    struct listener *listeners; /* owned; one for each socket of the relay */
    struct list arrivals;       /* of struct relay_arrival */
    struct turn arrivals_turn;  /* the part of the loop's time that all of them have */
    struct list sessions;       /* of struct relay_session */
    struct relay_mailbox
        mailbox;         /* wakes the worker also when the relay stops or reloads */
    ev_timer stopping;   /* checks whether the streams have ended */
    bool closing;        /* sessions were asked to close */
    unsigned cuts;       /* `relay.cuts` when its sessions were last looked at for it */
    atomic_uint load;    /* admission_load(), for the others */
    atomic_bool crowded; /* deserted sessions of some client are to be closed */
    struct list owing;   /* of struct relay_meter, whose old flows are to end here; under
                            relay.lock */
    struct log_limit log_limit;
    struct relay_handshakes handshakes;
    uint64_t measured_cpu_ns, measured_at_ns; /* for the load in its part of the status */
    unsigned part_round;                      /* which its part answers; under relay.lock */
    struct json_t *part; /* owned; NULL: was taken, or memory was out; under relay.lock */
};

/* A session, with the owners of its streams and flows. */
struct relay_session {
    struct list node; /* in worker.sessions */
    struct relay_worker *worker;
    struct session *session; /* the admission's */
    struct driver driver;
    struct outbound_list streams;
    struct flow_list flows;
    /* The client's, where it has some; else they only point to the worker's. */
    struct destination_rules rules;
    unsigned client; /* index */
    struct relay_meter *meter; /* borrowed: the client's */
    bool refused;    /* beyond the client's limit, and about to end */
    struct outage_news resumed; /* each resume of the session ended an outage */
    char name[64];   /* the client's */
};

/* ---- relay_clients.c ---- */

/* No clients; NULL when memory is out. */
struct relay_clients *relay_clients_empty(void) MUST_CHECK;
/* The index of the client with this key, which is added as one that is gone when it is not
 * there; or ERROR_MEMORY. */
int relay_clients_recall(struct relay_clients *clients,
                         const uint8_t key[KEY_SIZE]) MUST_CHECK;
/* The clients of a configuration, with the indices and stamps of `previous`. NULL when
 * memory is out. */
struct relay_clients *relay_clients_new(const struct config_relay *config,
                                        const struct relay_clients *previous) MUST_CHECK;
void relay_clients_free(struct relay_clients *clients);

/* ---- relay_meters.c ---- */

/* Gives each of the clients its account, and the bounds of the configuration. ERROR_MEMORY:
 * only some of them. */
int relay_meters_set(struct relay *relay, struct relay_clients *clients,
                     const struct config_relay *config) MUST_CHECK;
/* Old flows of the client are to end in that worker, for new ones in others. A client that
 * some worker is to look at already comes to this one later. */
void relay_meter_owes(struct relay_meter *meter, struct relay_worker *worker);
/* The next client that owes flows in this worker, which is not to look at it again; NULL:
 * none. */
struct relay_meter *relay_meter_take_owing(struct relay_worker *worker) MUST_CHECK;
/* Call when no session is left. */
void relay_meters_free(struct relay *relay);

/* ---- relay_quota.c: for the first worker's thread ---- */

/* A client's quota, and what the client has used of it. */
struct relay_quota {
    uint64_t quota_bytes, used_bytes;
    bool used_up;
};

/* `state_path` is kept; NULL: there is no file. */
int relay_quota_init(struct relay *relay, const char *state_path,
                     const struct config_relay *config) MUST_CHECK;
/* Saves. Call when no session is left, before the meters are freed. Safe on zeroed ones. */
void relay_quota_free(struct relay *relay);
/* The clients of a new configuration, which have meters. The file has its counts by the
 * clients' names, so that one with a new key goes on. Returns OK or ERROR_MEMORY. */
int relay_quota_follow(struct relay *relay, const struct relay_clients *clients,
                       const struct config_relay *config) MUST_CHECK;
/* Follows the wall clock to the next month. */
void relay_quota_turn(struct relay *relay);
/* Takes in what the client has moved since the last look; true: something. */
bool relay_quota_look(struct relay *relay, size_t index, struct relay_quota *now);
/* What is known of it, without a look; false: the client has no quota. */
bool relay_quota_peek(const struct relay *relay, size_t index, struct relay_quota *out);
/* Saves now and then. Returns how long the next look may wait: `moved` is whether any
 * client has moved something. */
uint64_t relay_quota_save(struct relay *relay, bool moved);

/* ---- relay_status.c: for the first worker's thread ---- */

/* Answers a question about the status when all workers have told their parts. */
void relay_status_collect(struct relay *relay);
/* There will be no answer any more. */
void relay_status_stop(struct relay *relay);

/* ---- relay_follow.c ---- */

/* The worker's first configuration. */
void relay_follow_use(struct relay_worker *worker, const struct config_relay *config);
/* Goes on with the relay's newest configuration, and so do the worker's sessions. */
void relay_follow(struct relay_worker *worker);
/* Gives a new session the rules for destinations of its client. */
void relay_follow_session(struct relay_session *session);

/* ---- relay_terms.c ---- */

/* Until when, and for how many bytes, clients are served. Looks at once, at each reload,
 * when a client's time ends, and when a quota is used up; wakes the workers when some
 * client's terms have changed. For the first worker's thread. */
void relay_terms_start(struct relay *relay);
void relay_terms_update(struct relay *relay);
void relay_terms_stop(struct relay *relay);

/* ---- relay_bounds.c ---- */

/* The bound for connections that have not authenticated themselves:
 * `limits.unauthenticated`, but at most a quarter of the descriptors for subflows if
 * listed clients could use all of these. */
uint32_t relay_bounds_unauthenticated(const struct config_relay *config);
/* The bounds of all clients together. */
void relay_bounds_set(const struct config_relay *config, struct client_pools *pools);
/* The bounds of the client in that entry of the configuration. */
struct client_bounds relay_bounds_of_client(const struct config_relay *config,
                                            size_t index);
/* Tells the process how many descriptors the relay needs besides the `held` ones. */
void relay_bounds_reserve(const struct config_relay *config, unsigned long held);

/* ---- relay_worker.c ---- */

int relay_worker_init(struct relay_worker *worker, struct relay *relay, unsigned index,
                      struct ev_loop *loop) MUST_CHECK;
/* Waits until its thread has ended, if it has one. */
void relay_worker_join(struct relay_worker *worker);
/* Call when the threads of all workers have ended. */
void relay_worker_deinit(struct relay_worker *worker);
int relay_worker_start(struct relay_worker *worker) MUST_CHECK;

/* ---- relay_session.c ---- */

/* For a session that was just made; `refused`: it is beyond the limit and will end. NULL
 * when memory is out. */
struct relay_session *relay_session_new(struct relay_worker *worker,
                                        struct session *session, unsigned client,
                                        bool refused) MUST_CHECK;
/* The session was resumed, and has a new id: logs that. */
void relay_session_resumed(struct relay_session *session);
/* Tells the other workers how much the worker has to serve. */
void relay_sessions_note_load(struct relay_worker *worker);
/* Frees the admission's session, which has no relay_session. */
void relay_session_drop(struct relay_worker *worker, struct session *session);
/* Ends its streams, flows and subflows, and drops the session. */
void relay_session_free(struct relay_session *session);

/* ---- relay_arrival.c ---- */

/* Takes over an accepted socket. */
void relay_arrival_new(struct relay_worker *worker, int fd, const struct address *peer);
/* Takes over a connection that another worker has read from. Frees the message. */
void relay_arrival_move_in(struct relay_worker *worker, struct relay_message *message);
/* Closes all arrivals. */
void relay_arrivals_close(struct relay_worker *worker);

#endif
