/* SPDX-License-Identifier: MIT */
/* A destination in a child process. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "../e2e/tool.h"

#include <sys/types.h>

/* Listens at `at`, whose port becomes the one that it got, and runs `serve` in a child,
 * which the caller ends; `serve` does not return. */
pid_t server_fork(struct endpoint *at, void serve(int listener));

#endif
