/* SPDX-License-Identifier: MIT */
/*
 * Which DNS server is asked: the first in the order given that answers. Those that did not
 * are asked last, and tried again now and then beside one that works, so that a dead one
 * costs something once, and one that comes back gets its place again.
 */
#ifndef SPLITSOCKS_SERVER_CHOICE_H
#define SPLITSOCKS_SERVER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVERS_MAX 8

struct server_choice {
    size_t count;
    struct server_health {
        bool failing;
        bool refused; /* the last that was heard is that nothing listens there */
        uint64_t rtt_ns;      /* smoothed; 0: not known */
        uint64_t answered_ns; /* when it did last; 0: never */
        uint64_t probe_ns;    /* of a failing one: when it is tried again */
        uint64_t probe_every_ns;
    } servers[SERVERS_MAX];
};

/* Nothing is known of any of `count` servers. */
void server_choice_init(struct server_choice *choice, size_t count);

/* The order in which to ask: `order` gets choice->count indices. */
void server_choice_order(const struct server_choice *choice, uint8_t order[SERVERS_MAX]);
/* A failing server that is to be tried now, beside the others, or -1. */
int server_choice_probe(struct server_choice *choice, uint64_t now);
/* How long to wait for an answer before the next one is asked too. */
uint64_t server_choice_patience(const struct server_choice *choice, size_t index);

void server_choice_answered(struct server_choice *choice, size_t index, uint64_t sent_ns,
                            uint64_t now);
/* It has not answered what was sent then. That says nothing of the server if it has
 * answered something else since. */
void server_choice_silent(struct server_choice *choice, size_t index, uint64_t sent_ns,
                          uint64_t now);
/* Nothing listens there, or there is no way to it. */
void server_choice_refused(struct server_choice *choice, size_t index, uint64_t now);
/* Nothing listens at any of them, as far as is known. */
bool server_choice_hopeless(const struct server_choice *choice);

#endif
