/* SPDX-License-Identifier: MIT */
/*
 * A DNS server in the process of the test, on UDP alone. The first label of the name that
 * is asked for says how it misbehaves: see write_answer(), is_silent() and flags_for(). For
 * any other label it gives one address of each family.
 */
#ifndef TEST_DNS_SERVER_H
#define TEST_DNS_SERVER_H

#include <splitsocks/base/address.h>

#include <ev.h>
#include <stdbool.h>

struct dns_server {
    ev_io io;
    struct address address; /* of loopback, on a free port */
    unsigned asked;         /* questions that came */
    bool deaf;              /* answers nothing */
};

void dns_server_start(struct dns_server *server, struct ev_loop *loop);
/* May be called again, or for one that was never started. */
void dns_server_stop(struct dns_server *server, struct ev_loop *loop);

#endif
