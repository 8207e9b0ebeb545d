/* SPDX-License-Identifier: MIT */
#include "dns_client.h"

#include "dns_channel.h"

#include <splitsocks/base/backoff.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/list.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>

#include <stdlib.h>
#include <string.h>

/* How long the first choice may still contradict another server that does not know the
 * name or address. Behind a VPN, only the first server knows the names of its network. */
#define HOLD_NS NS_PER_S
/* How long to wait for the rest of a truncated answer that has addresses: three SYNs. */
#define REST_NS (4 * NS_PER_S)

/* The longest round of questions to all servers. Lookups are given up before that. */
#define ROUND_MAX_NS (600 * NS_PER_S)
/* A server on this machine or in the router may be restarting: if nothing listens at any
 * server, all are tried again after a quarter of a second, then at twice the distance, for
 * so long. */
#define RETRY_FIRST_NS (250 * NS_PER_MS)
#define RETRY_NS (1500 * NS_PER_MS)

struct dns_client {
    struct ev_loop *loop;
    struct server_choice choice;
    struct server {
        struct address address;
        struct dns_channel *udp, *tcp; /* NULL: none is open */
    } servers[SERVERS_MAX];
    struct list channels; /* all, retired ones included */
    unsigned generation;  /* of the servers */
    struct list asks;     /* of struct dns_ask */
    struct list outcomes; /* attempts whose outcome must be looked at */
    struct log_limit log_limit;
    ev_timer look; /* runs at once while `outcomes` is not empty */
};

struct dns_ask {
    struct dns_client *client;
    struct list node; /* in client.asks */
    char *name;       /* owned */
    enum address_family family;
    dns_done *done;
    void *context;
    uint64_t retry_after_ns; /* the last wait when nothing listens */
    uint64_t give_up_at_ns;  /* when these tries end */
    bool expectant;      /* the server asked last will still report something */
    bool failed;         /* a server has answered that it does not know */
    uint64_t deadline_ns;
    uint64_t next_at_ns;    /* when the next server is asked */
    uint64_t hold_until_ns; /* when `held` is believed; TIME_NEVER: there is none */
    uint8_t order[SERVERS_MAX];
    unsigned turn; /* servers asked so far; a repeated one counts again */
    uint8_t last;  /* the server asked last */
    uint64_t last_at_ns;
    struct list attempts;         /* all that it waits for */
    uint8_t running[SERVERS_MAX]; /* attempts without an outcome, for each server */
    uint8_t out;                  /* bit i: server i will say nothing more */
    bool partial;                 /* `held` has the addresses of a truncated answer */
    struct dns_answer held;
    ev_timer timer;
};

struct attempt {
    struct dns_client *client;
    struct list node;    /* in client.outcomes, once it has one */
    struct dns_ask *ask; /* NULL: nothing waits for it any more */
    struct list of_ask;  /* in ask.attempts */
    unsigned generation;
    uint8_t server;
    bool tcp;
    uint64_t sent_at_ns;
    enum dns_verdict verdict;
    struct dns_answer answer; /* for ANSWERED */
};

/* ---- the end of an ask ---- */

static void detach_attempts(struct dns_ask *ask)
{
    while (!list_empty(&ask->attempts)) {
        struct attempt *attempt = list_first(&ask->attempts, struct attempt, of_ask);

        list_remove(&attempt->of_ask);
        attempt->ask = NULL;
    }
    memset(ask->running, 0, sizeof(ask->running));
}

void dns_ask_cancel(struct dns_ask *ask)
{
    detach_attempts(ask);
    ev_timer_stop(ask->client->loop, &ask->timer);
    list_remove(&ask->node);
    free(ask->name);
    free(ask);
}

static void finish(struct dns_ask *ask, int error, const struct dns_answer *answer)
{
    const struct dns_answer last = *answer;
    dns_done *done = ask->done;
    void *context = ask->context;

    dns_ask_cancel(ask);
    done(context, error, &last, true);
}

/* No better answer will come. */
static void give_up(struct dns_ask *ask, int error)
{
    finish(ask, ask->hold_until_ns != TIME_NEVER ? OK : error, &ask->held);
}

/* ---- servers ---- */

/* Logs that a server has stopped answering, or answers again. If it is the only one, the
 * failed query says so. */
