/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/datagram_forward.h>

#include <splitsocks/io/clock.h>

#include <stdlib.h>
#include <string.h>

struct forward_client {
    struct datagram_client client; /* first */
    struct datagram_forward *forward;
    struct list node;     /* in a bucket */
    struct address peer;  /* the client's */
    struct address local; /* ours, at which it reaches us */
};

static struct list *bucket_of(struct datagram_forward *forward, const struct address *peer)
{
    /* Clients of one machine differ in their ports. */
    uint32_t hash = peer->port;

    for (size_t i = 0; i < sizeof(peer->bytes); i++)
        hash = hash * 31 + peer->bytes[i];
    return &forward->buckets[(hash ^ hash >> 8) % DATAGRAM_FORWARD_BUCKETS];
}

static void client_free(struct forward_client *client)
{
    datagram_client_deinit(&client->client);
    list_remove(&client->node);
    free(client);
}

static void on_answer(struct datagram_client *datagrams, const struct address *from,
                      const uint8_t *bytes, size_t length)
{
    struct forward_client *client = (struct forward_client *)datagrams;
    struct datagram_forward *forward = client->forward;
    (void)from;

    if (length > DATAGRAM_BYTES_MAX) {
        datagrams->service->drops.lost++;
        return;
    }
    memcpy(datagram_socket_put(forward->socket, forward->service->worker->datagrams,
                               &client->peer, &client->local, length),
           bytes, length);
}

static void on_idle(struct datagram_client *client)
{
    client_free((struct forward_client *)client);
}

static const char *describe(struct datagram_client *client, char text[ADDRESS_TEXT_SIZE])
{
    return address_format(&((struct forward_client *)client)->peer, text);
}

static const struct datagram_client_type client_type = {
    .answer = on_answer,
    .idle = on_idle,
    .describe = describe,
};

/* The client of a datagram; a new one if there is none yet. NULL when memory is out. */
static struct forward_client *client_for(struct datagram_forward *forward,
                                         const struct datagram_in *in)
{
    struct list *bucket = bucket_of(forward, &in->peer);
    struct forward_client *client;

    list_foreach(bucket, node, after) {
        client = list_entry(node, struct forward_client, node);
        if (address_equal(&client->peer, &in->peer)) {
            client->local = in->local;
            return client;
        }
    }
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return NULL;
    datagram_client_init(&client->client, forward->service, &client_type, &forward->terms);
    client->forward = forward;
    client->peer = in->peer;
    client->local = in->local;
    list_init(&client->node);
    list_append(bucket, &client->node);
    return client;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct datagram_forward *forward = io->data;
    struct datagram_batch *batch = forward->service->worker->datagrams;
    size_t count = datagram_socket_receive(forward->socket, batch, DATAGRAM_BATCH);
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    for (size_t i = 0; i < count; i++) {
        const struct datagram_in *in = datagram_batch_at(batch, i);
        struct forward_client *client = client_for(forward, in);

        if (client != NULL)
            datagram_client_send(&client->client, forward->to, in->bytes, in->length, now);
    }
    datagram_service_flush(forward->service);
}

void datagram_forward_init(struct datagram_forward *forward,
                           struct datagram_service *service,
                           const struct datagram_socket *socket, const struct target *to,
                           const struct datagram_terms *terms)
{
    forward->service = service;
    forward->to = to;
    forward->terms = *terms;
    forward->socket = socket;
    for (size_t i = 0; i < DATAGRAM_FORWARD_BUCKETS; i++)
        list_init(&forward->buckets[i]);
    ev_io_init(&forward->io, on_readable, socket->fd, EV_READ);
    forward->io.data = forward;
    ev_io_start(service->worker->loop, &forward->io);
}

void datagram_forward_deinit(struct datagram_forward *forward)
{
    if (forward->service == NULL)
        return;
    for (size_t i = 0; i < DATAGRAM_FORWARD_BUCKETS; i++)
        while (!list_empty(&forward->buckets[i]))
            client_free(list_first(&forward->buckets[i], struct forward_client, node));
    ev_io_stop(forward->service->worker->loop, &forward->io);
    forward->service = NULL;
}
