/* SPDX-License-Identifier: MIT */
/*
 * Admission: what a new connection must show before a session takes it.
 *
 * Each accepted connection is an `arrival` until its first chunk has opened. Every failure
 * leads to one state, ARRIVAL_SILENT: the driver reads and discards until the arrival's
 * deadline, then closes with nothing unread, and never writes.
 *
 * One admission per worker thread; the client table is shared by all of them (the driver
 * locks around admission_receive() when there are several).
 */
#ifndef SPLITSOCKS_ADMISSION_H
#define SPLITSOCKS_ADMISSION_H

#include <splitsocks/base/account.h>
#include <splitsocks/engine/session/session.h>
#include <splitsocks/gate/door.h>

/* Longest HELLO, or JOIN with its first chunk. */
#define ARRIVAL_BUFFER_SIZE 1280

struct admission;
struct arrival;

struct admission_config {
    struct door *door;       /* borrowed: the worker's own */
    struct page_pool *pages; /* borrowed; outlives the admission */
    uint8_t server_id;
    unsigned worker, workers; /* this worker's number, and the number of all */
    uint64_t linger_ns;
    struct hash_secret hash_secret;              /* of the sessions */
    unsigned half_open_max, unauthenticated_max; /* beyond, the oldest goes */
    /* Per client index: streams and flows of one session at once, and sessions; 0 flows:
     * the client gets none. `refusal`: why further sessions are refused; NULL: they are
     * not. `account`: what its sessions in all workers share; stays for a client that
     * stays; or NULL. Borrowed. */
    const struct admission_client {
        uint32_t max_streams, max_flows, max_sessions;
        const char *refusal;
        struct client_account *account;
    } *clients;
    size_t client_count;
};

struct admission *admission_new(const struct admission_config *config) MUST_CHECK;
/* Frees its sessions too; every arrival has been freed before. */
void admission_free(struct admission *admission);

/* A reloaded configuration: the sessions that are up keep what they were granted. Client
 * indices must stay what they were for clients that stay. Borrowed. */
void admission_set_clients(struct admission *admission,
                           const struct admission_client *clients, size_t count);

enum arrival_verdict {
    ARRIVAL_MORE,      /* nothing to do until more bytes arrive */
    ARRIVAL_ANSWER,    /* write `answer` (at most 162 bytes), then wait for more */
    ARRIVAL_ATTACHED,  /* `session` and `subflow` own the connection from here on */
    ARRIVAL_ELSEWHERE, /* give the socket and all bytes read so far to worker `worker` */
    ARRIVAL_SILENT,
};

struct arrival_result {
    enum arrival_verdict verdict;
    const uint8_t *answer;
    size_t answer_length;
    size_t hello_length;     /* ANSWER: what was read of the connection for it */
    struct session *session; /* drain its events: SESSION_STREAM_INCOMING may wait */
    struct subflow *subflow;
    bool created;            /* ATTACHED: the session is new to the driver */
    bool refused;            /* ATTACHED: and ends at once: it is one too many, or the
                                client's `refusal` is set */
    const uint8_t *rest;     /* ATTACHED: bytes behind the first chunk, for
                                session_receive() (copy them, they are the arrival's) */
    size_t rest_length;
    unsigned worker;
    bool agreed;             /* a key agreement was begun, which costs */
    unsigned client;         /* ANSWER, ATTACHED, and `why` is ERROR_REPLAY: its index */
    uint64_t stamp;          /* ANSWER: of the HELLO; keep it before the answer is sent */
    enum error why;          /* SILENT: what door_hello() said of a HELLO, for the log;
                                OK when there was none */
    struct session *disturbed; /* not NULL: another session that was ended to make room;
                                  drain its events too */
};

struct arrival *arrival_new(struct admission *admission, const struct address *peer,
                            uint64_t now) MUST_CHECK;
/* After ATTACHED, ELSEWHERE, or when its connection has ended. */
void arrival_free(struct admission *admission, struct arrival *arrival);

/* Where to read into: `*room` bytes. After ARRIVAL_SILENT the driver reads into a buffer
 * of its own. */
uint8_t *arrival_buffer(struct arrival *arrival, size_t *room);
/* All bytes read so far (for ARRIVAL_ELSEWHERE). */
const uint8_t *arrival_bytes(const struct arrival *arrival, size_t *length);
/* When the driver must close it: the silence deadline, or 5 s of half-open life. */
uint64_t arrival_deadline(const struct arrival *arrival);

/* What the client has here; NULL: nothing, so far. */
const struct account *admission_account(const struct admission *admission, unsigned client);
/* Connections that have not proved yet to be a client's. */
unsigned admission_unproven(const struct admission *admission);
/* How much the admission has to serve: its sessions, and the HELLOs that it has answered,
 * of which most become one. */
unsigned admission_load(const struct admission *admission);
/* The worker for sessions that are new; at first the admission's own. Their HELLOs are
 * ARRIVAL_ELSEWHERE in the others. */
void admission_set_place(struct admission *admission, unsigned worker);

/* `length` more bytes are in the buffer (0 only after a move from another worker).
 * `random` is fresh for each call. */
struct arrival_result admission_receive(struct admission *admission,
                                        struct arrival *arrival, size_t length,
                                        const uint8_t random[64], uint64_t now);

/* Another worker had no room for a further session of the client: closes the client's
 * session that is deserted for longest, and returns it, for its events to be drained; NULL:
 * none is deserted. */
struct session *admission_desert(struct admission *admission, unsigned client,
                                 uint64_t now);
/* The session told SESSION_ENDED, or the driver wants it gone: forgets and frees it. The
 * client table counts one less, so this call needs its lock. */
void admission_drop(struct admission *admission, struct session *session);
/* An arrival that the bounds evict (the oldest half-open one), or NULL: the driver closes
 * its connection and frees it. Ask after each admission_receive(). */
struct arrival *admission_next_evicted(struct admission *admission);
void arrival_set_user(struct arrival *arrival, void *user);
void *arrival_user(const struct arrival *arrival);

#endif
