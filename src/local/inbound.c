/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/inbound.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/movement.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/local/direct.h>
#include <splitsocks/local/stream_failure.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct inbound {
    struct inbound_service *service; /* borrowed */
    struct list node;                /* in service.inbounds */
    int fd;
    struct hangup hangup; /* of the application, whose socket is not read meanwhile */
    plain_reply *reply;
    struct decision decision;
    struct dialer dialer;
    struct crowd_place *place;
    size_t early_length;
    uint8_t early[];
};

/* Frees everything but the socket. */
static void inbound_free(struct inbound *inbound)
{
    hangup_unwatch(&inbound->service->worker->hangups, &inbound->hangup);
    decision_cancel(&inbound->decision);
    dialer_cancel(&inbound->dialer);
    list_remove(&inbound->node);
    crowd_leave(inbound->place);
    free(inbound);
}

/* The application is gone while its name is looked up, or its target dialled. */
static void on_gone(struct hangup *hangup, int error)
{
    struct inbound *inbound = container_of(hangup, struct inbound, hangup);
    char text[TARGET_TEXT_SIZE];

    log_debug("the client that wants %s has hung up: %s",
              target_format(&inbound->decision.target, text), strerror(error));
    socket_close_reset(inbound->fd);
    inbound_free(inbound);
}

/* From now on the loop may run before the application gets a reply. */
static void watch_hangup(struct inbound *inbound)
{
    if (inbound->hangup.fd < 0)
        hangup_watch(&inbound->service->worker->hangups, &inbound->hangup, inbound->fd);
}

static void refuse_socket(struct worker *worker, int fd, plain_reply *reply,
                          enum reset_code code)
{
    uint8_t text[PLAIN_REPLY_SIZE];

    if (reply != NULL)
        farewell(worker, fd, text, reply(text, false, code));
    else
        socket_close_reset(fd);
}

static void refuse_with(struct inbound *inbound, enum reset_code code, const char *reason)
{
    char text[TARGET_TEXT_SIZE];

    stream_failure_log(inbound->fd, target_format(&inbound->decision.target, text), reason);
    refuse_socket(inbound->service->worker, inbound->fd, inbound->reply, code);
    inbound_free(inbound);
}

static void refuse(struct inbound *inbound, enum reset_code code)
{
    const struct target *target = &inbound->decision.target;
    char reason[STREAM_FAILURE_TEXT_SIZE];

    if (code == RESET_BLOCKED)
        snprintf(reason, sizeof(reason), "not allowed by rules[%zu] of the configuration",
                 inbound->decision.outcome.rule);
    else
        stream_failure_format(code, &target->addresses[0], reason);
    refuse_with(inbound, code, reason);
}

/* ---- proxy ---- */

static void on_failed(int fd, const char *destination, const struct address *address,
                      enum reset_code code)
{
    char reason[STREAM_FAILURE_TEXT_SIZE];

    /* The destination has reset its connection, which is not our failure. */
    if (code == RESET_CANCELLED)
        log_debug("%s has reset the stream", destination);
    else
        stream_failure_log(fd, destination, stream_failure_format(code, address, reason));
}

static void log_no_room(const struct inbound *inbound)
{
    static struct log_limit limit;
    const struct page_pool *pool = &inbound->service->worker->pages;
    char text[TARGET_TEXT_SIZE];

    log_write_limited(
        &limit, clock_now(), LOG_WARNING,
        "cannot open a stream to %s: %zu of the %zu KiB that local holds for all "
        "streams are in use",
        target_format(&inbound->decision.target, text), pool->used * (PAGE_SIZE / 1024),
        (size_t)atomic_load(&pool->bound.most) * (PAGE_SIZE / 1024));
}

/* Passes on the bytes that the application sent behind its request. False when there is no
 * room for them. */