static void note_server(struct dns_client *client, uint8_t index, bool failing_before)
{
    const struct server_choice *choice = &client->choice;
    char text[ADDRESS_TEXT_SIZE];

    if (choice->count < 2 || choice->servers[index].failing == failing_before)
        return;
    address_format(&client->servers[index].address, text);
    if (failing_before)
        log_write_limited(&client->log_limit, clock_now(), LOG_INFO,
                          "the DNS server %s answers again", text);
    else
        log_write_limited(&client->log_limit, clock_now(), LOG_WARNING,
                          "the DNS server %s does not answer; it is asked last from now on",
                          text);
}

static void note_silence(struct dns_client *client, uint8_t index, uint64_t sent_at_ns,
                         uint64_t now)
{
    bool before = client->choice.servers[index].failing;

    server_choice_silent(&client->choice, index, sent_at_ns, now);
    note_server(client, index, before);
}

static void note_answer(struct dns_client *client, uint8_t index, uint64_t sent_at_ns,
                        uint64_t now)
{
    bool before = client->choice.servers[index].failing;

    server_choice_answered(&client->choice, index, sent_at_ns, now);
    note_server(client, index, before);
}

static void note_refusal(struct dns_client *client, uint8_t index, uint64_t now)
{
    bool before = client->choice.servers[index].failing;

    server_choice_refused(&client->choice, index, now);
    note_server(client, index, before);
}

/* ---- asking ---- */

static void arm_timer(struct dns_ask *ask, uint64_t now)
{
    io_watch_until(ask->client->loop, &ask->timer,
                   MIN(MIN(ask->next_at_ns, ask->hold_until_ns), ask->deadline_ns), now);
}

static void on_outcome(void *context, enum dns_verdict verdict, const uint8_t *message,
                       size_t length)
{
    struct attempt *attempt = context;
    struct dns_client *client = attempt->client;
    struct dns_ask *ask = attempt->ask;

    attempt->verdict = verdict;
    if (verdict == DNS_ANSWERED &&
        (ask == NULL ||
         dns_answer_parse(&attempt->answer, message, length, ask->name, ask->family) != OK))
        attempt->answer = (struct dns_answer){.outcome = DNS_FAILED};
    list_append(&client->outcomes, &attempt->node);
    if (!ev_is_active(&client->look)) {
        ev_timer_set(&client->look, 0., 0.);
        ev_timer_start(client->loop, &client->look);
    }
}

/* The channel to use, or NULL. */
static struct dns_channel *channel_of(struct dns_client *client, unsigned index, bool tcp)
{
    struct server *server = &client->servers[index];
    struct dns_channel **channel = tcp ? &server->tcp : &server->udp;

    if (*channel != NULL && dns_channel_worn(*channel)) {
        dns_channel_retire(*channel);
        *channel = NULL;
    }
    if (*channel == NULL && dns_channel_new(client->loop, &server->address, tcp,
                                            &client->channels, channel) != OK)
        return NULL;
    return *channel;
}

static void send_to(struct dns_ask *ask, uint8_t server, bool tcp, uint64_t now)
{
    struct dns_client *client = ask->client;
    struct dns_channel *channel = channel_of(client, server, tcp);
    struct attempt *attempt = channel != NULL ? calloc(1, sizeof(*attempt)) : NULL;

    if (attempt == NULL)
        return; /* the deadline ends the query, if nothing else does */
    attempt->client = client;
    attempt->ask = ask;
    attempt->generation = client->generation;
    attempt->server = server;
    attempt->tcp = tcp;
    attempt->sent_at_ns = now;
    list_init(&attempt->node);
    list_init(&attempt->of_ask);
    list_append(&ask->attempts, &attempt->of_ask);
    ask->running[server]++;
    dns_channel_query(channel, ask->name, ask->family, on_outcome, attempt);
}

/* Asks the next server that may still answer; a single server again. Each round is twice
 * as long as the one before. */
static void send_next(struct dns_ask *ask, uint64_t now)
{
    const struct server_choice *choice = &ask->client->choice;

    for (size_t i = 0; i < choice->count; i++) {
        unsigned turn = ask->turn++;
        uint8_t server = ask->order[turn % choice->count];

        if (ask->out >> server & 1)
            continue;
        ask->last = server;
        ask->last_at_ns = now;
        ask->expectant = true;
        ask->next_at_ns = now + backoff_ns(server_choice_patience(choice, server),
                                           turn / choice->count, ROUND_MAX_NS);
        send_to(ask, server, false, now);
        return;
    }
    ask->next_at_ns = TIME_NEVER;
}

