/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/resolver.h>

#include "name_source.h"
#include "system_names.h"

#include <splitsocks/base/list.h>
#include <splitsocks/base/log.h>
#include <splitsocks/base/text_hash.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/hosts_file.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/names/address_order.h>

#include <assert.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_FILE "/etc/hosts"
#define SYSTEM_FILE "/etc/resolv.conf"

enum { SIX, FOUR, FAMILIES };
static const enum address_family families[FAMILIES] = {ADDRESS_IPV6, ADDRESS_IPV4};

struct resolver {
    struct ev_loop *loop;
    struct config_dns dns;
    struct address *own_servers; /* owned: a copy of the configured ones; or NULL */
    bool search;
    struct system_names system;
    struct hosts_file hosts;
    struct name_source *source;
    struct list waiting;  /* queries not yet reported */
    struct list finished; /* queries whose report is due */
    size_t query_count;
    ev_timer report; /* runs at once while `finished` is not empty */
    struct log_limit log_limit;
};

/* A query's answer for one family of its present candidate. */
struct half {
    struct name_wait wait;
    bool known; /* no more will come */
    struct name_entry entry;
};

struct resolver_query {
    struct resolver *resolver;
    struct list node; /* in waiting or finished */
    resolver_done *done;
    void *context;
    ev_timer timer; /* the delay, or the deadline */
    uint64_t deadline_ns;
    uint64_t delay_until_ns; /* when the wait for the other family ends */
    bool hosts_pending; /* the hosts file is being read */
    bool absolute;      /* the name has a final dot: no search */
    bool special;       /* DNS is not asked for the name */
    size_t candidate;
    struct half halves[FAMILIES];
    int failure; /* worst result of the candidates so far; OK: they do not exist */
    int error;
    size_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
    char name[HOST_NAME_MAX_LENGTH + 1]; /* in lower case, without final dot */
};

/* ---- reports ---- */

static void leave(struct resolver_query *query)
{
    for (int i = 0; i < FAMILIES; i++)
        name_source_leave(&query->halves[i].wait);
    ev_timer_stop(query->resolver->loop, &query->timer);
}

static void query_free(struct resolver_query *query)
{
    leave(query);
    list_remove(&query->node);
    query->resolver->query_count--;
    free(query);
}

static void finish(struct resolver_query *query, int error)
{
    struct resolver *resolver = query->resolver;

    leave(query);
    query->error = error;
    query->hosts_pending = false;
    list_remove(&query->node);
    list_append(&resolver->finished, &query->node);
    if (!ev_is_active(&resolver->report)) {
        ev_timer_set(&resolver->report, 0., 0.);
        ev_timer_start(resolver->loop, &resolver->report);
    }
}

static void on_report(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct resolver *resolver = timer->data;
    struct list batch;
    (void)loop;
    (void)events;

    /* Queries that finish meanwhile are for the next round. A query of this batch that a
     * callback cancels removes itself. */
    list_init(&batch);
    list_append_all(&batch, &resolver->finished);
    while (!list_empty(&batch)) {
        struct resolver_query *query = list_first(&batch, struct resolver_query, node);
        const struct resolver_query report = *query;

        query_free(query);
        report.done(report.context, report.error, report.addresses, report.count);
    }
}

/* Reports the addresses: families in turns, the one that suits this machine first. */
static void deliver(struct resolver_query *query, const struct address *six,
                    size_t six_count, const struct address *four, size_t four_count)
{
    enum address_family first = six_count > 0 ? ADDRESS_IPV6 : ADDRESS_IPV4;

    if (six_count > 0 && four_count > 0) {
        struct address six_source = socket_source_to(six);
        struct address four_source = socket_source_to(four);

        first = address_first_family(six, &six_source, &four_source);
    }
    query->count = address_interleave(six, six_count, four, four_count, first,
                                      query->addresses, TARGET_ADDRESSES_MAX);
    finish(query, OK);
}

/* ---- the hosts file ---- */

/* Reports the hosts file's addresses; false when it does not have the name. */
static bool finish_by_hosts(struct resolver_query *query)
{
    struct host found[2 * TARGET_ADDRESSES_MAX];
    struct address sorted[FAMILIES][2 * TARGET_ADDRESSES_MAX];
    size_t counts[FAMILIES] = {0};
    size_t count =
        hosts_file_find(&query->resolver->hosts, query->name, found, ARRAY_LENGTH(found));

    for (size_t i = 0; i < count; i++) {
        int family = found[i].address.family == ADDRESS_IPV6 ? SIX : FOUR;

        if (host_resolve_zone(&found[i]))
            sorted[family][counts[family]++] = found[i].address;
    }
    if (counts[SIX] + counts[FOUR] == 0)
        return false;
    deliver(query, sorted[SIX], counts[SIX], sorted[FOUR], counts[FOUR]);
    return true;
}

