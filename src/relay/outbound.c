/* SPDX-License-Identifier: MIT */
#include <splitsocks/relay/outbound.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/plain.h>
#include <splitsocks/io/socket.h>

#include <stdlib.h>
#include <unistd.h>

struct outbound {
    struct stream_end end; /* first */
    struct driver *driver; /* borrowed */
    const struct outbound_service *service;
    struct outbound_list *list;
    struct list node; /* in list->outbounds */
    struct stream *stream;
    struct resolver_query *query; /* NULL: none is under way */
    uint16_t port;
    struct dialer dialer;
};

/* Lets go of everything but the stream. */
static void outbound_free(struct outbound *outbound)
{
    if (outbound->query != NULL)
        resolver_cancel(outbound->query);
    dialer_cancel(&outbound->dialer);
    list_remove(&outbound->node);
    free(outbound);
}

static void refuse_stream(struct driver *driver, struct stream *stream,
                          enum reset_code code)
{
    uint64_t now = clock_now();

    session_stream_reset(driver->session, stream, code, now);
    session_stream_release(driver->session, stream, now);
    driver_touch(driver);
}

/* Rate-limited, since clients can cause these lines at will. */
static void log_refusal(const struct outbound *outbound, enum reset_code code)
{
    static _Thread_local struct log_limit limit;
    const struct address *denied = &outbound->dialer.denied;
    const char *reason = reset_code_string(code);
    struct destination_refusal refusal;
    char text[DESTINATION_TEXT_SIZE];

    if (code == RESET_DENIED &&
        destination_judge(outbound->service->rules, denied, &refusal) != OK)
        reason = destination_refusal_format(&refusal, text);
    log_write_limited(&limit, clock_now(), code == RESET_DENIED ? LOG_WARNING : LOG_INFO,
                      "%s: the stream to %s was not opened: %s", outbound->list->client,
                      stream_destination(outbound->stream), reason);
}

static void refuse(struct outbound *outbound, enum reset_code code)
{
    log_refusal(outbound, code);
    refuse_stream(outbound->driver, outbound->stream, code);
    outbound_free(outbound);
}

static void on_dialled(void *context, int fd, enum reset_code code)
{
    struct outbound *outbound = context;
    const struct address unknown = {.family = ADDRESS_NONE};
    struct driver *driver = outbound->driver;

    if (fd < 0) {
        refuse(outbound, code);
        return;
    }
    socket_keepalive(fd, driver->worker->keepalive_ns);
    session_stream_accept(driver->session, outbound->stream, clock_now());
    driver_touch(driver);
    if (plain_new(driver, outbound->stream, fd, NULL, NULL, &unknown,
                  &outbound->list->plains) == NULL) {
        close(fd);
        refuse(outbound, RESET_LIMIT);
        return;
    }
    outbound_free(outbound);
}

static void connect_to(struct outbound *outbound, const struct address *addresses,
                       size_t count)
{
    dialer_start(&outbound->dialer, outbound->service->ways, outbound->service->rules,
                 addresses, count, outbound->port, on_dialled, outbound);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct outbound *outbound = context;

    outbound->query = NULL;
    if (error == OK)
        connect_to(outbound, addresses, count);
    else
        refuse(outbound, error == ERROR_NOT_FOUND || error == ERROR_INVALID
                             ? RESET_NAME_NOT_FOUND
                             : RESET_NAME_FAILURE);
}

/* ---- events before there is a plain ---- */

static void on_other(struct stream_end *end)
{
    (void)end; /* the plain will look for data that came earlier */
}

static void on_reset(struct stream_end *end, enum reset_code code)
{
    struct outbound *outbound = container_of(end, struct outbound, end);
    struct driver *driver = outbound->driver;
    (void)code;

    session_stream_release(driver->session, outbound->stream, clock_now());
    driver_touch(driver);
    outbound_free(outbound);
}

static const struct stream_end_type end_type = {
    .opened = on_other,
    .readable = on_other,
    .writable = on_other,
    .reset = on_reset,
};

/* ---- the room's calls ---- */

void outbound_list_init(struct outbound_list *list, const char *client)
{
    list->client = client;
    list_init(&list->outbounds);
    list_init(&list->plains);
}

void outbound_list_abort(struct outbound_list *list)
{
    while (!list_empty(&list->outbounds)) {
        struct outbound *outbound = list_first(&list->outbounds, struct outbound, node);

        refuse_stream(outbound->driver, outbound->stream, RESET_FAILURE);
        outbound_free(outbound);
    }
    while (!list_empty(&list->plains))
        plain_abort(list_first(&list->plains, struct plain, node));
}

void outbound_start(struct driver *driver, const struct outbound_service *service,
                    struct outbound_list *list, struct stream *stream,
                    const struct target *target)
{
    struct outbound *outbound = calloc(1, sizeof(*outbound));

    if (outbound == NULL) {
        refuse_stream(driver, stream, RESET_LIMIT);
        return;
    }
    outbound->end.type = &end_type;
    outbound->driver = driver;
    outbound->service = service;
    outbound->list = list;
    outbound->stream = stream;
    outbound->port = target->port;
    list_init(&outbound->node);
    list_append(&list->outbounds, &outbound->node);
    stream_set_user(stream, outbound);
    if (target->address_count > 0)
        connect_to(outbound, target->addresses, target->address_count);
    else if (resolver_query(service->resolver, target->name, on_resolved, outbound,
                            &outbound->query) != OK)
        refuse(outbound, RESET_LIMIT);
}
