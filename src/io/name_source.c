/* SPDX-License-Identifier: MIT */
#include "name_source.h"

#include "dns_client.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/keyed_hash.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
/* How long a failure of all servers is remembered: the least that RFC 9520 section 3.2
 * asks for, since the network may be back at any moment. */
#define FAILURE_NS NS_PER_S
/* A server that ignores one kind of question (some home routers ignore AAAA) while it
 * answers the other keeps doing so; RFC 9520 allows up to five minutes. */
#define FAILURE_OF_ONE_FAMILY_NS (60 * NS_PER_S)

struct name_source {
    struct config_dns bounds;
    struct name_cache *cache;
    struct dns_client *client;
    size_t question_count;
    struct list buckets[BUCKETS]; /* of questions */
    struct hash_secret secret;    /* of the buckets, and of the cache */
    struct log_limit log_limit;
};

/* One name and family that the servers are asked about. */
struct question {
    struct name_source *source;
    struct list node;    /* in one of source.buckets */
    struct list waiters; /* of struct name_wait */
    struct dns_ask *ask;
    enum address_family family;
    struct name_entry partial; /* its count is 0 while nothing is known */
    char name[];
};

/* ---- the cache ---- */

static enum address_family other_family(enum address_family family)
{
    return family == ADDRESS_IPV4 ? ADDRESS_IPV6 : ADDRESS_IPV4;
}

/* How long an entry is valid. */
static uint64_t lifetime(struct name_source *source, const struct question *question,
                         const struct name_entry *entry, uint32_t ttl)
{
    const struct name_entry *other;
    /* A server that answers from its own cache may have rounded up the remaining time. */
    uint64_t ttl_ns = ttl > 0 ? (ttl - 1) * NS_PER_S : 0;

    if (entry->outcome == DNS_FOUND)
        return MIN(ttl_ns, source->bounds.max_ttl_ns);
    if (entry->outcome != DNS_FAILED)
        return MIN(ttl_ns, source->bounds.max_negative_ttl_ns);
    other = name_cache_find(source->cache, question->name, other_family(question->family),
                            entry->learned_at_ns);
    return other != NULL && other->outcome == DNS_FOUND ? FAILURE_OF_ONE_FAMILY_NS
                                                        : FAILURE_NS;
}

/* ---- questions ---- */

/* Clients choose the names. */
static struct list *bucket_of(struct name_source *source, const char *name)
{
    return &source->buckets[keyed_hash(&source->secret, name, strlen(name)) % BUCKETS];
}

static struct question *find_question(struct name_source *source, const char *name,
                                      enum address_family family)
{
    list_foreach(bucket_of(source, name), node, after) {
        struct question *question = list_entry(node, struct question, node);

        if (question->family == family && strcmp(question->name, name) == 0)
            return question;
    }
    return NULL;
}

static void question_free(struct question *question)
{
    if (question->ask != NULL)
        dns_ask_cancel(question->ask);
    list_remove(&question->node);
    question->source->question_count--;
    free(question);
}

void name_source_leave(struct name_wait *wait)
{
    if (wait->question == NULL)
        return;
    list_remove(&wait->node);
    wait->question = NULL;
}

/* Tells all waiters. A waiter that is told may leave, and remove others. */
static void tell(struct question *question, const struct name_entry *entry, bool final)
{
    struct list batch;

    list_init(&batch);
    list_append_all(&batch, &question->waiters);
    while (!list_empty(&batch)) {
        struct name_wait *wait = list_first(&batch, struct name_wait, node);

        list_remove(&wait->node);
        if (final)
            wait->question = NULL;
        else
            list_append(&question->waiters, &wait->node);
        wait->told(wait, entry, final);
    }
}