static bool write_early(const struct inbound *inbound, struct stream *stream, uint64_t now)
{
    struct session *session = inbound->service->driver->session;
    size_t length = inbound->early_length;

    if (length == 0 ||
        session_stream_write(session, stream, inbound->early, length, now) == length)
        return true;
    log_no_room(inbound);
    return false;
}

static void open_stream(struct inbound *inbound)
{
    const struct target target = decision_relay_target(&inbound->decision);
    struct inbound_service *service = inbound->service;
    struct driver *driver = service->driver;
    uint64_t now = clock_now();
    struct stream *stream;
    struct plain *plain;

    if (driver->session == NULL) {
        refuse(inbound, service->sessionless);
        return;
    }
    stream = session_stream_open(driver->session, &target,
                                 &inbound->decision.outcome.policy, now);
    if (stream == NULL) {
        refuse(inbound, RESET_FAILURE);
        return;
    }
    driver_touch(driver);
    /* From now on the plain watches the socket. */
    hangup_unwatch(&service->worker->hangups, &inbound->hangup);
    plain = write_early(inbound, stream, now)
                ? plain_new(driver, stream, inbound->fd, inbound->reply, on_failed,
                            &inbound->decision.target.addresses[0], &service->plains)
                : NULL;
    if (plain == NULL) {
        session_stream_reset(driver->session, stream, RESET_FAILURE, now);
        session_stream_release(driver->session, stream, now);
        refuse(inbound, RESET_FAILURE);
        return;
    }
    /* The plain owns the socket from now on, and the place. */
    plain->place = inbound->place;
    inbound->place = NULL;
    inbound_free(inbound);
}

/* ---- direct ---- */

static void on_dialled(void *context, int fd, enum reset_code code)
{
    struct inbound *inbound = context;
    struct inbound_service *service = inbound->service;
    uint8_t reply[PLAIN_REPLY_SIZE];
    size_t length;

    if (fd < 0) {
        refuse(inbound, code);
        return;
    }
    hangup_unwatch(&service->worker->hangups, &inbound->hangup);
    if (inbound->reply != NULL) {
        length = inbound->reply(reply, true, RESET_CANCELLED);
        inbound->reply = NULL;
        /* The send buffer of a socket that has carried a few bytes so far takes the whole
         * reply. */
        if (send(inbound->fd, reply, length, MSG_NOSIGNAL) != (ssize_t)length) {
            socket_close_reset(fd);
            refuse(inbound, RESET_FAILURE);
            return;
        }
    }
    if (direct_start(service->worker, &inbound->decision.target, inbound->fd, fd,
                     inbound->early, inbound->early_length, inbound->place,
                     &service->directs) != OK) {
        socket_close_reset(fd);
        refuse(inbound, RESET_LIMIT);
        return;
    }
    inbound->place = NULL;
    inbound_free(inbound);
}

static void connect_directly(struct inbound *inbound)
{
    const struct target *target = &inbound->decision.target;

    watch_hangup(inbound);
    dialer_start(&inbound->dialer, &inbound->service->ways, NULL, NULL, target->addresses,
                 target->address_count, target->port, on_dialled, inbound);
}

/* ---- deciding ---- */

static void on_decided(struct decision *decision)
{
    struct inbound *inbound = container_of(decision, struct inbound, decision);
    char text[DECISION_TEXT_SIZE];

    if (decision->refused && decision->reason != NULL) {
        refuse_with(inbound, decision->code, decision->reason);
        return;
    }
    if (decision->refused && decision->code != RESET_BLOCKED) {
        refuse(inbound, decision->code);
        return;
    }
    log_debug("%s", decision_format(decision, text));
    switch (decision->outcome.action) {
    case RULE_PROXY: open_stream(inbound); break;
    case RULE_DIRECT: connect_directly(inbound); break;
    case RULE_BLOCK: refuse(inbound, RESET_BLOCKED); break;
    }
}

