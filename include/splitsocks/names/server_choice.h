/* SPDX-License-Identifier: MIT */
/*
 * Chooses the DNS server to ask: the first in the given order that answers. Servers that
 * did not answer are asked last, and probed now and then while another works. So a dead
 * server costs little, and a server that comes back gets its place again.
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
        bool refused;            /* the last news: nothing listens there */
        uint64_t rtt_ns;         /* smoothed; 0: unknown */
        uint64_t answered_at_ns; /* time of the last answer; 0: never */
        uint64_t probe_at_ns;    /* when a failing server is tried again */
        uint64_t probe_every_ns;
    } servers[SERVERS_MAX];
};

/* `count` servers, of which nothing is known. */
void server_choice_init(struct server_choice *choice, size_t count);

/* The order in which to ask: `order` gets choice->count indices. */
void server_choice_order(const struct server_choice *choice, uint8_t order[SERVERS_MAX]);
/* A failing server that should be probed now, beside the others, or -1. */
int server_choice_probe(struct server_choice *choice, uint64_t now);
/* How long to wait for this server's answer before the next server is asked too. */
uint64_t server_choice_patience(const struct server_choice *choice, size_t index);

void server_choice_answered(struct server_choice *choice, size_t index, uint64_t sent_at_ns,
                            uint64_t now);
/* The server has not answered the query that was sent at `sent_at_ns`. An answer to another
 * query since then outweighs that. */
void server_choice_silent(struct server_choice *choice, size_t index, uint64_t sent_at_ns,
                          uint64_t now);
/* Nothing listens there, or no route leads there. */
void server_choice_refused(struct server_choice *choice, size_t index, uint64_t now);
/* Whether every server has refused. */
bool server_choice_hopeless(const struct server_choice *choice);

#endif
