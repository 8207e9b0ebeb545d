#include <splitsocks/resolver.h>

#include <splitsocks/clock.h>
#include <splitsocks/list.h>
#include <splitsocks/socket.h>

#include <ares.h>
#include <ev.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The first attempt of c-ares; each later round waits twice as long. Three rounds need
 * more than RESOLVER_TIMEOUT_NS, so that the last answer in time is still of use. */
#define ATTEMPT_TIMEOUT_MS 1500
#define ATTEMPTS 3
#define DNS_PORT 53
#define SYSTEM_CONFIGURATION "/etc/resolv.conf"

/* One c-ares channel on the loop. A resolver has one at a time, but for the queries that
 * were under way when the system's configuration changed. */
struct channel {
    struct resolver *resolver;
    struct list node; /* in resolver.channels */
    ares_channel ares;
    ev_timer timer;
    struct list sockets; /* of struct channel_socket */
    size_t running;      /* queries that c-ares has not reported */
};

struct channel_socket {
    struct channel *channel;
    struct list node; /* in channel.sockets */
    ev_io io;
};

struct resolver {
    struct ev_loop *loop;
    struct address *servers; /* owned; NULL when there are none */
    size_t server_count;
    bool search;
    struct timespec configured; /* when the system's configuration was last changed */
    struct list channels;       /* the newest is first, and is asked */
    struct list waiting;        /* queries not yet reported, oldest first */
    struct list finished;       /* those whose report is due */
    size_t query_count;
    ev_timer deadline; /* of the oldest waiting query */
    ev_timer report;   /* runs at once while `finished` is not empty */
};

struct resolver_query {
    struct resolver *resolver;
    struct channel *channel; /* NULL once c-ares has reported */
    struct list node;        /* in waiting or finished; unlinked: nobody waits */
    resolver_done *done;
    void *context;
    uint64_t deadline;
    int error;
    size_t count;
    struct address *addresses; /* owned */
};

/* ---- the loop's side of c-ares ---- */

/* Sets the timer to when c-ares wants to be called without a socket event. */
static void arm_timer(struct channel *channel)
{
    struct ev_loop *loop = channel->resolver->loop;
    struct timeval wait;

    if (ares_timeout(channel->ares, NULL, &wait) == NULL) {
        ev_timer_stop(loop, &channel->timer);
        return;
    }
    channel->timer.repeat = (ev_tstamp)wait.tv_sec + (ev_tstamp)wait.tv_usec * 1e-6 + 1e-3;
    ev_timer_again(loop, &channel->timer);
}

static void channel_free(struct channel *channel)
{
    list_remove(&channel->node);
    if (channel->ares != NULL)
        ares_destroy(channel->ares); /* closes its sockets through on_socket_state() */
    ev_timer_stop(channel->resolver->loop, &channel->timer);
    free(channel);
}

/* After each call into c-ares: a channel that was replaced goes with its last query. */
static void channel_settle(struct channel *channel)
{
    bool newest = channel->resolver->channels.next == &channel->node;

    if (!newest && channel->running == 0)
        channel_free(channel);
    else
        arm_timer(channel);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct channel *channel = timer->data;
    (void)loop;
    (void)events;

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    channel_settle(channel);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    struct channel *channel = ((struct channel_socket *)io->data)->channel;
    int fd = io->fd;
    (void)loop;

    ares_process_fd(channel->ares, events & EV_READ ? fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? fd : ARES_SOCKET_BAD);
    channel_settle(channel);
}

static struct channel_socket *find_socket(struct channel *channel, int fd)
{
    list_foreach(&channel->sockets, node, after) {
        struct channel_socket *s = list_entry(node, struct channel_socket, node);

        if (s->io.fd == fd)
            return s;
    }
    return NULL;
}

