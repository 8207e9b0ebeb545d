/* SPDX-License-Identifier: MIT */
/*
 * From what an application asks for to what is done about it: which rule decides, which
 * addresses a name has, and how other networks see these. For streams and datagrams alike.
 */
#ifndef SPLITSOCKS_DECISION_H
#define SPLITSOCKS_DECISION_H

#include <splitsocks/engine/session/session.h>
#include <splitsocks/io/nat64_finder.h>
#include <splitsocks/io/resolver.h>
#include <splitsocks/proxy/rules.h>

#include <stdbool.h>
#include <stdint.h>

struct local;

/* State that all decisions of one local share. All borrowed. */
struct decider {
    struct resolver *resolver;
    struct nat64_finder *finder;
    bool resolve_here; /* the relay gets addresses, never names */
    const struct rules *rules;
    /* Whether what is sent to the address would come back to this local, when it is sent
     * from here (`direct`) or by the relay. NULL: nothing does. */
    bool (*comes_back)(const struct local *local, enum rule_network network,
                       const struct address *to, bool direct);
    const struct local *local; /* for comes_back() */
};

struct decision_request {
    uint32_t listener; /* as in struct rules_query */
    enum rule_network network;
    const struct target *target;           /* copied */
    const struct stream_policy *otherwise; /* where no rule sets a policy; copied */
};

struct decision;
/* May free the object that the decision is part of. */
typedef void decision_done(struct decision *decision);

struct decision {
    const struct decider *decider; /* borrowed */
    uint32_t listener;
    enum rule_network network;
    struct target target; /* if a name, with its addresses once they are known */
    struct stream_policy otherwise;
    struct rules_outcome outcome;
    /* In `done`: nothing can be done, or the action is RULE_BLOCK. */
    bool refused;
    enum reset_code code; /* why */
    const char *reason;   /* in words, static; NULL: what `code` says */
    /* The rest is private. */
    decision_done *done;
    struct resolver_query *query; /* NULL: none is under way */
    bool resolve_here;            /* the relay gets addresses that it can use */
    bool resolve_here_only;       /* and never the name */
    struct nat64_view view;       /* of the target's addresses, as far as known */
    struct nat64_waiter waiter;
};

/* Decides at once, and calls `done`; or waits for a name or the network's prefixes, calls
 * `done` later, and returns true. */
bool decision_start(struct decision *decision, const struct decider *decider,
                    const struct decision_request *request, decision_done *done);
/* Stops waiting. Safe when nothing is waited for, and on a zeroed decision. */
void decision_cancel(struct decision *decision);

/* In `done`, for RULE_PROXY: the target for the relay, without addresses that only this
 * network can reach. If no other address is left, the relay resolves the name, unless DNS
 * may not be asked for it. */
struct target decision_relay_target(const struct decision *decision);

/* The outcome in words, for the log. Returns `text`. */
#define DECISION_TEXT_SIZE (TARGET_TEXT_SIZE + 320)
const char *decision_format(const struct decision *decision, char text[DECISION_TEXT_SIZE]);

#endif