static void on_answer(void *context, int error, const struct dns_answer *answer, bool final)
{
    struct question *question = context;
    struct name_source *source = question->source;
    struct name_entry entry = {
        .outcome = error == OK ? answer->outcome : DNS_FAILED,
        .error = error,
        .learned_at_ns = clock_boot(),
        .count = error == OK ? answer->count : 0,
    };

    memcpy(entry.addresses, answer->addresses, entry.count * sizeof(entry.addresses[0]));
    if (!final) {
        question->partial = entry;
        tell(question, &entry, false);
        return;
    }
    question->ask = NULL;
    name_cache_put(source->cache, question->name, question->family, &entry,
                   entry.learned_at_ns + lifetime(source, question, &entry, answer->ttl));
    /* A callback that asks for this name must not find this question any more. */
    list_remove(&question->node);
    tell(question, &entry, true);
    question_free(question);
}

static int new_question(struct name_source *source, const char *name,
                        enum address_family family, struct question **out)
{
    struct question *question;

    /* Questions whose waiters have left count, too. */
    if (source->question_count >= 2 * (size_t)source->bounds.max_waiting) {
        log_write_limited(&source->log_limit, clock_now(), LOG_WARNING,
                          "no more names can be looked up at once: %zu questions wait for "
                          "the DNS servers (dns.max_waiting is %u)",
                          source->question_count, source->bounds.max_waiting);
        return ERROR_LIMIT;
    }
    question = calloc(1, sizeof(*question) + strlen(name) + 1);
    if (question == NULL)
        return ERROR_MEMORY;
    question->source = source;
    question->family = family;
    strcpy(question->name, name);
    list_init(&question->waiters);
    list_init(&question->node);
    list_append(bucket_of(source, name), &question->node);
    source->question_count++;
    question->ask = dns_client_ask(source->client, name, family, source->bounds.timeout_ns,
                                   on_answer, question);
    if (question->ask == NULL) {
        question_free(question);
        return ERROR_MEMORY;
    }
    *out = question;
    return OK;
}

int name_source_ask(struct name_source *source, const char *name,
                    enum address_family family, struct name_wait *wait,
                    struct name_entry *entry)
{
    const struct name_entry *known =
        name_cache_find(source->cache, name, family, clock_boot());
    struct question *question;

    *entry = (struct name_entry){.outcome = DNS_FAILED};
    if (known != NULL) {
        *entry = *known;
        return OK;
    }
    question = find_question(source, name, family);
    if (question == NULL) {
        int error = new_question(source, name, family, &question);

        if (error != OK)
            return error;
    }
    if (question->partial.count > 0)
        *entry = question->partial;
    wait->question = question;
    list_init(&wait->node);
    list_append(&question->waiters, &wait->node);
    return ERROR_TRUNCATED;
}

/* ---- the other calls ---- */

void name_source_set_servers(struct name_source *source, const struct address *servers,
                             size_t count)
{
    name_cache_clear(source->cache);
    dns_client_set_servers(source->client, servers, count);
}

void name_source_forget(struct name_source *source, const char *name)
{
    name_cache_forget(source->cache, name);
}

int name_source_set_bounds(struct name_source *source, const struct config_dns *bounds)
{
    struct name_cache *cache = name_cache_new(bounds->cache, &source->secret);

    if (cache == NULL)
        return ERROR_MEMORY;
    name_cache_free(source->cache);
    source->cache = cache;
    source->bounds = *bounds;
    return OK;
}

int name_source_new(struct ev_loop *loop, const struct config_dns *bounds,
                    struct name_source **out)
{
    struct name_source *source = calloc(1, sizeof(*source));
    int error = ERROR_MEMORY;

    *out = NULL;
    if (source == NULL)
        return error;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&source->buckets[i]);
    random_fill(&source->secret, sizeof(source->secret));
    error = name_source_set_bounds(source, bounds);
    if (error == OK)
        error = dns_client_new(loop, &source->client);
    if (error != OK) {
        name_source_free(source);
        return error;
    }
    *out = source;
    return OK;
}

void name_source_free(struct name_source *source)
{
    if (source == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (!list_empty(&source->buckets[i]))
            question_free(list_first(&source->buckets[i], struct question, node));
    dns_client_free(source->client);
    name_cache_free(source->cache);
    free(source);
}
