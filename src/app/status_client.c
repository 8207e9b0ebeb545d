/* SPDX-License-Identifier: MIT */
#include "status_client.h"

#include <splitsocks/base/error.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A local answers at once, and a relay within two seconds, unless they are stopped or
 * stuck. */
#define TIMEOUT_SECONDS 5
/* Far more than STATUS_STREAMS_MAX streams take. */
#define ANSWER_MAX ((size_t)64 << 20)
#define READ_SIZE 65536

static int of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED: return ERROR_NOT_FOUND;
    case EAGAIN:
    case ETIMEDOUT: return ERROR_TIMEOUT;
    default: return ERROR_SYSTEM;
    }
}

static int open_connection(const char *path, int *fd)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return ERROR_LIMIT;
    strcpy(address.sun_path, path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return ERROR_SYSTEM;
    (void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(*fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return OK;
    return of_errno();
}

static int read_answer(int fd, char **answer)
{
    size_t used = 0, size = 0;

    *answer = NULL;
    for (;;) {
        ssize_t n;

        if (used + READ_SIZE >= size) {
            char *larger =
                size < ANSWER_MAX ? realloc(*answer, size = 2 * (used + READ_SIZE)) : NULL;

            if (larger == NULL)
                return ERROR_MEMORY;
            *answer = larger;
        }
        n = recv(fd, *answer + used, READ_SIZE, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return of_errno();
        if (n == 0)
            break;
        used += (size_t)n;
    }
    (*answer)[used] = '\0';
    return used > 0 ? OK : ERROR_CLOSED;
}

int status_request(const char *path, const char *request, char **answer)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "%s\n", request);
    int fd = -1;
    int error = open_connection(path, &fd);

    *answer = NULL;
    if (error == OK && send(fd, line, (size_t)length, MSG_NOSIGNAL) != length)
        error = of_errno();
    if (error == OK)
        error = read_answer(fd, answer);
    if (error != OK) {
        int saved = errno;

        free(*answer);
        *answer = NULL;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return error;
    }
    close(fd);
    return OK;
}
