/* SPDX-License-Identifier: MIT */
#include <splitsocks/relay/outbound.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/dialer.h>
#include <splitsocks/io/plain.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A stream that would have to wait for longer until its client may dial again is refused:
 * applications wait for a connection about as long. */
#define DIAL_WAIT_NS (10 * NS_PER_S)

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
    ev_timer turn; /* the account's turn to dial has not come yet */
    struct address addresses[TARGET_ADDRESSES_MAX];
    size_t address_count;
    bool counted; /* among the client's streams; else `bound` keeps it from that */
    enum places_bound bound;
};

static struct account *account_of(const struct outbound *outbound)
{
    return outbound->driver->account;
}

/* The name is resolved, or is not needed any more. */
static void end_query(struct outbound *outbound)
{
    outbound->query = NULL;
    share_give(&account_of(outbound)->names, 1);
}

/* Lets go of everything but the stream. */
static void outbound_free(struct outbound *outbound)
{
    if (outbound->query != NULL) {
        resolver_cancel(outbound->query);
        end_query(outbound);
    }
    ev_timer_stop(outbound->service->ways->loop, &outbound->turn);
    dialer_cancel(&outbound->dialer);
    if (outbound->counted)
        account_give_stream(account_of(outbound));
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

/* The bound that the client has met. */
static enum client_refusal bound_met(const struct outbound *outbound)
{
    const struct account *account = account_of(outbound);
    enum places_bound descriptors = share_bound(&account->destinations, 1);
    enum places_bound names = share_bound(&account->names, 1);

    if (!outbound->counted)
        return outbound->bound == PLACES_OWN ? CLIENT_REFUSAL_MAX_STREAMS
                                             : CLIENT_REFUSAL_LIMITS_STREAMS;
    if (descriptors != PLACES_FREE)
        return descriptors == PLACES_OWN ? CLIENT_REFUSAL_MAX_DESCRIPTORS
                                         : CLIENT_REFUSAL_DESCRIPTORS;
    if (names != PLACES_FREE)
        return names == PLACES_OWN ? CLIENT_REFUSAL_MAX_NAMES : CLIENT_REFUSAL_NAMES;
    if (account_dial_wait(account, clock_now()) > DIAL_WAIT_NS)
        return CLIENT_REFUSAL_DIALS;
    return CLIENT_REFUSAL_MACHINE;
}

/* The bound, as the person who runs the relay may change it. */
static const char *bound_string(enum client_refusal refusal)
{
    switch (refusal) {
    case CLIENT_REFUSAL_MAX_STREAMS:
        return "its client has as many streams, in all its sessions, as it may have "
               "(clients[].max_streams)";
    case CLIENT_REFUSAL_LIMITS_STREAMS:
        return "its client has as many streams as it leaves to the others (limits.streams)";
    case CLIENT_REFUSAL_MAX_DESCRIPTORS:
        return "its client has as many connections to destinations as it may have "
               "(max_descriptors of clients[] or limits)";
    case CLIENT_REFUSAL_DESCRIPTORS:
        return "its client has as many connections as it leaves to the others (\"ulimit "
               "-n\", or LimitNOFILE of the systemd unit)";
    case CLIENT_REFUSAL_MAX_NAMES:
        return "its client looks up as many names as it may (max_names of clients[] or "
               "limits)";
    case CLIENT_REFUSAL_NAMES:
        return "its client looks up as many names as it leaves to the others "
               "(dns.max_waiting)";
    case CLIENT_REFUSAL_DIALS:
        return "its client begins too many connections (clients[].dials_per_second, or "
               "limits.dials_per_second)";
    default: return reset_code_string(RESET_LIMIT);
    }
}

/* Counts and logs it; rate-limited, since clients can cause these lines at will. */
static void note_refusal(const struct outbound *outbound, enum reset_code code)
{
    static _Thread_local struct log_limit limit;
    const struct address *denied = &outbound->dialer.denied;
    const char *reason = reset_code_string(code);
    struct destination_refusal refusal;
    char text[DESTINATION_TEXT_SIZE];

    if (code == RESET_DENIED) {
        account_note_refusal(account_of(outbound), CLIENT_REFUSAL_DESTINATION);
        if (destination_judge(outbound->list->rules, denied, &refusal) != OK)
            reason = destination_refusal_format(&refusal, text);
    } else if (code == RESET_LIMIT) {
        enum client_refusal bound = bound_met(outbound);

        account_note_refusal(account_of(outbound), bound);
        reason = bound_string(bound);
    }
    log_write_limited(&limit, clock_now(), code == RESET_DENIED ? LOG_WARNING : LOG_INFO,
                      "%s: the stream to %s was not opened: %s", outbound->list->client,
                      stream_destination(outbound->stream), reason);
}

static void refuse(struct outbound *outbound, enum reset_code code)
{
    note_refusal(outbound, code);
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
    session_stream_accept(driver->session, outbound->stream, clock_now());
    driver_touch(driver);
    if (plain_new(driver, outbound->stream, fd, NULL, NULL, &unknown,
                  &outbound->list->plains) == NULL) {
        close(fd);
        share_give(&account_of(outbound)->destinations, 1);
        refuse(outbound, RESET_LIMIT);
        return;
    }
    outbound->counted = false; /* the plain counts from here on */
    outbound_free(outbound);
}

static void dial(struct outbound *outbound)
{
    dialer_start(&outbound->dialer, outbound->service->ways, outbound->list->rules,
                 account_of(outbound), outbound->addresses, outbound->address_count,
                 outbound->port, on_dialled, outbound);
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct outbound *outbound = timer->data;
    struct driver *driver = outbound->driver;
    (void)loop;
    (void)events;

    dial(outbound);
    driver_drain(driver);
}

/* Connects when the account's turn to dial has come. */
static void connect_to(struct outbound *outbound, const struct address *addresses,
                       size_t count)
{
    uint64_t now = clock_now(), at_ns;

    if (account_dial_wait(account_of(outbound), now) > DIAL_WAIT_NS) {
        refuse(outbound, RESET_LIMIT);
        return;
    }
    outbound->address_count = MIN(count, (size_t)TARGET_ADDRESSES_MAX);
    memcpy(outbound->addresses, addresses, outbound->address_count * sizeof(*addresses));
    at_ns = account_dial_at(account_of(outbound), now);
    if (at_ns <= now) {
        dial(outbound);
        return;
    }
    ev_timer_set(&outbound->turn, (double)(at_ns - now) * 1e-9, 0.);
    ev_timer_start(outbound->service->ways->loop, &outbound->turn);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct outbound *outbound = context;

    end_query(outbound);
    if (error == OK)
        connect_to(outbound, addresses, count);
    else
        refuse(outbound, error == ERROR_NOT_FOUND || error == ERROR_INVALID
                             ? RESET_NAME_NOT_FOUND
                             : RESET_NAME_FAILURE);
}

/* A client may not take all places of the resolver: names that nobody answers for would
 * keep others from resolving theirs. */
static void resolve(struct outbound *outbound, const char *name)
{
    struct share *names = &account_of(outbound)->names;

    if (!share_take(names, 1)) {
        refuse(outbound, RESET_LIMIT);
    } else if (resolver_query(outbound->service->resolver, name, on_resolved, outbound,
                              &outbound->query) != OK) {
        share_give(names, 1);
        refuse(outbound, RESET_LIMIT);
    }
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

void outbound_list_init(struct outbound_list *list, const char *client,
                        const struct destination_rules *rules)
{
    list->client = client;
    list->rules = rules;
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
    ev_init(&outbound->turn, on_turn);
    outbound->turn.data = outbound;
    outbound->bound = account_take_stream(account_of(outbound));
    outbound->counted = outbound->bound == PLACES_FREE;
    if (!outbound->counted)
        refuse(outbound, RESET_LIMIT);
    else if (target->address_count > 0)
        connect_to(outbound, target->addresses, target->address_count);
    else
        resolve(outbound, target->name);
}
