/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PARTS_MAX 128

/* --wrap calls them by these names. */
ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __real_readv(int fd, const struct iovec *parts, int count);
ssize_t __wrap_readv(int fd, const struct iovec *parts, int count);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

static struct fault {
    int fd;
    unsigned skip;  /* calls before the failures */
    unsigned count; /* failures to come */
    int error;
    int short_fd;
    size_t most; /* 0: as many as the caller wants */
} faults[FAULT_CALLS];

void fault_fail(enum fault_call call, int fd, unsigned count, int error)
{
    faults[call].fd = fd;
    faults[call].skip = 0;
    faults[call].count = count;
    faults[call].error = error;
}

void fault_fail_after(enum fault_call call, unsigned skip, unsigned count, int error)
{
    fault_fail(call, FAULT_ANY_FD, count, error);
    faults[call].skip = skip;
}

void fault_shorten(enum fault_call call, int fd, size_t most)
{
    faults[call].short_fd = fd;
    faults[call].most = most;
}

unsigned fault_left(enum fault_call call)
{
    return faults[call].count;
}

void fault_clear(void)
{
    memset(faults, 0, sizeof(faults));
}

static bool fails(enum fault_call call, int fd)
{
    struct fault *fault = &faults[call];

    if (fault->count == 0 || (fault->fd != FAULT_ANY_FD && fault->fd != fd))
        return false;
    if (fault->skip > 0) {
        fault->skip--;
        return false;
    }
    fault->count--;
    errno = fault->error;
    return true;
}

static size_t bound(enum fault_call call, int fd, size_t length)
{
    const struct fault *fault = &faults[call];

    if (fault->most == 0 || (fault->short_fd != FAULT_ANY_FD && fault->short_fd != fd))
        return length;
    return length < fault->most ? length : fault->most;
}

/* The beginning of the parts. Returns how many remain. */
static size_t cut(enum fault_call call, int fd, const struct iovec *parts, size_t count,
                  struct iovec out[PARTS_MAX])
{
    size_t room = bound(call, fd, SIZE_MAX);
    size_t used = 0;

    while (used < count && used < PARTS_MAX && room > 0) {
        out[used] = parts[used];
        if (out[used].iov_len > room)
            out[used].iov_len = room;
        room -= out[used++].iov_len;
    }
    return used;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    if (fails(FAULT_SEND, fd))
        return -1;
    return __real_send(fd, bytes, bound(FAULT_SEND, fd, length), flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec parts[PARTS_MAX];
    struct msghdr shorter = *message;

    if (fails(FAULT_SENDMSG, fd))
        return -1;
    shorter.msg_iovlen =
        cut(FAULT_SENDMSG, fd, message->msg_iov, message->msg_iovlen, parts);
    shorter.msg_iov = parts;
    return __real_sendmsg(fd, &shorter, flags);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    if (fails(FAULT_RECV, fd))
        return -1;
    return __real_recv(fd, bytes, bound(FAULT_RECV, fd, length), flags);
}

ssize_t __wrap_readv(int fd, const struct iovec *parts, int count)
{
    struct iovec shorter[PARTS_MAX];

    if (fails(FAULT_READV, fd))
        return -1;
    return __real_readv(fd, shorter,
                        (int)cut(FAULT_READV, fd, parts, (size_t)count, shorter));
}

int __wrap_socket(int family, int type, int protocol)
{
    if (fails(FAULT_SOCKET, FAULT_ANY_FD))
        return -1;
    return __real_socket(family, type, protocol);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (fails(FAULT_ACCEPT, fd))
        return -1;
    return __real_accept4(fd, address, length, flags);
}
