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
    uint32_t listener;
    plain_reply *reply;
    struct target target; /* if a name, with its addresses once they are known */
    struct stream_policy otherwise;
    struct rules_outcome outcome;
    struct resolver_query *query; /* NULL: none is under way */
    bool resolve_here;            /* the relay gets addresses that it can use */
    bool resolve_here_only;       /* and never the name */
    struct nat64_view view;       /* of the target's addresses, as far as known */
    struct nat64_waiter waiter;
    struct dialer dialer;
    struct crowd_place *place;
    size_t early_length;
    uint8_t early[];
};

/* Frees everything but the socket. */
static void inbound_free(struct inbound *inbound)
{
    if (inbound->query != NULL)
        resolver_cancel(inbound->query);
    hangup_unwatch(&inbound->service->worker->hangups, &inbound->hangup);
    list_remove(&inbound->waiter.node);
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
              target_format(&inbound->target, text), strerror(error));
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

    stream_failure_log(inbound->fd, target_format(&inbound->target, text), reason);
    refuse_socket(inbound->service->worker, inbound->fd, inbound->reply, code);
    inbound_free(inbound);
}

static void refuse(struct inbound *inbound, enum reset_code code)
{
    const struct target *target = &inbound->target;
    char reason[STREAM_FAILURE_TEXT_SIZE];

    if (code == RESET_BLOCKED)
        snprintf(reason, sizeof(reason), "not allowed by rules[%zu] of the configuration",
                 inbound->outcome.rule);
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
        target_format(&inbound->target, text), pool->used * (PAGE_SIZE / 1024),
        pool->max_used * (PAGE_SIZE / 1024));
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

/* The target for the relay, without addresses that only this network can reach. If no
 * other address is left, the relay resolves the name, unless DNS may not be asked for
 * it. */
static struct target relay_target(const struct inbound *inbound)
{
    const struct nat64_view *view = &inbound->view;
    struct target target = inbound->target;

    if (target.address_count == 0)
        return target;
    target.address_count = view->own_count;
    if (view->own_count == 0 && (target.name[0] == '\0' || inbound->resolve_here_only))
        target.address_count = view->count;
    else if (view->own_count == 0)
        log_debug("%s has only addresses of this network: the relay resolves it",
                  target.name);
    memcpy(target.addresses, view->addresses,
           target.address_count * sizeof(struct address));
    return target;
}

static void open_stream(struct inbound *inbound)
{
    const struct target target = relay_target(inbound);
    struct inbound_service *service = inbound->service;
    struct driver *driver = service->driver;
    uint64_t now = clock_now();
    struct stream *stream;
    struct plain *plain;

    if (driver->session == NULL) {
        refuse(inbound, service->sessionless);
        return;
    }
    stream = session_stream_open(driver->session, &target, &inbound->outcome.policy, now);
    if (stream == NULL) {
        refuse(inbound, RESET_FAILURE);
        return;
    }
    driver_touch(driver);
    /* From now on the plain watches the socket. */
    hangup_unwatch(&service->worker->hangups, &inbound->hangup);
    plain = write_early(inbound, stream, now)
                ? plain_new(driver, stream, inbound->fd, inbound->reply, on_failed,
                            &inbound->target.addresses[0], &service->plains)
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
    socket_keepalive(fd, service->worker->keepalive_ns);
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
    if (direct_start(service->worker, &inbound->target, inbound->fd, fd, inbound->early,
                     inbound->early_length, inbound->place, &service->directs) != OK) {
        socket_close_reset(fd);
        refuse(inbound, RESET_LIMIT);
        return;
    }
    inbound->place = NULL;
    inbound_free(inbound);
}

static void connect_directly(struct inbound *inbound)
{
    const struct target *target = &inbound->target;

    watch_hangup(inbound);
    dialer_start(&inbound->dialer, &inbound->service->ways, NULL, target->addresses,
                 target->address_count, target->port, on_dialled, inbound);
}

/* ---- deciding ---- */

static void match(struct inbound *inbound)
{
    const struct target *target = &inbound->target;
    const struct rules_query query = {
        .listener = inbound->listener,
        .name = target->name[0] != '\0' ? target->name : NULL,
        .addresses = inbound->view.addresses,
        .address_count = inbound->view.count,
        .port = target->port,
        .otherwise = &inbound->otherwise,
    };

    inbound->outcome = rules_match(inbound->service->rules, &query);
}

/* Writes the policy in the words of the configuration. */
static void describe_policy(const struct stream_policy *policy, char *text, size_t size)
{
    int at = snprintf(text, size, ", mode %s", stream_mode_string(policy->mode));

    if (policy->copies != 0)
        at += snprintf(text + at, size - (size_t)at, ", %u copies", policy->copies);
    for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
        if (policy->paths & 1u << i)
            at += snprintf(text + at, size - (size_t)at, ", path %u", i);
}

static void log_outcome(const struct inbound *inbound)
{
    const struct rules_outcome *outcome = &inbound->outcome;
    char text[TARGET_TEXT_SIZE], rule[32] = "no rule", how[256] = "";

    if (outcome->rule != RULES_NONE)
        snprintf(rule, sizeof(rule), "rules[%zu]", outcome->rule);
    if (outcome->action == RULE_PROXY)
        describe_policy(&outcome->policy, how, sizeof(how));
    log_debug("%s: %s: %s%s", target_format(&inbound->target, text), rule,
              rule_action_string(outcome->action), how);
}