/* ---- DNS ---- */

static bool asks_dns(const struct resolver *resolver)
{
    return resolver->dns.servers.count > 0 || resolver->system.order != LOOKUP_FILES;
}

/* Whether the hosts file is asked before DNS. Configured servers do not replace it. */
static bool hosts_first(const struct resolver *resolver)
{
    return resolver->system.order == LOOKUP_FILES_DNS ||
           resolver->system.order == LOOKUP_FILES;
}

static void start_candidate(struct resolver_query *query);

static void finish_without(struct resolver_query *query)
{
    int error = query->failure != OK ? query->failure : ERROR_NOT_FOUND;

    if (query->resolver->system.order != LOOKUP_DNS_FILES || !finish_by_hosts(query))
        finish(query, error);
}

/* The present candidate leads to no address. */
static void next_candidate(struct resolver_query *query, int failure)
{
    for (int i = 0; i < FAMILIES; i++)
        name_source_leave(&query->halves[i].wait);
    if (failure != OK)
        query->failure = failure;
    query->candidate++;
    /* Further candidates would time out, too. */
    if (failure == ERROR_TIMEOUT)
        finish_without(query);
    else
        start_candidate(query);
}

static void arm_timer(struct resolver_query *query)
{
    io_watch_until(query->resolver->loop, &query->timer,
                   MIN(query->deadline_ns, query->delay_until_ns), clock_now());
}

/* Until when an answer waits for the other family's, counted from the time when it came,
 * so that later queries do not wait anew. An IPv4 address that this machine can reach is
 * enough at once. IPv6 addresses alone, or the answer that there is no such name (RFC 4074
 * section 4.2), are wrong more often: they wait until a lost query would have been
 * repeated. */
static uint64_t delay_of(const struct name_entry *entry)
{
    uint64_t age_ns = clock_boot() - entry->learned_at_ns;
    uint64_t delay_ns = RESOLVER_DOUBT_NS;

    if (entry->count > 0 && entry->addresses[0].family == ADDRESS_IPV4 &&
        socket_source_to(&entry->addresses[0]).family != ADDRESS_NONE)
        delay_ns = RESOLVER_DELAY_NS;
    return clock_now() + (age_ns < delay_ns ? delay_ns - age_ns : 0);
}

static void conclude(struct resolver_query *query)
{
    const struct half *six = &query->halves[SIX], *four = &query->halves[FOUR];
    int failure = OK;

    if (six->entry.count + four->entry.count > 0) {
        deliver(query, six->entry.addresses, six->entry.count, four->entry.addresses,
                four->entry.count);
        return;
    }
    for (int i = 0; i < FAMILIES; i++)
        if (query->halves[i].known && query->halves[i].entry.outcome == DNS_FAILED &&
            failure != ERROR_TIMEOUT)
            failure = query->halves[i].entry.error;
    /* The answer that there is no such name holds for both families (RFC 2308 section
     * 5). */
    for (int i = 0; i < FAMILIES; i++)
        if (query->halves[i].known && query->halves[i].entry.outcome == DNS_NO_NAME)
            failure = OK;
    next_candidate(query, failure);
}

/* An answer for the present candidate has come. */
static void look(struct resolver_query *query)
{
    bool all = query->halves[SIX].known && query->halves[FOUR].known;

    query->delay_until_ns = TIME_NEVER;
    for (int i = 0; i < FAMILIES && !all; i++) {
        const struct half *half = &query->halves[i];

        if (half->entry.count > 0 || (half->known && half->entry.outcome == DNS_NO_NAME))
            query->delay_until_ns = MIN(query->delay_until_ns, delay_of(&half->entry));
    }
    if (all || clock_now() >= query->delay_until_ns)
        conclude(query);
    else
        arm_timer(query);
}

static void take_entry(struct half *half, const struct name_entry *entry, bool known)
{
    half->entry = *entry;
    half->known = known;
}

static void on_told(struct resolver_query *query, int family,
                    const struct name_entry *entry, bool final)
{
    take_entry(&query->halves[family], entry, final);
    look(query);
}

