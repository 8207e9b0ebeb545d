/* SPDX-License-Identifier: MIT */
#include "local_rules.h"

#include "local_mode.h"

#include <splitsocks/local/path_table.h>

#include <stdlib.h>

static struct policy_choice choice_of(const struct config_local *config,
                                      const struct config_policy *policy)
{
    bool all = policy->copies == CONFIG_COPIES_ALL;
    struct policy_choice choice = {
        .has_mode = policy->mode != CONFIG_MODE_UNSET,
        .has_copies = policy->copies != CONFIG_COPIES_UNSET,
        .has_paths = policy->paths != 0,
    };

    choice.policy.mode = (uint8_t)local_mode(policy->mode);
    choice.policy.copies = all ? 0 : (uint8_t)policy->copies;
    choice.policy.paths = path_table_bits(policy->paths, config->relay.hosts.count);
    return choice;
}

static enum rule_action engine_action(enum config_action action)
{
    switch (action) {
    case CONFIG_ACTION_DIRECT: return RULE_DIRECT;
    case CONFIG_ACTION_BLOCK: return RULE_BLOCK;
    default: return RULE_PROXY;
    }
}

struct rules *local_rules_new(const struct config_local *config)
{
    size_t count = config->rules.count;
    struct rule *items = calloc(MAX(count, (size_t)1), sizeof(*items));
    struct rules *rules = NULL;

    if (items == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct config_rule *rule = &config->rules.items[i];

        items[i] = (struct rule){
            .hosts = rule->hosts.items,
            .host_count = rule->hosts.count,
            .blocks = rule->blocks.items,
            .block_count = rule->blocks.count,
            .ports = rule->ports.items,
            .port_count = rule->ports.count,
            .listeners = rule->listeners,
            .networks = (uint8_t)(rule->network == CONFIG_NETWORK_BOTH ? RULE_TCP | RULE_UDP
                                  : rule->network == CONFIG_NETWORK_UDP ? RULE_UDP
                                                                        : RULE_TCP),
            .action = engine_action(rule->action),
            .policy = choice_of(config, &rule->policy),
        };
    }
    rules = rules_new(items, count);
    free(items);
    return rules;
}

static struct stream_policy policy_of(const struct config_local *config,
                                      enum config_mode mode,
                                      const struct config_listener *listener)
{
    struct policy_choice outer = choice_of(config, &config->policy);
    struct stream_policy policy = {.mode = STREAM_MODE_SPLIT};

    policy_override(&policy, &outer);
    policy.mode = (uint8_t)local_mode(mode);
    if (listener != NULL) {
        struct policy_choice inner = choice_of(config, &listener->policy);

        policy_override(&policy, &inner);
    }
    return policy;
}

struct stream_policy local_listener_policy(const struct config_local *config,
                                           const struct config_listener *listener)
{
    return policy_of(config, config->policy.mode, listener);
}

struct datagram_terms local_datagram_terms(const struct config_local *config,
                                           const struct config_listener *listener,
                                           uint32_t index)
{
    return (struct datagram_terms){
        .listener = index,
        .policy = policy_of(config, config->udp.mode, listener),
        .max_age_ns =
            listener->max_age_ns != 0 ? listener->max_age_ns : config->udp.max_age_ns,
        /* A forward's client has one destination, and takes all that comes for an answer
         * of it. */
        .filter_address = listener->protocol == CONFIG_PROTOCOL_FORWARD ||
                          config->udp.filter == CONFIG_FILTER_ADDRESS,
    };
}