static void begin(struct dns_ask *ask, uint64_t now)
{
    struct server_choice *choice = &ask->client->choice;
    int probe;

    ask->out = 0;
    ask->turn = 0;
    ask->failed = false;
    ask->retry_after_ns = 0;
    ask->give_up_at_ns = now + RETRY_NS;
    ask->partial = false;
    ask->hold_until_ns = TIME_NEVER;
    ask->held = (struct dns_answer){.outcome = DNS_FAILED};
    server_choice_order(choice, ask->order);
    send_next(ask, now);
    probe = server_choice_probe(choice, now);
    if (probe >= 0 && choice->count > 0 && probe != ask->last)
        send_to(ask, (uint8_t)probe, false, now);
    arm_timer(ask, now);
}

/* Whether no server may still answer. */
static bool is_out(const struct dns_ask *ask)
{
    return ask->out == (1u << ask->client->choice.count) - 1;
}

/* No server may still answer: gives up, unless nothing listens there and the servers may
 * be restarting. */
static void try_later(struct dns_ask *ask, uint64_t now)
{
    if (ask->failed || ask->hold_until_ns != TIME_NEVER || now >= ask->give_up_at_ns) {
        give_up(ask, ERROR_SYSTEM);
        return;
    }
    ask->out = 0;
    ask->turn = 0;
    ask->retry_after_ns = backoff_next_ns(ask->retry_after_ns, RETRY_FIRST_NS, RETRY_NS);
    ask->next_at_ns = now + ask->retry_after_ns;
    arm_timer(ask, now);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dns_ask *ask = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    if (now >= ask->deadline_ns || now >= ask->hold_until_ns) {
        give_up(ask, ERROR_TIMEOUT);
        return;
    }
    /* The kernel may not report that nothing listens: it does so only for few sockets. */
    if (now >= ask->next_at_ns &&
        (is_out(ask) ||
         (now >= ask->give_up_at_ns && server_choice_hopeless(&ask->client->choice)))) {
        try_later(ask, now);
        return;
    }
    if (now >= ask->next_at_ns) {
        note_silence(ask->client, ask->last, ask->last_at_ns, now);
        send_next(ask, now);
    }
    arm_timer(ask, now);
}

/* ---- outcomes ---- */

/* This server will not answer the query any more. */
static void strike_out(struct dns_ask *ask, uint8_t server, uint64_t now)
{
    ask->out |= (uint8_t)(1u << server);
    if (server == ask->last)
        ask->expectant = false;
    if (ask->hold_until_ns != TIME_NEVER && server == ask->order[0]) {
        give_up(ask, ERROR_SYSTEM);
    } else if (is_out(ask)) {
        try_later(ask, now);
    } else {
        if (server == ask->last && ask->next_at_ns != TIME_NEVER)
            send_next(ask, now);
        arm_timer(ask, now);
    }
}

/* The answer did not fit: ask for all of it over TCP. */
static void ask_for_all(struct dns_ask *ask, const struct attempt *attempt, uint64_t now)
{
    if (attempt->answer.outcome == DNS_FOUND && !ask->partial) {
        ask->partial = true;
        ask->held = attempt->answer;
        ask->hold_until_ns = now + REST_NS;
        ask->next_at_ns = TIME_NEVER;
        ask->done(ask->context, OK, &ask->held, false);
    }
    send_to(ask, attempt->server, true, now);
    arm_timer(ask, now);
}

static void take_answer(struct dns_ask *ask, const struct attempt *attempt, uint64_t now)
{
    const struct dns_answer *answer = &attempt->answer;
    uint8_t first = ask->order[0];

    if (answer->outcome == DNS_FAILED) {
        ask->failed = true;
        strike_out(ask, attempt->server, now);
    } else if (answer->truncated && !attempt->tcp) {
        ask_for_all(ask, attempt, now);
    } else if (answer->outcome == DNS_FOUND || attempt->server == first ||
               (ask->out >> first & 1) || ask->running[first] == 0) {
        finish(ask, OK, answer);
    } else if (ask->hold_until_ns == TIME_NEVER) {
        ask->held = *answer;
        ask->hold_until_ns = now + HOLD_NS;
        arm_timer(ask, now);
    }
}

/* Nothing listens there. The kernel reports that only once for a socket, perhaps for
 * another query than the first, so all queries go on to the next server. */
static void leave_server(struct dns_client *client, uint8_t server, uint64_t now)
{
    note_refusal(client, server, now);
    list_foreach(&client->asks, node, after) {
        struct dns_ask *ask = list_entry(node, struct dns_ask, node);

        if (!ask->expectant || ask->last != server || ask->next_at_ns == TIME_NEVER)
            continue;
        ask->expectant = false;
        ask->out |= (uint8_t)(1u << server);
        ask->next_at_ns = now;
        arm_timer(ask, now);
    }
}