/* c-ares tells which events of a socket it waits for; none: it is about to close it. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = context;
    struct ev_loop *loop = channel->resolver->loop;
    struct channel_socket *s = find_socket(channel, fd);

    if (s == NULL) {
        if (!readable && !writable)
            return;
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return; /* the query runs into its time-out */
        s->channel = channel;
        ev_init(&s->io, on_socket);
        s->io.data = s;
        list_append(&channel->sockets, &s->node);
    }
    ev_io_stop(loop, &s->io);
    if (readable || writable) {
        ev_io_set(&s->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
        ev_io_start(loop, &s->io);
    } else {
        list_remove(&s->node);
        free(s);
    }
}

/* ---- channels ---- */

static int set_servers(struct channel *channel)
{
    const struct resolver *resolver = channel->resolver;
    struct ares_addr_port_node *nodes;
    int status;

    if (resolver->server_count == 0)
        return OK;
    nodes = calloc(resolver->server_count, sizeof(*nodes));
    if (nodes == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < resolver->server_count; i++) {
        const struct address *server = &resolver->servers[i];
        int port = server->port != 0 ? server->port : DNS_PORT;
        bool ipv6 = server->family == ADDRESS_IPV6;

        nodes[i].next = i + 1 < resolver->server_count ? &nodes[i + 1] : NULL;
        nodes[i].family = ipv6 ? AF_INET6 : AF_INET;
        memcpy(&nodes[i].addr, server->bytes, ipv6 ? 16 : 4);
        nodes[i].udp_port = nodes[i].tcp_port = port;
    }
    status = ares_set_servers_ports(channel->ares, nodes);
    free(nodes);
    return status == ARES_SUCCESS  ? OK
           : status == ARES_ENOMEM ? ERROR_MEMORY
                                   : ERROR_SYSTEM;
}

/* Makes the channel that is asked from now on. */
static int open_channel(struct resolver *resolver)
{
    struct ares_options options = {
        .flags = resolver->search ? 0 : ARES_FLAG_NOSEARCH,
        .timeout = ATTEMPT_TIMEOUT_MS,
        .tries = ATTEMPTS,
        .sock_state_cb = on_socket_state,
    };
    struct channel *channel = calloc(1, sizeof(*channel));
    int error;

    if (channel == NULL)
        return ERROR_MEMORY;
    channel->resolver = resolver;
    list_init(&channel->node);
    list_init(&channel->sockets);
    ev_init(&channel->timer, on_timer);
    channel->timer.data = channel;
    options.sock_state_cb_data = channel;
    if (ares_init_options(&channel->ares, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        channel->ares = NULL;
        error = ERROR_SYSTEM;
    } else {
        error = set_servers(channel);
    }
    if (error != OK)
        channel_free(channel);
    else
        list_prepend(&resolver->channels, &channel->node);
    return error;
}

/* A laptop that changes networks gets other servers; c-ares reads them only once. */
static bool system_changed(struct resolver *resolver)
{
    struct stat status;

    if (resolver->server_count > 0 || stat(SYSTEM_CONFIGURATION, &status) != 0)
        return false;
    if (status.st_mtim.tv_sec == resolver->configured.tv_sec &&
        status.st_mtim.tv_nsec == resolver->configured.tv_nsec)
        return false;
    resolver->configured = status.st_mtim;
    return true;
}

static void follow_system(struct resolver *resolver)
{
    struct channel *old = list_first(&resolver->channels, struct channel, node);

    if (system_changed(resolver) && open_channel(resolver) == OK)
        channel_settle(old);
}

/* ---- reports ---- */

static void query_free(struct resolver_query *query)
{
    list_remove(&query->node);
    query->resolver->query_count--;
    free(query->addresses);
    free(query);
}

static void arm_deadline(struct resolver *resolver)
{
    struct resolver_query *oldest =
        list_first(&resolver->waiting, struct resolver_query, node);
    uint64_t now = clock_now();

    ev_timer_stop(resolver->loop, &resolver->deadline);
    if (oldest == NULL)
        return;
    ev_now_update(resolver->loop);
    ev_timer_set(&resolver->deadline,
                 oldest->deadline > now ? (double)(oldest->deadline - now) * 1e-9 : 0., 0.);
    ev_timer_start(resolver->loop, &resolver->deadline);
}

static void finish(struct resolver_query *query, int error)
{
    struct resolver *resolver = query->resolver;

    query->error = error;
    list_remove(&query->node);
    list_append(&resolver->finished, &query->node);
    if (!ev_is_active(&resolver->report)) {
        ev_timer_set(&resolver->report, 0., 0.);
        ev_timer_start(resolver->loop, &resolver->report);
    }
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct resolver *resolver = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    for (;;) {
        struct resolver_query *oldest =
            list_first(&resolver->waiting, struct resolver_query, node);

        if (oldest == NULL || oldest->deadline > now)
            break;
        finish(oldest, ERROR_TIMEOUT);
    }
    arm_deadline(resolver);
}

static void on_report(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct resolver *resolver = timer->data;
    struct list batch;
    (void)loop;
    (void)events;

    /* What finishes meanwhile is for the next round. A query of the batch that a callback
     * cancels takes itself out of it. */
    list_init(&batch);
    while (!list_empty(&resolver->finished)) {
        struct list *node = resolver->finished.next;

        list_remove(node);
        list_append(&batch, node);
    }
    while (!list_empty(&batch)) {
        struct resolver_query *query = list_first(&batch, struct resolver_query, node);
        const struct resolver_query report = *query;

        list_remove(&query->node);
        query->addresses = NULL;
        if (query->channel == NULL)
            query_free(query);
        report.done(report.context, report.error, report.addresses, report.count);
        free(report.addresses);
    }
}

static void take_addresses(struct resolver_query *query, const struct ares_addrinfo *info)
{
    query->addresses = calloc(TARGET_ADDRESSES_MAX, sizeof(*query->addresses));
    if (query->addresses == NULL)
        return;
    for (const struct ares_addrinfo_node *n = info->nodes;
         n != NULL && query->count < TARGET_ADDRESSES_MAX; n = n->ai_next) {
        struct address address = socket_address_get(n->ai_addr);

        address.port = 0;
        if (address.family != ADDRESS_NONE)
            query->addresses[query->count++] = address;
    }
}

static int error_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS: return OK;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME: return ERROR_NOT_FOUND;
    case ARES_ETIMEOUT: return ERROR_TIMEOUT;
    case ARES_ENOMEM: return ERROR_MEMORY;
    default: return ERROR_SYSTEM;
    }
}

