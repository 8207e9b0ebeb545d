/* SPDX-License-Identifier: MIT */
/*
 * Decides how a program's connection is made: the first rule whose conditions all hold
 * decides. Names are compared as DNS does, without regard to case or a final dot.
 *
 * A rule with conditions on addresses cannot be decided for a name that is not resolved
 * yet. It does not hold then, but the outcome has needs_addresses set: the caller should
 * resolve the name and ask again with its addresses. An earlier rule that holds for the
 * name alone stays decisive.
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

/* Bits of the networks that a rule holds for. */
enum rule_network { RULE_TCP = 1, RULE_UDP = 2 };

/* The fields of a stream's policy that a rule or a listener sets; the others are left
 * open. */
struct policy_choice {
    struct stream_policy policy;
    bool has_mode, has_copies, has_paths;
};

/* Replaces the fields of `policy` that `choice` sets. */
void policy_override(struct stream_policy *policy, const struct policy_choice *choice);

/* A condition without elements always holds; else one of its elements must hold. */
struct rule {
    /* "www.example.org": that name; "*.example.org": all below it; "*": everything */
    const char *const *hosts;
    size_t host_count;
    const struct address_block *blocks;
    size_t block_count;
    const struct port_range *ports;
    size_t port_count;
    uint64_t listeners; /* bit i: listener i; 0: any */
    uint8_t networks;   /* bits of enum rule_network; 0: any */
    enum rule_action action;
    struct policy_choice policy;
};

struct rules;

/* Copies the rules and their hosts; blocks and ports are borrowed. NULL when memory is
 * out. */
struct rules *rules_new(const struct rule *items, size_t count) MUST_CHECK;
void rules_free(struct rules *rules); /* NULL is allowed */

/* Rules that name listeners do not hold. */
#define RULES_NO_LISTENER UINT32_MAX

struct rules_query {
    uint32_t listener;               /* index below 64, or RULES_NO_LISTENER */
    enum rule_network network;       /* a stream, or datagrams */
    const char *name;                /* the requested name; NULL: an address */
    const struct address *addresses; /* that address, or the name's addresses */
    size_t address_count;            /* 0: the name is not resolved */
    uint16_t port;
    const struct stream_policy *otherwise; /* for the fields that the rule leaves open */
};

/* No rule holds. */
#define RULES_NONE SIZE_MAX

struct rules_outcome {
    enum rule_action action; /* RULE_PROXY where no rule holds */
    struct stream_policy policy;
    size_t rule;          /* index of the decisive rule, or RULES_NONE */
    bool needs_addresses; /* an earlier rule may hold once the name is resolved */
};

struct rules_outcome rules_match(const struct rules *rules,
                                 const struct rules_query *query);

/* "proxy", "direct" or "block". */
const char *rule_action_string(enum rule_action action);

#endif
