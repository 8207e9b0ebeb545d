/* SPDX-License-Identifier: MIT */
/* Connections on their way to the worker that owns their sessions. A worker has one
 * mailbox; any thread may post to it, and wake its owner. */
#ifndef RELAY_MAILBOX_H
#define RELAY_MAILBOX_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/list.h>
#include <splitsocks/gate/admission.h>

#include <ev.h>
#include <pthread.h>

struct relay_message {
    struct list node;
    int fd;
    struct address peer;
    size_t length;
    uint8_t bytes[ARRIVAL_BUFFER_SIZE];
};

struct relay_mailbox {
    pthread_mutex_t lock;
    struct list messages; /* of struct relay_message; under `lock` */
    struct ev_loop *loop; /* the owner's; NULL before relay_mailbox_start() */
    ev_async wake;
    void (*woken)(void *context);
    void *context;
};

/* `woken` is called on the owner's loop after relay_mailbox_wake() and _post(). */
void relay_mailbox_init(struct relay_mailbox *mailbox, void (*woken)(void *context),
                        void *context);
void relay_mailbox_start(struct relay_mailbox *mailbox, struct ev_loop *loop);
/* Closes what has not been taken. No other thread uses it any more. */
void relay_mailbox_deinit(struct relay_mailbox *mailbox);

/* From any thread. */
void relay_mailbox_wake(struct relay_mailbox *mailbox);
/* The same with a message, which is taken over. */
void relay_mailbox_post(struct relay_mailbox *mailbox, struct relay_message *message);
/* The oldest message, now the caller's; NULL when there is none. */
struct relay_message *relay_mailbox_take(struct relay_mailbox *mailbox) MUST_CHECK;

#endif