static void on_told_six(struct name_wait *wait, const struct name_entry *entry, bool final)
{
    on_told(container_of(wait, struct resolver_query, halves[SIX].wait), SIX, entry, final);
}

static void on_told_four(struct name_wait *wait, const struct name_entry *entry, bool final)
{
    on_told(container_of(wait, struct resolver_query, halves[FOUR].wait), FOUR, entry,
            final);
}

/* Asks for the next candidate; skips those that cannot exist. */
static void start_candidate(struct resolver_query *query)
{
    const struct resolver *resolver = query->resolver;
    char name[HOST_NAME_MAX_LENGTH + 1];
    struct name_entry entry;

    if (!resolv_conf_candidate(&resolver->system.conf, query->name,
                               query->absolute || !resolver->search, query->candidate,
                               name)) {
        finish_without(query);
        return;
    }
    for (int i = 0; i < FAMILIES; i++) {
        struct half *half = &query->halves[i];
        int error =
            name_source_ask(resolver->source, name, families[i], &half->wait, &entry);

        if (error != OK && error != ERROR_TRUNCATED)
            entry = (struct name_entry){.outcome = DNS_FAILED, .error = ERROR_SYSTEM};
        take_entry(half, &entry, error != ERROR_TRUNCATED);
    }
    look(query);
}

/* Continues with the hosts file's contents. */
static void start_with_hosts(struct resolver_query *query)
{
    const struct resolver *resolver = query->resolver;

    query->hosts_pending = false;
    if (hosts_first(resolver) && finish_by_hosts(query))
        return;
    else if (asks_dns(resolver) && !query->special)
        start_candidate(query);
    else
        finish(query, ERROR_NOT_FOUND);
}

static void start(struct resolver_query *query)
{
    query->hosts_pending = !hosts_file_current(&query->resolver->hosts);
    if (query->hosts_pending)
        arm_timer(query);
    else
        start_with_hosts(query);
}

static void on_hosts_ready(void *context)
{
    struct resolver *resolver = context;
    struct list batch;

    list_init(&batch);
    list_append_all(&batch, &resolver->waiting);
    while (!list_empty(&batch)) {
        struct resolver_query *query = list_first(&batch, struct resolver_query, node);

        list_remove(&query->node);
        list_append(&resolver->waiting, &query->node);
        if (query->hosts_pending)
            start_with_hosts(query);
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct resolver_query *query = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    if (now >= query->delay_until_ns)
        conclude(query);
    else if (now >= query->deadline_ns)
        finish(query, ERROR_TIMEOUT);
    else
        arm_timer(query);
}

/* ---- names that need no query ---- */

void resolver_parse(struct host *host, const char *text)
{
    host_parse(host, text);
    if (host->kind != HOST_ADDRESS || host_resolve_zone(host))
        return;
    host->kind = HOST_INVALID;
    host->reason = "no interface has that name";
}

/* Returns false when DNS must be asked. */
static bool finish_at_once(struct resolver_query *query, const char *text)
{
    static const struct address loopback[FAMILIES] = {
        {.family = ADDRESS_IPV6, .bytes = {[15] = 1}},
        {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}}};
    struct host host;

    resolver_parse(&host, text);
    switch (host.kind) {
    case HOST_NAME: return false;
    case HOST_ADDRESS:
        query->addresses[0] = host.address;
        query->count = 1;
        finish(query, OK);
        return true;
    case HOST_LOCALHOST:
        memcpy(query->addresses, loopback, sizeof(loopback));
        query->count = FAMILIES;
        finish(query, OK);
        return true;
    case HOST_SPECIAL:
        log_debug("no server is asked for %s: %s", text, host.reason);
        query->special = true;
        return false;
    case HOST_INVALID: break;
    }
    log_debug("no server is asked for \"%s\": %s", text, host.reason);
    finish(query, ERROR_INVALID);
    return true;
}

/* ---- the servers ---- */

static void use_servers(struct resolver *resolver)
{
    struct address servers[SERVERS_MAX];
    size_t count = resolver->dns.servers.count;

    if (count > 0)
        name_source_set_servers(resolver->source, resolver->own_servers,
                                MIN(count, (size_t)SERVERS_MAX));
    else
        name_source_set_servers(resolver->source, servers,
                                system_names_servers(&resolver->system, servers));
}

/* Follows the system's configuration: a laptop that changes networks gets other
 * servers. */
