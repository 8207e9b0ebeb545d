/* SPDX-License-Identifier: MIT */
#include "relay_mailbox.h"

#include <stdlib.h>
#include <unistd.h>

static void on_wake(struct ev_loop *loop, ev_async *wake, int events)
{
    struct relay_mailbox *mailbox = wake->data;
    (void)loop;
    (void)events;

    mailbox->woken(mailbox->context);
}

void relay_mailbox_init(struct relay_mailbox *mailbox, void (*woken)(void *context),
                        void *context)
{
    *mailbox = (struct relay_mailbox){.woken = woken, .context = context};
    pthread_mutex_init(&mailbox->lock, NULL);
    list_init(&mailbox->messages);
    ev_async_init(&mailbox->wake, on_wake);
    mailbox->wake.data = mailbox;
}

void relay_mailbox_start(struct relay_mailbox *mailbox, struct ev_loop *loop)
{
    mailbox->loop = loop;
    ev_async_start(loop, &mailbox->wake);
}

void relay_mailbox_deinit(struct relay_mailbox *mailbox)
{
    struct relay_message *message;

    while ((message = relay_mailbox_take(mailbox)) != NULL) {
        close(message->fd);
        free(message);
    }
    if (mailbox->loop != NULL)
        ev_async_stop(mailbox->loop, &mailbox->wake);
    pthread_mutex_destroy(&mailbox->lock);
}

void relay_mailbox_wake(struct relay_mailbox *mailbox)
{
    if (mailbox->loop != NULL)
        ev_async_send(mailbox->loop, &mailbox->wake);
}

void relay_mailbox_post(struct relay_mailbox *mailbox, struct relay_message *message)
{
    list_init(&message->node);
    pthread_mutex_lock(&mailbox->lock);
    list_append(&mailbox->messages, &message->node);
    pthread_mutex_unlock(&mailbox->lock);
    relay_mailbox_wake(mailbox);
}

struct relay_message *relay_mailbox_take(struct relay_mailbox *mailbox)
{
    struct relay_message *message;

    pthread_mutex_lock(&mailbox->lock);
    message = list_first(&mailbox->messages, struct relay_message, node);
    if (message != NULL)
        list_remove(&message->node);
    pthread_mutex_unlock(&mailbox->lock);
    return message;
}
