/* SPDX-License-Identifier: MIT */
#include "read_file.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long the writer of a pipe may take for its first bytes, and between two writes. */
#define PIPE_WAIT_SECONDS 5

/* Waits until something can be read. A pipe without a writer must not block for ever; a
 * person who types may take longer. */
static bool wait_readable(int descriptor)
{
    struct pollfd poll_fd = {.fd = descriptor, .events = POLLIN};
    struct stat status;
    bool pipe = fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode);
    int ready = poll(&poll_fd, 1, pipe ? PIPE_WAIT_SECONDS * 1000 : -1);

    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

ssize_t read_up_to(int descriptor, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t count;

        if (!wait_readable(descriptor))
            return -1;
        count = read(descriptor, buffer + used, size - used);
        if (count < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        used += (size_t)count;
    }
    return (ssize_t)used;
}

/* The name of a user, or the user's number. */
static const char *user_name(uid_t user, char text[32])
{
    const struct passwd *entry = getpwuid(user);

    if (entry != NULL)
        return entry->pw_name;
    snprintf(text, 32, "%lu", (unsigned long)user);
    return text;
}

/* Reports who owns the unreadable file, or its folder, as far as can be seen. */
static int read_denied(const char *path)
{
    char *copy = strdup(path), number[32];
    const char *folder = copy != NULL ? dirname(copy) : NULL;
    struct stat status;
    bool file = stat(path, &status) == 0;

    if (folder == NULL || (!file && stat(folder, &status) != 0) ||
        status.st_uid == geteuid())
        log_error("cannot read %s: %s", path, strerror(EACCES));
    else
        log_error("cannot read %s: %s (%s belongs to the user %s); run the program as that "
                  "user or root",
                  path, strerror(EACCES), file ? "it" : "its folder",
                  user_name(status.st_uid, number));
    free(copy);
    return ERROR_SYSTEM;
}

int read_failed(const char *path)
{
    if (errno == EACCES)
        return read_denied(path);
    if (errno == EISDIR)
        log_error("cannot read %s: it is a folder, not a file", path);
    else if (errno == ETIMEDOUT)
        log_error("cannot read %s: it is a pipe into which nothing was written for %d s",
                  path, PIPE_WAIT_SECONDS);
    else
        log_error("cannot read %s: %s", path, strerror(errno));
    return ERROR_SYSTEM;
}

/* Doubles the buffer until the file ends in it. */
static int read_all(const char *path, int descriptor, size_t maximum, char **text,
                    size_t *length)
{
    size_t used = 0, size = 4096;

    for (;; size *= 2) {
        char *larger = realloc(*text, size + 1);
        ssize_t count;

        if (larger == NULL) {
            log_error("cannot read %s: %s", path, error_string(ERROR_MEMORY));
            return ERROR_MEMORY;
        }
        *text = larger;
        count = read_up_to(descriptor, *text + used, size - used);
        if (count < 0)
            return read_failed(path);
        used += (size_t)count;
        if (used > maximum) {
            log_error("cannot read %s: it is larger than %zu bytes", path, maximum);
            return ERROR_LIMIT;
        }
        if (used < size)
            break;
    }
    (*text)[used] = '\0';
    *length = used;
    return OK;
}

int read_file(const char *path, size_t maximum, char **text, size_t *length)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;

    *text = NULL;
    *length = 0;
    if (descriptor < 0)
        return read_failed(path);
    error = read_all(path, descriptor, maximum, text, length);
    close(descriptor);
    if (error == OK && *length == 0) {
        log_error("%s is empty", path);
        error = ERROR_MALFORMED;
    }
    if (error != OK) {
        free(*text);
        *text = NULL;
    }
    return error;
}

char *resolve_file(const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');
    int folder = name[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - config_path);
    char *path;

    if (asprintf(&path, "%.*s%s", folder, config_path, name) < 0)
        return NULL;
    return path;
}
