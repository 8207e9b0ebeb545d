/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/decision.h>

#include <splitsocks/base/log.h>

#include <stdio.h>
#include <string.h>

static void refuse(struct decision *decision, enum reset_code code, const char *reason)
{
    decision->refused = true;
    decision->code = code;
    decision->reason = reason;
    decision->done(decision);
}

/* ---- the outcome ---- */

static void match(struct decision *decision)
{
    const struct target *target = &decision->target;
    const struct rules_query query = {
        .listener = decision->listener,
        .network = decision->network,
        .name = target->name[0] != '\0' ? target->name : NULL,
        .addresses = decision->view.addresses,
        .address_count = decision->view.count,
        .port = target->port,
        .otherwise = &decision->otherwise,
    };

    decision->outcome = rules_match(decision->decider->rules, &query);
}

/* Whether a listener of this local leads back to this local. */
static bool is_loop(const struct decision *decision)
{
    const struct decider *decider = decision->decider;
    bool direct = decision->outcome.action == RULE_DIRECT;

    if (decision->outcome.action == RULE_BLOCK || decider->comes_back == NULL)
        return false;
    for (size_t i = 0; i < decision->target.address_count; i++) {
        struct address to = decision->target.addresses[i];

        to.port = decision->target.port;
        if (decider->comes_back(decider->local, decision->network, &to, direct))
            return true;
    }
    return false;
}

static void conclude(struct decision *decision)
{
    if (is_loop(decision))
        refuse(decision, RESET_BLOCKED,
               "this is a listener of this program: it would connect to itself again and "
               "again");
    else if (decision->outcome.action == RULE_BLOCK)
        refuse(decision, RESET_BLOCKED, NULL);
    else
        decision->done(decision);
}

/* ---- addresses ---- */

/* The addresses are known, and so is how other networks see them. */
static void use_addresses(struct decision *decision)
{
    nat64_look(&decision->view, &decision->decider->finder->prefixes,
               decision->target.addresses, decision->target.address_count);
    match(decision);
    conclude(decision);
}

static void on_prefixes(struct nat64_waiter *waiter)
{
    use_addresses(container_of(waiter, struct decision, waiter));
}

/* Returns true when the decision waits for the network's prefixes. */
static bool find_view(struct decision *decision)
{
    const struct target *target = &decision->target;

    decision->waiter.done = on_prefixes;
    if (nat64_in_question(target->addresses, target->address_count) &&
        !nat64_finder_ask(decision->decider->finder, &decision->waiter))
        return true;
    use_addresses(decision);
    return false;
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    struct decision *decision = context;
    struct target *target = &decision->target;

    decision->query = NULL;
    if (error != OK) {
        refuse(decision,
               error == ERROR_NOT_FOUND || error == ERROR_INVALID ? RESET_NAME_NOT_FOUND
                                                                  : RESET_NAME_FAILURE,
               NULL);
        return;
    }
    target->address_count = (uint8_t)MIN(count, (size_t)TARGET_ADDRESSES_MAX);
    memcpy(target->addresses, addresses, target->address_count * sizeof(*addresses));
    /* If the relay resolves names, rules do not see their addresses. */
    if (decision->resolve_here)
        (void)find_view(decision);
    else
        conclude(decision);
}

/* Whether the rules or the action need the addresses. */
static bool needs_addresses(const struct decision *decision)
{
    const struct rules_outcome *outcome = &decision->outcome;

    if (outcome->action == RULE_DIRECT)
        return true;
    return decision->resolve_here &&
           (outcome->action == RULE_PROXY || outcome->needs_addresses);
}

/* ---- the room's calls ---- */

/* An address in any notation is an address: rules see it, and DNS is not asked. A text
 * that is no name is refused here, wherever names are resolved. A name that DNS must not
 * be asked for does not go to the relay, which might ask. */
bool decision_start(struct decision *decision, const struct decider *decider,
                    const struct decision_request *request, decision_done *done)
{
    struct target *target = &decision->target;
    struct host host = {.kind = HOST_NAME};

    *decision = (struct decision){
        .decider = decider,
        .listener = request->listener,
        .network = request->network,
        .target = *request->target,
        .otherwise = *request->otherwise,
        .done = done,
    };
    list_init(&decision->waiter.node);
    if (target->address_count == 0)
        resolver_parse(&host, target->name);
    if (host.kind == HOST_INVALID) {
        refuse(decision, RESET_NAME_NOT_FOUND, host.reason);
        return false;
    }
    if (host.kind == HOST_ADDRESS) {
        target->addresses[0] = host.address;
        target->address_count = 1;
        target->name[0] = '\0';
    }
    decision->resolve_here_only = host.kind == HOST_SPECIAL;
    decision->resolve_here = decider->resolve_here || decision->resolve_here_only;
    if (target->address_count > 0)
        return find_view(decision);
    match(decision);
    if (!needs_addresses(decision)) {
        conclude(decision);
        return false;
    }
    if (resolver_query(decider->resolver, target->name, on_resolved, decision,
                       &decision->query) == OK)
        return true;
    refuse(decision, RESET_NAME_FAILURE, NULL);
    return false;
}

void decision_cancel(struct decision *decision)
{
    if (decision->decider == NULL)
        return;
    if (decision->query != NULL)
        resolver_cancel(decision->query);
    decision->query = NULL;
    list_remove(&decision->waiter.node);
}

struct target decision_relay_target(const struct decision *decision)
{
    const struct nat64_view *view = &decision->view;
    struct target target = decision->target;

    if (target.address_count == 0)
        return target;
    target.address_count = view->own_count;
    if (view->own_count == 0 && (target.name[0] == '\0' || decision->resolve_here_only))
        target.address_count = view->count;
    else if (view->own_count == 0)
        log_debug("%s has only addresses of this network: the relay resolves it",
                  target.name);
    memcpy(target.addresses, view->addresses,
           target.address_count * sizeof(struct address));
    return target;
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

const char *decision_format(const struct decision *decision, char text[DECISION_TEXT_SIZE])
{
    const struct rules_outcome *outcome = &decision->outcome;
    char target[TARGET_TEXT_SIZE], rule[32] = "no rule", how[256] = "";

    if (outcome->rule != RULES_NONE)
        snprintf(rule, sizeof(rule), "rules[%zu]", outcome->rule);
    if (outcome->action == RULE_PROXY)
        describe_policy(&outcome->policy, how, sizeof(how));
    snprintf(text, DECISION_TEXT_SIZE, "%s: %s: %s%s",
             target_format(&decision->target, target), rule,
             rule_action_string(outcome->action), how);
    return text;
}