/* Whether a listener of this local leads back to this local. */
static bool is_loop(const struct inbound *inbound)
{
    const struct inbound_service *service = inbound->service;
    bool direct = inbound->outcome.action == RULE_DIRECT;

    if (inbound->outcome.action == RULE_BLOCK || service->comes_back == NULL)
        return false;
    for (size_t i = 0; i < inbound->target.address_count; i++) {
        struct address to = inbound->target.addresses[i];

        to.port = inbound->target.port;
        if (service->comes_back(service->local, &to, direct))
            return true;
    }
    return false;
}

static void act(struct inbound *inbound)
{
    log_outcome(inbound);
    if (is_loop(inbound)) {
        refuse_with(inbound, RESET_BLOCKED,
                    "this is a listener of this program: it would connect to itself again "
                    "and again");
        return;
    }
    switch (inbound->outcome.action) {
    case RULE_PROXY: open_stream(inbound); break;
    case RULE_DIRECT: connect_directly(inbound); break;
    case RULE_BLOCK: refuse(inbound, RESET_BLOCKED); break;
    }
}

/* The addresses are known, and so is how other networks see them. */
static void use_addresses(struct inbound *inbound)
{
    nat64_look(&inbound->view, &inbound->service->ways.finder->prefixes,
               inbound->target.addresses, inbound->target.address_count);
    match(inbound);
    act(inbound);
}

static void on_prefixes(struct nat64_waiter *waiter)
{
    use_addresses(container_of(waiter, struct inbound, waiter));
}

static void find_view(struct inbound *inbound)
{
    const struct target *target = &inbound->target;

    inbound->waiter.done = on_prefixes;
    if (!nat64_in_question(target->addresses, target->address_count) ||
        nat64_finder_ask(inbound->service->ways.finder, &inbound->waiter))
        use_addresses(inbound);
    else
        watch_hangup(inbound);
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct inbound *inbound = context;
    struct target *target = &inbound->target;

    inbound->query = NULL;
    if (error != OK) {
        refuse(inbound, error == ERROR_NOT_FOUND || error == ERROR_INVALID
                            ? RESET_NAME_NOT_FOUND
                            : RESET_NAME_FAILURE);
        return;
    }
    target->address_count = (uint8_t)MIN(count, (size_t)TARGET_ADDRESSES_MAX);
    memcpy(target->addresses, addresses, target->address_count * sizeof(*addresses));
    /* If the relay resolves names, rules do not see their addresses. */
    if (inbound->resolve_here)
        find_view(inbound);
    else
        act(inbound);
}

/* Whether the rules or the action need the addresses. */
static bool needs_addresses(const struct inbound *inbound)
{
    const struct rules_outcome *outcome = &inbound->outcome;

    if (outcome->action == RULE_DIRECT)
        return true;
    return inbound->resolve_here &&
           (outcome->action == RULE_PROXY || outcome->needs_addresses);
}

/* An address in any notation is an address: rules see it, and DNS is not asked. A text
 * that is no name is refused here, wherever names are resolved. A name that DNS must not
 * be asked for does not go to the relay, which might ask. */
static void decide(struct inbound *inbound)
{
    struct target *target = &inbound->target;
    struct host host = {.kind = HOST_NAME};

    if (target->address_count == 0)
        resolver_parse(&host, target->name);
    if (host.kind == HOST_INVALID) {
        refuse_with(inbound, RESET_NAME_NOT_FOUND, host.reason);
        return;
    }
    if (host.kind == HOST_ADDRESS) {
        target->addresses[0] = host.address;
        target->address_count = 1;
        target->name[0] = '\0';
    }
    inbound->resolve_here_only = host.kind == HOST_SPECIAL;
    inbound->resolve_here = inbound->service->resolve_here || inbound->resolve_here_only;
    if (target->address_count > 0) {
        find_view(inbound);
        return;
    }
    match(inbound);
    if (!needs_addresses(inbound)) {
        act(inbound);
        return;
    }
    watch_hangup(inbound);
    if (resolver_query(inbound->service->resolver, inbound->target.name, on_resolved,
                       inbound, &inbound->query) != OK)
        refuse(inbound, RESET_NAME_FAILURE);
}

static void refuse_for_crowd(struct inbound *inbound, uint32_t max)
{
    char reason[STREAM_FAILURE_TEXT_SIZE];

    snprintf(reason, sizeof(reason),
             "%u connections to it are open already, which is the max_per_target of "
             "listen[%u]; does it lead back here?",
             max, inbound->listener);
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
    inbound->listener = request->listener;
    inbound->reply = request->reply;
    inbound->target = *request->target;
    inbound->otherwise = *request->otherwise;
    inbound->early_length = request->early_length;
    if (request->early_length > 0)
        memcpy(inbound->early, request->early, request->early_length);
    inbound->hangup = (struct hangup){.fd = -1, .gone = on_gone};
    list_init(&inbound->waiter.node);
    list_init(&inbound->node);
    list_append(&service->inbounds, &inbound->node);
    movement_note(service->worker, clock_now());
    inbound->place = crowd_enter(&service->crowd, request->listener, request->target,
                                 request->max_per_target);
    if (inbound->place == NULL)
        refuse_for_crowd(inbound, request->max_per_target);
    else
        decide(inbound);
}

/* ---- for status ---- */

static void describe(const struct inbound *inbound, struct status_connection *connection)
{
    connection->phase =
        inbound->query != NULL ? STATUS_CONNECTION_RESOLVES : STATUS_CONNECTION_CONNECTS;
    target_format(&inbound->target, connection->destination);
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
