/* SPDX-License-Identifier: MIT */
/* How a test talks to a running test program: lines over a unix socket, one client at a
 * time. Each command gets one line in answer. */
#ifndef TEST_E2E_CONTROL_H
#define TEST_E2E_CONTROL_H

#include <stdio.h>

struct control {
    int listener;
    int client; /* -1: none */
    size_t used;
    char line[1024];
};

/* Carries out one command (words split at blanks) and writes its answer, without line end.
 */
typedef void control_handler(void *context, int argc, char **argv, FILE *answer);

/* Listens at a file system path; dies when it cannot. */
void control_init(struct control *control, const char *path);

/* The descriptor to watch for input; it changes when a client comes or goes. */
int control_fd(const struct control *control);

/* Accepts a client, or reads its input and answers each whole line, or notes its
 * going. */
void control_ready(struct control *control, control_handler *handler, void *context);

#endif
