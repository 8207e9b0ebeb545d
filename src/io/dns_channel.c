/* SPDX-License-Identifier: MIT */
#include "dns_channel.h"

#include <splitsocks/base/error.h>
#include <splitsocks/io/io_watch.h>

/* c-ares 1.28 and later deprecate functions for which version 1.18 has no replacement. */
#define CARES_NO_DEPRECATED
#include <ares.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DNS_PORT 53
/* How long an answer is waited for. Later ones are of no use: the query has been repeated
 * by then, and its caller hardly waits any more. */
#define LISTEN_MS 5000
/* Queries that may use one port: an attacker who forges answers must guess a new port
 * after so many. A new channel costs some 0.1 ms. */
#define QUERIES_MAX 64
/* Numbers of RFC 1035 and RFC 3596, which no installed header of c-ares has. */
enum { CLASS_IN = 1, TYPE_A = 1, TYPE_AAAA = 28 };

struct dns_channel {
    struct ev_loop *loop;
    struct list node; /* in the owner's list */
    uint32_t scope;   /* interface index of a link-local server; 0: none */
    ares_channel ares;
    ev_timer timer;
    struct list sockets; /* of struct channel_socket */
    unsigned asked;      /* queries so far */
    unsigned running;    /* queries that c-ares has not reported */
    bool retired;
};

struct channel_socket {
    struct dns_channel *channel;
    struct list node; /* in channel.sockets */
    ev_io io;
};

struct query {
    struct dns_channel *channel;
    dns_channel_done *done;
    void *context;
};

/* ---- the loop's side of c-ares ---- */

/* Sets the timer to the time when c-ares must be called without a socket event. */
static void arm_timer(struct dns_channel *channel)
{
    struct timeval wait;

    if (ares_timeout(channel->ares, NULL, &wait) == NULL) {
        ev_timer_stop(channel->loop, &channel->timer);
        return;
    }
    channel->timer.repeat = (ev_tstamp)wait.tv_sec + (ev_tstamp)wait.tv_usec * 1e-6 + 1e-3;
    ev_timer_again(channel->loop, &channel->timer);
}

static void channel_free(struct dns_channel *channel)
{
    list_remove(&channel->node);
    ares_destroy(channel->ares); /* closes its sockets through on_socket_state() */
    ev_timer_stop(channel->loop, &channel->timer);
    free(channel);
}

/* Must follow each call into c-ares. */
static void settle(struct dns_channel *channel)
{
    if (channel->retired && channel->running == 0)
        channel_free(channel);
    else
        arm_timer(channel);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dns_channel *channel = timer->data;
    (void)loop;
    (void)events;

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    settle(channel);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    struct dns_channel *channel = ((struct channel_socket *)io->data)->channel;
    int fd = io->fd;
    (void)loop;

    ares_process_fd(channel->ares, events & EV_READ ? fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? fd : ARES_SOCKET_BAD);
    settle(channel);
}

static struct channel_socket *find_socket(struct dns_channel *channel, int fd)
{
    list_foreach(&channel->sockets, node, after) {
        struct channel_socket *s = list_entry(node, struct channel_socket, node);

        if (s->io.fd == fd)
            return s;
    }
    return NULL;
}

/* c-ares says which events of a socket it waits for; none: it is about to close the
 * socket. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *channel = context;
    struct channel_socket *s = find_socket(channel, fd);

    if (s == NULL) {
        if (!readable && !writable)
            return;
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return; /* the query will time out */
        s->channel = channel;
        ev_io_init(&s->io, on_socket, fd, 0);
        s->io.data = s;
        list_append(&channel->sockets, &s->node);
    }
    io_watch(channel->loop, &s->io, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    if (!readable && !writable) {
        list_remove(&s->node);
        free(s);
    }
}

/* c-ares 1.18 ignores the scope of an address, so the interface of a link-local server is
 * set on the socket. */
static int on_new_socket(ares_socket_t fd, int type, void *context)
{
    const struct dns_channel *channel = context;
    char name[IF_NAMESIZE];
    (void)type;

    if (channel->scope == 0)
        return 0;
    if (if_indextoname(channel->scope, name) == NULL ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) != 0)
        return -1;
    return 0;
}

