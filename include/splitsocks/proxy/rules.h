/* SPDX-License-Identifier: MIT */
/*
 * What is done with a connection that a program wants: the first rule whose conditions all
 * hold decides. Names are compared as DNS does, without regard to case or a final dot.
 *
 * A rule that looks at addresses cannot be decided for a name that was not resolved yet. It
 * does not hold then, but the outcome tells that addresses may change it: whoever resolves
 * the name asks again with what was found. A rule that comes earlier and holds for the name
 * alone is never reopened.
 */
#ifndef SPLITSOCKS_RULES_H
#define SPLITSOCKS_RULES_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/policy.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule_action {
    RULE_PROXY,  /* through the relay */
    RULE_DIRECT, /* connected to from here */
    RULE_BLOCK,  /* refused */
};

/* What a rule or a listener says about a stream; of the rest it says nothing. */
struct policy_choice {
    struct stream_policy policy;
    bool has_mode, has_copies, has_paths;
};

/* What `choice` says replaces what is in `policy`. */
void policy_override(struct stream_policy *policy, const struct policy_choice *choice);

/* A condition with no elements always holds; of several, one suffices. */
struct rule {
    /* "www.example.org": that name; "*.example.org": all below it; "*": everything */
    const char *const *hosts;
    size_t host_count;
    const struct address_block *blocks;
    size_t block_count;
    const struct port_range *ports;
    size_t port_count;
    uint64_t listeners; /* bit i: listener i; 0: any */
    enum rule_action action;
    struct policy_choice policy;
};

struct rules;

/* Copies the rules and their hosts; blocks and ports are borrowed. NULL when memory is
 * out. */
struct rules *rules_new(const struct rule *items, size_t count) MUST_CHECK;
void rules_free(struct rules *rules); /* NULL is allowed */

/* No listener: of those that name any, no rule holds. */
#define RULES_NO_LISTENER UINT32_MAX

struct rules_query {
    uint32_t listener;               /* index below 64, or RULES_NO_LISTENER */
    const char *name;                /* what the program asked for; NULL: an address */
    const struct address *addresses; /* that address, or those of the name */
    size_t address_count;            /* 0: the name is not resolved */
    uint16_t port;
    const struct stream_policy *otherwise; /* where the rule says nothing */
};

/* No rule holds. */
#define RULES_NONE SIZE_MAX

struct rules_outcome {
    enum rule_action action; /* RULE_PROXY where no rule holds */
    struct stream_policy policy;
    size_t rule;          /* index of the one that decided, or RULES_NONE */
    bool needs_addresses; /* an earlier rule may hold once the name is resolved */
};

struct rules_outcome rules_match(const struct rules *rules,
                                 const struct rules_query *query);

/* "proxy", "direct" or "block". */
const char *rule_action_string(enum rule_action action);

#endif