static void on_addresses(void *context, int status, int timeouts,
                         struct ares_addrinfo *info)
{
    struct resolver_query *query = context;
    int error = error_of_status(status);
    (void)timeouts;

    query->channel->running--;
    query->channel = NULL;
    if (query->error != OK || !list_linked(&query->node)) {
        /* Timed out or cancelled before; the owner of a timed out one may not know yet. */
        if (!list_linked(&query->node))
            query_free(query);
    } else {
        if (error == OK) {
            take_addresses(query, info);
            if (query->count == 0)
                error = query->addresses == NULL ? ERROR_MEMORY : ERROR_NOT_FOUND;
        }
        finish(query, error);
    }
    ares_freeaddrinfo(info);
}

/* ---- the face ---- */

static int library_status;

static void library_init(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static int copy_servers(const struct address *servers, size_t count, struct address **copy)
{
    *copy = NULL;
    if (count == 0)
        return OK;
    *copy = malloc(count * sizeof(**copy));
    if (*copy == NULL)
        return ERROR_MEMORY;
    memcpy(*copy, servers, count * sizeof(**copy));
    return OK;
}

int resolver_set_servers(struct resolver *resolver, const struct address *servers,
                         size_t server_count)
{
    struct channel *old_channel = list_first(&resolver->channels, struct channel, node);
    struct address *old = resolver->servers;
    size_t old_count = resolver->server_count;
    int error = copy_servers(servers, server_count, &resolver->servers);

    if (error == OK) {
        resolver->server_count = server_count;
        error = open_channel(resolver);
    }
    if (error != OK) {
        if (resolver->servers != old)
            free(resolver->servers);
        resolver->servers = old;
        resolver->server_count = old_count;
        return error;
    }
    free(old);
    channel_settle(old_channel);
    return OK;
}

int resolver_new(struct ev_loop *loop, const struct resolver_options *options,
                 struct resolver **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    int error = ERROR_MEMORY;

    *out = NULL;
    if (resolver == NULL)
        return error;
    resolver->loop = loop;
    resolver->search = options->search;
    list_init(&resolver->channels);
    list_init(&resolver->waiting);
    list_init(&resolver->finished);
    ev_init(&resolver->deadline, on_deadline);
    ev_init(&resolver->report, on_report);
    resolver->deadline.data = resolver->report.data = resolver;
    if (copy_servers(options->servers, options->server_count, &resolver->servers) != OK)
        goto fail;
    resolver->server_count = options->server_count;
    error = ERROR_SYSTEM;
    if (pthread_once(&once, library_init) != 0 || library_status != ARES_SUCCESS)
        goto fail;
    (void)system_changed(resolver);
    error = open_channel(resolver);
    if (error != OK)
        goto fail;
    *out = resolver;
    return OK;

fail:
    resolver_free(resolver);
    return error;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    /* Nobody waits any more, so c-ares' reports free the queries. */
    list_foreach(&resolver->waiting, node, after)
        resolver_cancel(list_entry(node, struct resolver_query, node));
    list_foreach(&resolver->finished, node, after)
        resolver_cancel(list_entry(node, struct resolver_query, node));
    list_foreach(&resolver->channels, node, after)
        channel_free(list_entry(node, struct channel, node));
    ev_timer_stop(resolver->loop, &resolver->deadline);
    ev_timer_stop(resolver->loop, &resolver->report);
    free(resolver->servers);
    free(resolver);
}

/* RFC 6761 section 6.3: such names are never sent to a server. */
static bool is_localhost(const char *name)
{
    size_t length = strlen(name), suffix = strlen("localhost");

    if (length > 0 && name[length - 1] == '.')
        length--;
    return length >= suffix &&
           strncasecmp(name + length - suffix, "localhost", suffix) == 0 &&
           (length == suffix || name[length - suffix - 1] == '.');
}

/* What needs no server. c-ares 1.18 asks even for IPv4 literals when both families will
 * do. Returns false when the name is no such. */
static bool finish_at_once(struct resolver_query *query, const char *name)
{
    struct address found[2] = {{.family = ADDRESS_IPV6, .bytes = {[15] = 1}},
                               {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}}};
    size_t count = 2;

    if (!is_localhost(name)) {
        if (address_parse(&found[0], name) != OK)
            return false;
        count = 1;
    }
    query->addresses = calloc(count, sizeof(*query->addresses));
    if (query->addresses != NULL) {
        memcpy(query->addresses, found, count * sizeof(*query->addresses));
        query->count = count;
    }
    finish(query, query->addresses != NULL ? OK : ERROR_MEMORY);
    return true;
}

