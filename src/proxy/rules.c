/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/rules.h>

#include <splitsocks/base/target.h>

#include <stdlib.h>
#include <string.h>

/* A rule with its hosts ready for a binary search. */
struct compiled {
    struct rule rule;
    bool any_host;
    size_t pattern_count;
    char **patterns; /* sorted, in lower case, without final dots */
    char *texts;     /* memory of `patterns` */
};

struct rules {
    size_t count;
    struct compiled items[];
};

void policy_override(struct stream_policy *policy, const struct policy_choice *choice)
{
    if (choice->has_mode)
        policy->mode = choice->policy.mode;
    if (choice->has_copies)
        policy->copies = choice->policy.copies;
    if (choice->has_paths)
        policy->paths = choice->policy.paths;
}

/* Copies `name` in its canonical form; returns its length. There is room for as much as
 * `name` has. */
static size_t canonical(char *to, const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && name[length - 1] == '.')
        length--; /* the root */
    for (size_t i = 0; i < length; i++)
        to[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    to[length] = '\0';
    return length;
}

static int compare_texts(const void *a, const void *b)
{
    char *const *one = a, *const *other = b;

    return strcmp(*one, *other);
}

static bool compile(struct compiled *compiled, const struct rule *rule)
{
    size_t size = 1; /* so that it is never 0 */
    char *next;

    compiled->rule = *rule;
    compiled->pattern_count = rule->host_count;
    for (size_t i = 0; i < rule->host_count; i++)
        size += strlen(rule->hosts[i]) + 1;
    compiled->texts = next = malloc(size);
    compiled->patterns = calloc(rule->host_count + 1, sizeof(compiled->patterns[0]));
    if (compiled->texts == NULL || compiled->patterns == NULL)
        return false;
    for (size_t i = 0; i < rule->host_count; i++) {
        compiled->patterns[i] = next;
        next += canonical(next, rule->hosts[i]) + 1;
        if (strcmp(compiled->patterns[i], "*") == 0)
            compiled->any_host = true;
    }
    qsort(compiled->patterns, rule->host_count, sizeof(compiled->patterns[0]),
          compare_texts);
    return true;
}

struct rules *rules_new(const struct rule *items, size_t count)
{
    struct rules *rules = calloc(1, sizeof(*rules) + count * sizeof(rules->items[0]));

    if (rules == NULL)
        return NULL;
    rules->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!compile(&rules->items[i], &items[i])) {
            rules_free(rules);
            return NULL;
        }
    }
    return rules;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->items[i].patterns);
        free(rules->items[i].texts);
    }
    free(rules);
}

static bool has_pattern(const struct compiled *compiled, const char *pattern)
{
    return bsearch(&pattern, compiled->patterns, compiled->pattern_count,
                   sizeof(compiled->patterns[0]), compare_texts) != NULL;
}

/* `name` is canonical. The label before each of its dots becomes a "*" in turn. */
static bool host_holds(const struct compiled *compiled, const char *name)
{
    char pattern[TARGET_NAME_MAX + 1];

    if (compiled->pattern_count == 0 || compiled->any_host)
        return true;
    if (name[0] == '\0')
        return false;
    if (has_pattern(compiled, name))
        return true;
    strcpy(pattern, name);
    for (size_t i = 1; pattern[i] != '\0'; i++) {
        if (pattern[i] != '.')
            continue;
        pattern[i - 1] = '*';
        if (has_pattern(compiled, pattern + i - 1))
            return true;
    }
    return false;
}

static bool port_holds(const struct rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->port_count; i++)
        if (rule->ports[i].first <= port && port <= rule->ports[i].last)
            return true;
    return rule->port_count == 0;
}

static bool listener_holds(const struct rule *rule, uint32_t listener)
{
    return rule->listeners == 0 || (listener < 64 && rule->listeners >> listener & 1);
}

static bool network_holds(const struct rule *rule, enum rule_network network)
{
    return rule->networks == 0 || (rule->networks & network) != 0;
}

static bool address_holds(const struct rule *rule, const struct rules_query *query)
{
    for (size_t i = 0; i < query->address_count; i++) {
        struct address address = address_unmap(&query->addresses[i]);

        for (size_t j = 0; j < rule->block_count; j++)
            if (address_in_block(&address, &rule->blocks[j]))
                return true;
    }
    return rule->block_count == 0;
}

struct rules_outcome rules_match(const struct rules *rules, const struct rules_query *query)
{
    struct rules_outcome outcome = {
        .action = RULE_PROXY, .policy = *query->otherwise, .rule = RULES_NONE};
    char name[TARGET_NAME_MAX + 1] = "";

    /* A longer name can neither be resolved nor travel to the relay. */
    if (query->name != NULL && strlen(query->name) <= TARGET_NAME_MAX)
        canonical(name, query->name);
    for (size_t i = 0; i < rules->count; i++) {
        const struct compiled *compiled = &rules->items[i];
        const struct rule *rule = &compiled->rule;

        if (!listener_holds(rule, query->listener) ||
            !network_holds(rule, query->network) || !port_holds(rule, query->port) ||
            !host_holds(compiled, name))
            continue;
        if (!address_holds(rule, query)) {
            outcome.needs_addresses |= query->address_count == 0;
            continue;
        }
        outcome.rule = i;
        outcome.action = rule->action;
        policy_override(&outcome.policy, &rule->policy);
        break;
    }
    return outcome;
}

const char *rule_action_string(enum rule_action action)
{
    switch (action) {
    case RULE_DIRECT: return "direct";
    case RULE_BLOCK: return "block";
    default: return "proxy";
    }
}
