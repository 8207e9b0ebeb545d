/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/datagram_route.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/proxy/rules.h>

#include <stdlib.h>
#include <string.h>

struct route_decision {
    struct decision decision;
    struct datagram_route *route;
};

bool datagram_route_leads_to(const struct datagram_route *route, const struct target *to)
{
    if (to->address_count == 0)
        return route->name != NULL && route->key.port == to->port &&
               strcmp(route->name, to->name) == 0;
    return route->name == NULL && route->key.port == to->port &&
           route->key.family == to->addresses[0].family &&
           memcmp(route->key.bytes, to->addresses[0].bytes, sizeof(route->key.bytes)) == 0;
}

struct datagram_route *datagram_route_new(const struct target *to,
                                          struct datagram_room *room,
                                          datagram_route_done *done, void *owner)
{
    struct datagram_route *route = calloc(1, sizeof(*route));

    if (route == NULL)
        return NULL;
    if (to->address_count > 0)
        route->key = to->addresses[0];
    else if ((route->name = strdup(to->name)) == NULL) {
        free(route);
        return NULL;
    }
    route->key.port = to->port;
    route->done = done;
    route->owner = owner;
    list_init(&route->node);
    datagram_queue_init(&route->waiting, room);
    return route;
}

static void end_decision(struct datagram_route *route)
{
    if (route->decision == NULL)
        return;
    decision_cancel(&route->decision->decision);
    free(route->decision);
    route->decision = NULL;
}

void datagram_route_free(struct datagram_route *route)
{
    end_decision(route);
    datagram_queue_clear(&route->waiting);
    list_remove(&route->node);
    free(route->name);
    free(route);
}

/* ---- deciding ---- */

static bool is_same(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_among(const struct address *address, const struct address *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(address, &list[i]))
            return true;
    return false;
}

/* Adds the address unless the route has it, or has enough. */
static void add(struct datagram_route *route, const struct address *address)
{
    if (route->address_count == TARGET_DATAGRAM_ADDRESSES_MAX ||
        is_among(address, route->addresses, route->address_count))
        return;
    route->addresses[route->address_count] = *address;
    route->addresses[route->address_count++].port = route->key.port;
}

/* A name may have several addresses, of which those that send use the first that they can.
 * Those of before that the target still has stay first, so that a flow does not change its
 * peer; then comes IPv4, since broken IPv6 loses datagrams without a word. */
static void choose(struct datagram_route *route, const struct target *target)
{
    struct address before[TARGET_DATAGRAM_ADDRESSES_MAX];
    const size_t before_count = route->address_count;

    memcpy(before, route->addresses, before_count * sizeof(*before));
    route->address_count = 0;
    for (size_t i = 0; i < before_count; i++)
        if (is_among(&before[i], target->addresses, target->address_count))
            add(route, &before[i]);
    for (size_t i = 0; i < target->address_count; i++)
        if (target->addresses[i].family == ADDRESS_IPV4) {
            add(route, &target->addresses[i]);
            break;
        }
    for (size_t i = 0; i < target->address_count; i++)
        add(route, &target->addresses[i]);
}

static void set_way(struct datagram_route *route, const struct decision *decision)
{
    struct target target = decision->target;

    route->way = decision->outcome.action == RULE_DIRECT ? DATAGRAM_DIRECT : DATAGRAM_PROXY;
    if (route->way == DATAGRAM_PROXY)
        target = decision_relay_target(decision);
    route->policy = decision->outcome.policy;
    choose(route, &target);
    route->again_at_ns = route->name == NULL ? TIME_NEVER : clock_now() + DATAGRAM_NAME_NS;
}

static void set_refused(struct datagram_route *route, const struct decision *decision)
{
    static struct log_limit limit;
    char text[TARGET_TEXT_SIZE];

    route->way = DATAGRAM_REFUSED;
    /* Rules are the same for as long as this local lives. */
    route->again_at_ns =
        decision->code == RESET_BLOCKED ? TIME_NEVER : clock_now() + DATAGRAM_FAILURE_NS;
    if (decision->reason == NULL && decision->code == RESET_BLOCKED)
        log_debug("datagrams to %s are not allowed by rules[%zu] of the configuration",
                  target_format(&decision->target, text), decision->outcome.rule);
    else
        log_write_limited(&limit, clock_now(), LOG_INFO, "datagrams to %s are dropped: %s",
                          target_format(&decision->target, text),
                          decision->reason != NULL ? decision->reason
                                                   : reset_code_string(decision->code));
}

static void on_decided(struct decision *decision)
{
    struct datagram_route *route =
        container_of(decision, struct route_decision, decision)->route;
    char text[DECISION_TEXT_SIZE];

    if (decision->refused) {
        set_refused(route, decision);
    } else {
        log_debug("datagrams: %s", decision_format(decision, text));
        set_way(route, decision);
    }
    end_decision(route);
    route->done(route);
}

void datagram_route_decide(struct datagram_route *route, const struct decider *decider,
                           uint32_t listener, const struct stream_policy *otherwise)
{
    struct target target;
    const struct decision_request request = {
        .listener = listener,
        .network = RULE_UDP,
        .target = &target,
        .otherwise = otherwise,
    };

    memset(&target, 0, sizeof(target));
    target.port = route->key.port;
    if (route->name != NULL) {
        memcpy(target.name, route->name, strlen(route->name) + 1);
    } else {
        target.addresses[0] = route->key;
        target.address_count = 1;
    }
    route->decision = calloc(1, sizeof(*route->decision));
    if (route->way == DATAGRAM_REFUSED)
        route->way = DATAGRAM_UNDECIDED;
    if (route->decision == NULL) {
        route->way = DATAGRAM_REFUSED;
        route->again_at_ns = clock_now() + DATAGRAM_FAILURE_NS;
        route->done(route);
        return;
    }
    route->decision->route = route;
    (void)decision_start(&route->decision->decision, decider, &request, on_decided);
}

bool datagram_route_due(const struct datagram_route *route, uint64_t now)
{
    return route->decision == NULL &&
           (route->way == DATAGRAM_UNDECIDED || now >= route->again_at_ns);
}

void datagram_route_target(const struct datagram_route *route, struct target *target)
{
    target->port = route->key.port;
    target->address_count = route->address_count;
    memcpy(target->addresses, route->addresses,
           route->address_count * sizeof(*route->addresses));
    target->name[0] = '\0';
    if (target->address_count == 0)
        memcpy(target->name, route->name, strlen(route->name) + 1);
}

void datagram_route_skip(struct datagram_route *route)
{
    const struct address failed = route->addresses[0];

    memmove(&route->addresses[0], &route->addresses[1],
            (route->address_count - 1u) * sizeof(failed));
    route->addresses[route->address_count - 1] = failed;
}