static void decide(struct inbound *inbound, const struct inbound_request *request)
{
    const struct decision_request question = {
        .listener = request->listener,
        .network = RULE_TCP,
        .target = request->target,
        .otherwise = request->otherwise,
    };

    if (decision_start(&inbound->decision, &inbound->service->decider, &question,
                       on_decided))
        watch_hangup(inbound);
}

static void refuse_for_crowd(struct inbound *inbound, const struct inbound_request *request)
{
    char reason[STREAM_FAILURE_TEXT_SIZE];

    snprintf(reason, sizeof(reason),
             "%u connections to it are open already, which is the max_per_target of "
             "listen[%u]; does it lead back here?",
             request->max_per_target, request->listener);
    inbound->decision.target = *request->target;
    refuse_with(inbound, RESET_LIMIT, reason);
}

/* ---- the room's calls ---- */

void inbound_start(struct inbound_service *service, const struct inbound_request *request)
{
    struct inbound *inbound = calloc(1, sizeof(*inbound) + request->early_length);

    if (inbound == NULL) {
        refuse_socket(service->worker, request->fd, request->reply, RESET_FAILURE);
        return;
    }
    inbound->service = service;
    inbound->fd = request->fd;
    inbound->reply = request->reply;
    inbound->early_length = request->early_length;
    if (request->early_length > 0)
        memcpy(inbound->early, request->early, request->early_length);
    hangup_init(&inbound->hangup, on_gone);
    list_init(&inbound->node);
    list_append(&service->inbounds, &inbound->node);
    movement_note(service->worker, clock_now());
    inbound->place = crowd_enter(&service->crowd, request->listener, request->target,
                                 request->max_per_target);
    if (inbound->place == NULL)
        refuse_for_crowd(inbound, request);
    else
        decide(inbound, request);
}

/* ---- for status ---- */

static void describe(const struct inbound *inbound, struct status_connection *connection)
{
    connection->phase = inbound->decision.query != NULL ? STATUS_CONNECTION_RESOLVES
                                                        : STATUS_CONNECTION_CONNECTS;
    target_format(&inbound->decision.target, connection->destination);
}

static void describe_direct(const struct direct *direct,
                            struct status_connection *connection)
{
    connection->phase = STATUS_CONNECTION_OPEN;
    snprintf(connection->destination, sizeof(connection->destination), "%s",
             direct->destination != NULL ? direct->destination : "its destination");
    connection->up_bytes = direct->ways[0].bytes;
    connection->down_bytes = direct->ways[1].bytes;
    connection->waiting_up = direct->ways[0].length;
    connection->waiting_down = direct->ways[1].length;
}

bool inbound_next(const void *context, struct status_connection *connection)
{
    const struct inbound_service *service = context;
    bool direct = connection->node != NULL && connection->phase == STATUS_CONNECTION_OPEN;
    const struct list *head = direct ? &service->directs : &service->inbounds;
    struct list *node = connection->node;

    node = node == NULL ? head->next : node->next;
    if (!direct && node == head) {
        direct = true;
        head = &service->directs;
        node = head->next;
    }
    if (node == head)
        return false;
    *connection = (struct status_connection){.node = node};
    if (direct)
        describe_direct(list_entry(node, struct direct, node), connection);
    else
        describe(list_entry(node, struct inbound, node), connection);
    return true;
}

void inbound_service_init(struct inbound_service *service)
{
    crowd_init(&service->crowd);
    list_init(&service->inbounds);
    list_init(&service->plains);
    list_init(&service->directs);
}

void inbound_service_deinit(struct inbound_service *service)
{
    while (!list_empty(&service->inbounds)) {
        struct inbound *inbound = list_first(&service->inbounds, struct inbound, node);

        close(inbound->fd);
        inbound_free(inbound);
    }
    while (!list_empty(&service->plains))
        plain_abort(list_first(&service->plains, struct plain, node));
    while (!list_empty(&service->directs))
        direct_abort(list_first(&service->directs, struct direct, node));
}