/* Whether the server was asked again since, so that this outcome says nothing new. */
static bool is_stale(const struct attempt *attempt)
{
    return attempt->server == attempt->ask->last &&
           (attempt->sent_at_ns < attempt->ask->last_at_ns || !attempt->ask->expectant);
}

static void look_at(struct attempt *attempt)
{
    struct dns_client *client = attempt->client;
    struct dns_ask *ask = attempt->ask;
    uint64_t now = clock_now();

    /* TCP may be blocked where UDP works, so its failure says nothing about the server. */
    if (attempt->generation == client->generation && !attempt->tcp) {
        if (attempt->verdict == DNS_ANSWERED)
            note_answer(client, attempt->server, attempt->sent_at_ns, now);
        else if (attempt->verdict == DNS_REFUSED)
            leave_server(client, attempt->server, now);
    }
    if (ask == NULL)
        return;
    ask->running[attempt->server]--;
    if (attempt->verdict == DNS_ANSWERED)
        take_answer(ask, attempt, now);
    else if (ask->partial && attempt->tcp)
        give_up(ask, ERROR_SYSTEM);
    else if (attempt->tcp || (attempt->verdict != DNS_SILENT && !is_stale(attempt)))
        strike_out(ask, attempt->server, now);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dns_client *client = timer->data;
    (void)loop;
    (void)events;

    while (!list_empty(&client->outcomes)) {
        struct attempt *attempt = list_first(&client->outcomes, struct attempt, node);

        list_remove(&attempt->node);
        look_at(attempt);
        list_remove(&attempt->of_ask);
        free(attempt);
    }
}

/* ---- the face ---- */

struct dns_ask *dns_client_ask(struct dns_client *client, const char *name,
                               enum address_family family, uint64_t timeout_ns,
                               dns_done *done, void *context)
{
    struct dns_ask *ask = calloc(1, sizeof(*ask));
    uint64_t now = clock_now();

    if (ask == NULL)
        return NULL;
    ask->name = strdup(name);
    if (ask->name == NULL) {
        free(ask);
        return NULL;
    }
    ask->client = client;
    ask->family = family;
    ask->done = done;
    ask->context = context;
    ask->deadline_ns = now + timeout_ns;
    ev_init(&ask->timer, on_timer);
    ask->timer.data = ask;
    list_init(&ask->attempts);
    list_init(&ask->node);
    list_append(&client->asks, &ask->node);
    begin(ask, now);
    return ask;
}

static void drop_channels(struct dns_client *client)
{
    for (size_t i = 0; i < SERVERS_MAX; i++) {
        dns_channel_retire(client->servers[i].udp);
        dns_channel_retire(client->servers[i].tcp);
        client->servers[i].udp = client->servers[i].tcp = NULL;
    }
}

void dns_client_set_servers(struct dns_client *client, const struct address *servers,
                            size_t count)
{
    uint64_t now = clock_now();

    drop_channels(client);
    client->generation++;
    server_choice_init(&client->choice, count);
    for (size_t i = 0; i < count; i++)
        client->servers[i].address = servers[i];
    list_foreach(&client->asks, node, after) {
        struct dns_ask *ask = list_entry(node, struct dns_ask, node);

        detach_attempts(ask);
        begin(ask, now);
    }
}

int dns_client_new(struct ev_loop *loop, struct dns_client **out)
{
    struct dns_client *client;
    int error = dns_channel_library_init();

    *out = NULL;
    if (error != OK)
        return error;
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return ERROR_MEMORY;
    client->loop = loop;
    list_init(&client->channels);
    list_init(&client->asks);
    list_init(&client->outcomes);
    ev_init(&client->look, on_look);
    client->look.data = client;
    *out = client;
    return OK;
}

void dns_client_free(struct dns_client *client)
{
    if (client == NULL)
        return;
    while (!list_empty(&client->asks))
        dns_ask_cancel(list_first(&client->asks, struct dns_ask, node));
    dns_channels_free(&client->channels); /* now every attempt has an outcome */
    ev_timer_stop(client->loop, &client->look);
    while (!list_empty(&client->outcomes)) {
        struct attempt *attempt = list_first(&client->outcomes, struct attempt, node);

        list_remove(&attempt->node);
        free(attempt);
    }
    free(client);
}
