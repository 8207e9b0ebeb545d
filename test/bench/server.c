/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <unistd.h>

pid_t server_fork(struct endpoint *at, void serve(int listener))
{
    int listener = listen_tcp(at);
    pid_t child;

    if (getsockname(listener, (struct sockaddr *)&at->address, &at->length) != 0)
        die_errno("getsockname");
    child = fork();
    if (child == 0)
        serve(listener);
    if (child < 0)
        die_errno("fork");
    close(listener);
    return child;
}
