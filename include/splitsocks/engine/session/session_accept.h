/* SPDX-License-Identifier: MIT */
/*
 * Relay: how a session begins, and how it takes in the connections that local opens.
 *
 * A HELLO is answered before there is a session. session_grant() fills in the answer; where
 * the HELLO asks for a session that may go on, session_free_id() gives it one more id.
 * first_chunk_open() opens the first chunk behind the HELLO. That chunk proves the client:
 * session_new_relay() begins the session, or the old one goes on; session_add_keys() gives
 * it the keys of the HELLO, and session_accept() the connection.
 *
 * Behind a JOIN, session_open_first() opens the first chunk, and session_accept() follows.
 *
 * No function here creates anything before a chunk has opened. The gate decides which
 * connections are let in.
 */
#ifndef SPLITSOCKS_SESSION_ACCEPT_H
#define SPLITSOCKS_SESSION_ACCEPT_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/crypto/seal.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/wire/handshake.h>

struct list;

/* Fills in the linger time, windows and stream limit of an answer, by the offer, the
 * relay's own linger time and its bounds on streams and flows. Without flows the feature
 * `datagrams` is taken out. */
void session_grant(const struct hello_offer *offer, uint64_t linger_ns,
                   uint64_t stream_limit, unsigned flow_limit, struct hello_answer *answer);
/* Whether the session is up and this client's, so that a HELLO may resume it. False for
 * NULL. */
bool session_may_resume(const struct session *session, unsigned client);
/* `id`, with another generation tag if the session uses that of `id` already. */
uint64_t session_free_id(const struct session *session, uint64_t id);

/* The promises that the answer to a HELLO has made. */
struct session_promise {
    struct account *account; /* borrowed; outlives the session */
    struct list *sessions;   /* the worker's: the session is in it until it is freed */
    struct hash_secret hash_secret;
    /* Borrowed for the call. */
    const struct hello_offer *offer;
    const struct hello_answer *answer;
    unsigned client;     /* its index */
    unsigned flow_limit; /* flows open at once */
    bool refused;        /* beyond the client's limit: session_limit_refuse() follows */
};

/* NULL when memory is out. */
struct session *session_new_relay(const struct session_promise *promise,
                                  uint64_t now) MUST_CHECK;
/* Any one of the sessions, or NULL. */
struct session *session_first(const struct list *sessions);
/* Index of the client, as promised. */
unsigned session_client(const struct session *session);
/* Whether it exists only to tell the client that it is one too many, as promised. */
bool session_is_refused(const struct session *session);
struct account *session_account(const struct session *session);

/* Takes over the keys of a HELLO (`keys` is zeroed) with the id, the features and the
 * linger time of its answer. `*order` becomes the order of this generation of keys in the
 * session: the newest has the highest. Returns OK; ERROR_CLOSED when the session is not up;
 * ERROR_REPLAY when the tag of the id is in use; or ERROR_MEMORY. On error, the session and
 * `keys` are unchanged. */
int session_add_keys(struct session *session, const struct hello_answer *answer,
                     struct session_keys *keys, uint64_t now, uint64_t *order) MUST_CHECK;

/* The bytes that a connection has brought, from its JOIN on, or from behind its HELLO. */
struct first_chunk {
    uint8_t *bytes;         /* borrowed; the chunk is opened in place */
    size_t length;          /* of `bytes`, which may go on behind the chunk */
    size_t header_length;   /* of the JOIN; 0 behind a HELLO */
    uint64_t number;        /* of the subflow; 0 behind a HELLO */
    uint64_t hello_length;  /* received before; 0 with a JOIN */
    uint64_t answer_length; /* sent before; 0 with a JOIN */
    /* The rest is set when the chunk is opened; zero before. */
    struct seal opener; /* owned, until session_accept() succeeds */
    size_t end;         /* offset behind the chunk */
};

/* Opens the chunk. Returns OK; ERROR_TRUNCATED when more bytes are needed, from the same
 * beginning; ERROR_MALFORMED or ERROR_AUTHENTICATION; or ERROR_MEMORY or ERROR_CRYPTO. */
int first_chunk_open(struct first_chunk *first, struct session_keys *keys) MUST_CHECK;
/* The same, with the keys that the session has by that id. Also ERROR_CLOSED when the
 * session is not up, ERROR_NOT_FOUND when it does not know the id any more, ERROR_REPLAY
 * when the number was used, and ERROR_LIMIT when the session has too many subflows. */
int session_open_first(const struct session *session, uint64_t id,
                       struct first_chunk *first) MUST_CHECK;
/* Safe when nothing was opened, and after session_accept(). */
void first_chunk_deinit(struct first_chunk *first);

/* The connection of an opened chunk becomes a subflow with the keys of that id, which the
 * session has, and the frames of the chunk are done: drain the events. The subflow is the
 * session's. Nothing borrows `first->bytes` afterwards. NULL when memory is out or
 * libcrypto fails; then the session is unchanged. */
struct subflow *session_accept(struct session *session, uint64_t id,
                               struct first_chunk *first, uint64_t now) MUST_CHECK;

#endif
