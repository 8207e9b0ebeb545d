/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/journal.h>

#include "folder.h"

#include <splitsocks/base/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_locked(const char *path, int flags, int *fd)
{
    struct stat status;

    *fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0600);
    if (*fd < 0)
        return ERROR_SYSTEM;
    if (fstat(*fd, &status) == 0 && !S_ISREG(status.st_mode))
        errno = EINVAL;
    else if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return OK;
    else if (errno == EWOULDBLOCK)
        return ERROR_DENIED;
    return ERROR_SYSTEM;
}

static int open_in_folder(const char *path, int *fd)
{
    int error = open_locked(path, 0, fd);
    char *folder;

    if (*fd >= 0 || errno != ENOENT)
        return error;
    folder = folder_of(path);
    error = folder == NULL ? ERROR_MEMORY : folder_make(folder);
    free(folder);
    return error == OK ? open_locked(path, 0, fd) : error;
}

static int read_lines(int fd, journal_line *take, void *context)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *stream = copy >= 0 ? fdopen(copy, "r") : NULL;
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int error;

    if (stream == NULL) {
        if (copy >= 0)
            close(copy);
        return ERROR_SYSTEM;
    }
    while ((length = getline(&line, &size, stream)) > 0) {
        line[length - (line[length - 1] == '\n')] = '\0';
        take(context, line);
    }
    error = ferror(stream) ? ERROR_SYSTEM : OK;
    free(line);
    fclose(stream);
    return error;
}

int journal_open(struct journal *journal, const char *path, journal_line *take,
                 void *context)
{
    int error = ERROR_MEMORY, saved;

    *journal = (struct journal){.path = strdup(path), .fd = -1};
    if (asprintf(&journal->other, "%s.new", path) < 0)
        journal->other = NULL;
    if (journal->path != NULL && journal->other != NULL)
        error = open_in_folder(path, &journal->fd);
    if (error == OK)
        error = read_lines(journal->fd, take, context);
    if (error == OK)
        return OK;
    saved = errno;
    journal_close(journal);
    errno = saved;
    return error;
}

void journal_close(struct journal *journal)
{
    if (journal->path != NULL && journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    free(journal->other);
    *journal = (struct journal){.path = NULL};
}

static int write_whole(int fd, const char *text, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = write(fd, text + done, length - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERROR_SYSTEM;
        done += (size_t)n;
    }
    return OK;
}

int journal_append(struct journal *journal, const char *text, size_t length)
{
    return journal->path != NULL ? write_whole(journal->fd, text, length) : OK;
}

int journal_rewrite(struct journal *journal, const char *text, size_t length)
{
    int error, saved, fd;

    if (journal->path == NULL)
        return OK;
    error = open_locked(journal->other, O_TRUNC, &fd);
    if (error == OK)
        error = write_whole(fd, text, length);
    if (error == OK && rename(journal->other, journal->path) != 0)
        error = ERROR_SYSTEM;
    if (error == OK) {
        close(journal->fd);
        journal->fd = fd;
        return OK;
    }
    saved = errno;
    if (fd >= 0)
        close(fd);
    unlink(journal->other);
    errno = saved;
    return ERROR_SYSTEM;
}