static void follow_system(struct resolver *resolver)
{
    if (system_names_refresh(&resolver->system))
        use_servers(resolver);
}

void resolver_flush(struct resolver *resolver)
{
    (void)system_names_refresh(&resolver->system);
    use_servers(resolver);
}

int resolver_configure(struct resolver *resolver, const struct config_dns *dns)
{
    size_t count = dns->servers.count;
    struct address *copy = calloc(count + 1, sizeof(*copy));

    if (copy == NULL || name_source_set_bounds(resolver->source, dns) != OK) {
        free(copy);
        return ERROR_MEMORY;
    }
    if (count > 0)
        memcpy(copy, dns->servers.items, count * sizeof(*copy));
    free(resolver->own_servers);
    resolver->own_servers = copy;
    resolver->dns = *dns;
    resolver_flush(resolver);
    return OK;
}

/* ---- the room's calls ---- */

int resolver_new(struct ev_loop *loop, const struct resolver_options *options,
                 struct resolver **out)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    int error = ERROR_MEMORY;

    *out = NULL;
    if (resolver == NULL)
        return error;
    resolver->loop = loop;
    resolver->search = options->search;
    list_init(&resolver->waiting);
    list_init(&resolver->finished);
    ev_init(&resolver->report, on_report);
    resolver->report.data = resolver;
    system_names_init(&resolver->system,
                      options->system_path != NULL ? options->system_path : SYSTEM_FILE);
    hosts_file_init(&resolver->hosts, loop,
                    options->hosts_path != NULL ? options->hosts_path : HOSTS_FILE,
                    on_hosts_ready, resolver);
    error = name_source_new(loop, &options->dns, &resolver->source);
    if (error == OK)
        error = resolver_configure(resolver, &options->dns);
    if (error != OK) {
        if (error == ERROR_SYSTEM)
            log_error("cannot start the resolver");
        resolver_free(resolver);
        return error;
    }
    *out = resolver;
    return OK;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    while (!list_empty(&resolver->waiting))
        query_free(list_first(&resolver->waiting, struct resolver_query, node));
    while (!list_empty(&resolver->finished))
        query_free(list_first(&resolver->finished, struct resolver_query, node));
    name_source_free(resolver->source);
    hosts_file_deinit(&resolver->hosts);
    ev_timer_stop(resolver->loop, &resolver->report);
    free(resolver->own_servers);
    free(resolver);
}

/* Names are kept in lower case, without final dot. */
static void take_name(struct resolver_query *query, const char *text)
{
    size_t length = strlen(text);

    query->absolute = length > 0 && text[length - 1] == '.';
    length -= query->absolute;
    for (size_t i = 0; i < MIN(length, sizeof(query->name) - 1); i++)
        query->name[i] = text_lower(text[i]);
}

void resolver_forget(struct resolver *resolver, const char *text)
{
    struct resolver_query name = {.candidate = 0};
    char candidate[HOST_NAME_MAX_LENGTH + 1];

    take_name(&name, text);
    while (resolv_conf_candidate(&resolver->system.conf, name.name,
                                 name.absolute || !resolver->search, name.candidate++,
                                 candidate))
        name_source_forget(resolver->source, candidate);
}

int resolver_query(struct resolver *resolver, const char *name, resolver_done *done,
                   void *context, struct resolver_query **out)
{
    struct resolver_query *query;

    *out = NULL;
    if (resolver->query_count >= resolver->dns.max_waiting) {
        log_write_limited(&resolver->log_limit, clock_now(), LOG_WARNING,
                          "a name is not looked up: %zu wait already (dns.max_waiting)",
                          resolver->query_count);
        return ERROR_LIMIT;
    }
    query = calloc(1, sizeof(*query));
    if (query == NULL)
        return ERROR_MEMORY;
    query->resolver = resolver;
    query->done = done;
    query->context = context;
    query->deadline_ns = clock_now() + resolver->dns.timeout_ns;
    query->delay_until_ns = TIME_NEVER;
    query->halves[SIX].wait.told = on_told_six;
    query->halves[FOUR].wait.told = on_told_four;
    ev_init(&query->timer, on_timer);
    query->timer.data = query;
    list_init(&query->node);
    list_append(&resolver->waiting, &query->node);
    resolver->query_count++;
    take_name(query, name);
    if (!finish_at_once(query, name)) {
        follow_system(resolver);
        start(query);
    }
    *out = query;
    return OK;
}

void resolver_cancel(struct resolver_query *query)
{
    query_free(query);
}