/* ---- queries ---- */

/* When the kernel says that nothing listens, newer versions report a time-out too, but
 * count none. */
static enum dns_verdict verdict_of(int status, int timeouts)
{
    switch (status) {
    case ARES_ETIMEOUT: return timeouts > 0 ? DNS_SILENT : DNS_REFUSED;
    case ARES_ECONNREFUSED: return DNS_REFUSED;
    default: return DNS_BROKEN;
    }
}

static void on_answer(void *context, int status, int timeouts, unsigned char *message,
                      int length)
{
    struct query *query = context;

    query->channel->running--;
    if (message != NULL && length > 0)
        query->done(query->context, DNS_ANSWERED, message, (size_t)length);
    else
        query->done(query->context, verdict_of(status, timeouts), NULL, 0);
    free(query);
}

void dns_channel_query(struct dns_channel *channel, const char *name,
                       enum address_family family, dns_channel_done *done, void *context)
{
    struct query *query = malloc(sizeof(*query));

    if (query == NULL) {
        done(context, DNS_BROKEN, NULL, 0);
        return;
    }
    *query = (struct query){.channel = channel, .done = done, .context = context};
    channel->asked++;
    channel->running++;
    ares_query(channel->ares, name, CLASS_IN, family == ADDRESS_IPV4 ? TYPE_A : TYPE_AAAA,
               on_answer, query);
    settle(channel);
}

bool dns_channel_worn(const struct dns_channel *channel)
{
    return channel->asked >= QUERIES_MAX;
}

/* ---- life ---- */

static int library_status;

static void library_init(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

int dns_channel_library_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    return pthread_once(&once, library_init) == 0 && library_status == ARES_SUCCESS
               ? OK
               : ERROR_SYSTEM;
}

static int error_of(int status)
{
    return status == ARES_SUCCESS  ? OK
           : status == ARES_ENOMEM ? ERROR_MEMORY
                                   : ERROR_SYSTEM;
}

static int set_server(struct dns_channel *channel, const struct address *server)
{
    int port = server->port != 0 ? server->port : DNS_PORT;
    bool ipv6 = server->family == ADDRESS_IPV6;
    struct ares_addr_port_node node = {
        .family = ipv6 ? AF_INET6 : AF_INET, .udp_port = port, .tcp_port = port};

    memcpy(&node.addr, server->bytes, ipv6 ? 16 : 4);
    return error_of(ares_set_servers_ports(channel->ares, &node));
}

int dns_channel_new(struct ev_loop *loop, const struct address *server, bool tcp,
                    struct list *owned, struct dns_channel **out)
{
    /* The owner judges errors and truncated answers, and has its own search domains, hosts
     * file, choice of servers and cache. */
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC |
                 (tcp ? ARES_FLAG_USEVC : 0),
        .timeout = LISTEN_MS,
        .tries = 1,
        .lookups = (char[]){"b"},
        .sock_state_cb = on_socket_state,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;
    struct dns_channel *channel = calloc(1, sizeof(*channel));
    int error;

#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* qcache_max_ttl is 0: no cache */
#endif
    *out = NULL;
    if (channel == NULL)
        return ERROR_MEMORY;
    channel->loop = loop;
    channel->scope = server->scope;
    list_init(&channel->node);
    list_init(&channel->sockets);
    ev_init(&channel->timer, on_timer);
    channel->timer.data = channel;
    options.sock_state_cb_data = channel;
    error = error_of(ares_init_options(&channel->ares, &options, mask));
    if (error != OK) {
        free(channel);
        return error;
    }
    ares_set_socket_configure_callback(channel->ares, on_new_socket, channel);
    error = set_server(channel, server);
    if (error != OK) {
        channel_free(channel);
        return error;
    }
    list_append(owned, &channel->node);
    *out = channel;
    return OK;
}

void dns_channels_free(struct list *owned)
{
    while (!list_empty(owned))
        channel_free(list_first(owned, struct dns_channel, node));
}

void dns_channel_retire(struct dns_channel *channel)
{
    if (channel == NULL)
        return;
    channel->retired = true;
    settle(channel);
}
