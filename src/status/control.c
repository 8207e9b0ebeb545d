/* SPDX-License-Identifier: MIT */
#include <splitsocks/status/control.h>

#include "control_socket.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/listener.h>

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct control {
    struct ev_loop *loop;
    control_asked *asked;
    void *context;
    struct control_socket socket;
    struct listener listener; /* paused while there are CONTROL_CLIENTS */
    struct list clients;
    unsigned client_count;
};

struct control_client {
    struct control *control; /* borrowed; NULL: it is gone */
    struct list node;
    ev_io io;
    ev_timer deadline;
    char request[CONTROL_REQUEST_MAX + 1];
    size_t request_length;
    bool asked;   /* the answer is awaited: the client stays, even if it has gone away */
    char *answer; /* owned; NULL before the request is complete */
    size_t answer_length, answer_at;
};

static bool on_accept(void *context, int fd, const struct address *peer);

static void listen_for_more(struct control *control)
{
    listener_init(&control->listener, control->loop, control->socket.fd, DESCRIPTOR_OWN,
                  on_accept, control);
}

static void close_connection(struct control_client *client)
{
    struct control *control = client->control;

    if (client->io.fd < 0)
        return;
    ev_io_stop(control->loop, &client->io);
    ev_timer_stop(control->loop, &client->deadline);
    close(client->io.fd);
    client->io.fd = -1;
}

static void leave(struct control_client *client)
{
    struct control *control = client->control;

    close_connection(client);
    list_remove(&client->node);
    client->control = NULL;
    if (control->client_count-- == CONTROL_CLIENTS)
        listen_for_more(control);
}

static void client_free(struct control_client *client)
{
    leave(client);
    free(client->answer);
    free(client);
}

static void drop(struct control_client *client)
{
    if (client->asked)
        close_connection(client);
    else
        client_free(client);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    drop(timer->data);
}

/* ---- the answer ---- */

static void write_answer(struct control_client *client)
{
    ssize_t n = send(client->io.fd, client->answer + client->answer_at,
                     client->answer_length - client->answer_at, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n >= 0)
        client->answer_at += (size_t)n;
    if (n < 0 || client->answer_at == client->answer_length)
        client_free(client);
}

void control_reply(struct control_client *client, char *answer)
{
    size_t length;

    client->asked = false;
    if (client->control == NULL) {
        free(answer);
        free(client);
        return;
    }
    client->answer = answer;
    if (answer == NULL || client->io.fd < 0) {
        client_free(client);
        return;
    }
    /* The newline takes the place of the final zero. */
    length = strlen(answer);
    answer[length] = '\n';
    client->answer_length = length + 1;
    io_watch(client->control->loop, &client->io, EV_WRITE);
    write_answer(client);
}

static void ask(struct control_client *client)
{
    struct control *control = client->control;

    client->asked = true;
    io_watch(control->loop, &client->io, 0);
    control->asked(control->context, client->request, client);
}

/* ---- the request ---- */

static void read_request(struct control_client *client)
{
    char *at = client->request + client->request_length;
    size_t room = sizeof(client->request) - client->request_length;
    ssize_t n = recv(client->io.fd, at, room, 0);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_free(client);
        return;
    }
    client->request_length += (size_t)n;
    end = memchr(at, '\n', (size_t)n);
    if (end != NULL) {
        *end = '\0';
        ask(client);
    } else if (client->request_length == sizeof(client->request)) {
        client_free(client);
    }
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    struct control_client *client = io->data;
    (void)loop;
    (void)events;

    if (client->answer == NULL)
        read_request(client);
    else
        write_answer(client);
}

static bool on_accept(void *context, int fd, const struct address *peer)
{
    struct control *control = context;
    struct control_client *client = calloc(1, sizeof(*client));
    (void)peer;

    if (client == NULL) {
        close(fd);
        return true;
    }
    client->control = control;
    list_init(&client->node);
    list_append(&control->clients, &client->node);
    ev_io_init(&client->io, on_event, fd, EV_READ);
    ev_timer_init(&client->deadline, on_deadline, CONTROL_SECONDS, 0.);
    client->io.data = client->deadline.data = client;
    ev_io_start(control->loop, &client->io);
    ev_timer_start(control->loop, &client->deadline);
    if (++control->client_count == CONTROL_CLIENTS)
        listener_deinit(&control->listener);
    return true;
}

/* ---- life ---- */

int control_new(struct ev_loop *loop, const char *path, bool optional, control_asked *asked,
                void *context, struct control **out)
{
    struct control *control = calloc(1, sizeof(*control));
    const char *why;
    int error;

    *out = NULL;
    if (control == NULL) {
        log_error("%s cannot be the control socket: out of memory", path);
        return ERROR_MEMORY;
    }
    error = control_socket_open(&control->socket, path, &why);
    if (error != OK) {
        log_write(optional ? LOG_WARNING : LOG_ERROR, "%s cannot be the control socket: %s",
                  path, why != NULL ? why : strerror(errno));
        free(control);
        return error;
    }
    control->loop = loop;
    control->asked = asked;
    control->context = context;
    list_init(&control->clients);
    listen_for_more(control);
    *out = control;
    return OK;
}

/* One whose answer is awaited is freed with that. */
static void let_go(struct control_client *client)
{
    if (client->asked)
        leave(client);
    else
        client_free(client);
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    while (!list_empty(&control->clients))
        let_go(list_first(&control->clients, struct control_client, node));
    listener_deinit(&control->listener);
    control_socket_close(&control->socket);
    free(control);
}
