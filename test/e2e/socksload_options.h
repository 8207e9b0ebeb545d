/* SPDX-License-Identifier: MIT */
/* The command line of socksload, which its comment explains. */
#ifndef TEST_E2E_SOCKSLOAD_OPTIONS_H
#define TEST_E2E_SOCKSLOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tool.h"

struct options {
    struct endpoint proxy;
    bool direct, hold, cut;
    char host[256];
    uint16_t port;
    const char *name, *password;
    uint64_t count, parallel, up, down, seed, duration_ns, read_rate, pings, ping_size;
    uint32_t flags;
};

/* Dies when they are wrong. Strings point into argv. */
void options_read(struct options *options, int argc, char **argv);

#endif
