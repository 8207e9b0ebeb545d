/* SPDX-License-Identifier: MIT */
/* Opening and removing the file of a control socket. */
#ifndef IO_CONTROL_SOCKET_H
#define IO_CONTROL_SOCKET_H

#include <splitsocks/base/attributes.h>

#include <sys/stat.h>
#include <sys/un.h>

struct control_socket {
    int fd; /* listens, non-blocking */
    struct sockaddr_un address;
    dev_t device; /* of the file, as it was made */
    ino_t inode;
};

/* See control_new(). On an error `*why` is a phrase, or NULL if errno is the reason;
 * nothing has changed then. */
int control_socket_open(struct control_socket *out, const char *path,
                        const char **why) MUST_CHECK;
/* Closes it, and removes the file if it is still its own. */
void control_socket_close(struct control_socket *control);

#endif