/* Hands the query to the newest channel. */
static void start(struct resolver_query *query, const char *name)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    struct channel *channel;

    follow_system(query->resolver);
    channel = list_first(&query->resolver->channels, struct channel, node);
    query->channel = channel;
    channel->running++;
    ares_getaddrinfo(channel->ares, name, NULL, &hints, on_addresses, query);
    channel_settle(channel);
}

int resolver_query(struct resolver *resolver, const char *name, resolver_done *done,
                   void *context, struct resolver_query **out)
{
    struct resolver_query *query;

    *out = NULL;
    if (resolver->query_count >= RESOLVER_QUERIES_MAX)
        return ERROR_LIMIT;
    query = calloc(1, sizeof(*query));
    if (query == NULL)
        return ERROR_MEMORY;
    query->resolver = resolver;
    query->done = done;
    query->context = context;
    query->deadline = clock_now() + RESOLVER_TIMEOUT_NS;
    list_init(&query->node);
    list_append(&resolver->waiting, &query->node);
    resolver->query_count++;
    if (!finish_at_once(query, name))
        start(query, name);
    if (!ev_is_active(&resolver->deadline))
        arm_deadline(resolver);
    *out = query;
    return OK;
}

void resolver_cancel(struct resolver_query *query)
{
    list_remove(&query->node);
    if (query->channel == NULL)
        query_free(query);
}
