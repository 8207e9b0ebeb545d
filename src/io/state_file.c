/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/state_file.h>

#include "folder.h"

#include <splitsocks/config/state.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The lock is held only while one small file is read, written and renamed. */
#define LOCK_TRIES 20
#define LOCK_WAIT_NS (5 * 1000 * 1000)

static const char *reason(int error)
{
    return error == ERROR_SYSTEM ? strerror(errno) : error_string((enum error)error);
}

/* ---- reading ---- */

/* Opens a regular file only: a rename over a device would remove the device. */
static int open_to_read(const char *path, int *fd)
{
    struct stat status;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM;
    if (fstat(*fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        close(*fd);
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return ERROR_SYSTEM;
    }
    return OK;
}

static int read_text(int fd, char *text, size_t size, size_t *length)
{
    ssize_t n;

    *length = 0;
    while ((n = read(fd, text + *length, size - *length)) > 0)
        *length += (size_t)n;
    return n < 0 ? ERROR_SYSTEM : OK;
}

/* Returns OK, ERROR_NOT_FOUND, ERROR_SYSTEM, or an error of state_parse(). */
static int load(const char *path, json_t **document)
{
    char *text = NULL;
    size_t length;
    int fd, error;

    *document = NULL;
    error = open_to_read(path, &fd);
    if (error != OK)
        return error;
    text = malloc(STATE_TEXT_MAX + 1);
    error = text != NULL ? read_text(fd, text, STATE_TEXT_MAX + 1, &length) : ERROR_MEMORY;
    if (error == OK)
        error = length <= STATE_TEXT_MAX ? state_parse(text, length, document)
                                         : ERROR_MALFORMED;
    close(fd);
    free(text);
    return error;
}

json_t *state_file_read(const struct state_file *file)
{
    json_t *document = NULL;

    if (file->path != NULL && load(file->path, &document) == OK)
        return document;
    return state_new();
}

void state_file_init(struct state_file *file, const char *path, enum log_level level)
{
    json_t *document = NULL;
    int error;

    *file = (struct state_file){.path = path, .level = level};
    if (path == NULL)
        return;
    error = load(path, &document);
    json_decref(document);
    if (error == ERROR_NOT_FOUND)
        log_debug("there is no state file %s yet", path);
    else if (error == ERROR_UNSUPPORTED)
        log_warning("the state file %s was made by a later version, and is left alone: nothing "
                    "is remembered",
                    path);
    else if (error == ERROR_MALFORMED)
        log_warning("cannot use the state file %s: %s; a new one is begun, and quotas "
                    "count from zero",
                    path, error_string((enum error)error));
    else if (error != OK)
        log_write(level, "cannot use the state file %s: %s; nothing is remembered", path,
                  reason(error));
}

/* ---- writing ---- */

void state_file_make_folder(const char *path)
{
    char *folder = folder_of(path);

    if (folder != NULL)
        (void)!folder_make(folder);
    free(folder);
}

/* Writes the new text to another file, for a rename. It does not wait for the disk: a loss
 * of power can only undo the changes of the last seconds. */
static int write_beside(const char *beside, const char *text)
{
    size_t length = strlen(text);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = OK;

    if (fd < 0)
        return ERROR_SYSTEM;
    errno = ENOSPC; /* a short write sets no errno */
    if (write(fd, text, length) != (ssize_t)length)
        error = ERROR_SYSTEM;
    if (close(fd) != 0)
        error = ERROR_SYSTEM;
    return error;
}

static int save(const char *path, const json_t *document)
{
    char *beside = NULL, *text = state_format(document);
    int error = ERROR_MEMORY;

    if (text != NULL && asprintf(&beside, "%s.%ld", path, (long)getpid()) >= 0) {
        error = write_beside(beside, text);
        if (error == OK && rename(beside, path) != 0)
            error = ERROR_SYSTEM;
        if (error != OK) {
            int saved = errno;

            unlink(beside);
            errno = saved;
        }
        free(beside);
    }
    free(text);
    return error;
}

/* ---- the lock ---- */

/* Locks the folder, which stays the same while files in it are replaced, and makes it if
 * it is missing. Returns OK; ERROR_DENIED: another process has the lock; or ERROR_SYSTEM.
 * *lock is for unlock() in any case. */
static int lock_folder(const char *path, int *lock)
{
    char *folder = folder_of(path);
    int error = ERROR_MEMORY;

    *lock = -1;
    if (folder == NULL)
        return error;
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = *lock >= 0 || errno != ENOENT ? OK : folder_make(folder);
    if (*lock < 0 && error == OK)
        *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (*lock < 0)
        return ERROR_SYSTEM;
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return OK;
    return errno == EWOULDBLOCK ? ERROR_DENIED : ERROR_SYSTEM;
}

static void unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

static int lock_patiently(const char *path, bool must, int *lock)
{
    static const struct timespec moment = {.tv_nsec = LOCK_WAIT_NS};
    int error = lock_folder(path, lock);

    for (int i = 1; must && error == ERROR_DENIED && i < LOCK_TRIES; i++) {
        unlock(*lock);
        nanosleep(&moment, NULL);
        error = lock_folder(path, lock);
    }
    return error;
}

/* ---- changing ---- */

static int change_locked(const char *path, bool (*change)(json_t *document, void *context),
                         void *context, bool *written)
{
    json_t *document;
    int error = load(path, &document);

    *written = false;
    if (error == ERROR_NOT_FOUND || error == ERROR_MALFORMED) {
        document = state_new();
        error = document != NULL ? OK : ERROR_MEMORY;
    }
    if (error == OK && change(document, context)) {
        error = save(path, document);
        *written = error == OK;
    }
    json_decref(document);
    return error;
}

int state_file_change(struct state_file *file, bool must,
                      bool (*change)(json_t *document, void *context), void *context)
{
    int lock, error, saved, unlocked = 0;
    bool written;

    if (file->path == NULL)
        return OK;
    error = lock_patiently(file->path, must, &lock);
    if (error == ERROR_SYSTEM)
        unlocked = errno;
    if (error == ERROR_DENIED && !must) {
        unlock(lock);
        return error;
    }
    /* A folder that cannot be locked may still be writable; if not, writing fails. */
    error = change_locked(file->path, change, context, &written);
    saved = errno;
    unlock(lock);
    /* If the folder is missing, report why it could not be made. */
    errno = saved == ENOENT && unlocked != 0 ? unlocked : saved;
    if (error != OK && error != ERROR_UNSUPPORTED && !file->troubled)
        log_write(file->level,
                  "cannot write the state file %s: %s; the used part of quotas, and the "
                  "last time stamp, will be forgotten",
                  file->path, reason(error));
    /* A look that changed nothing does not show that the file can be written. */
    if (error != OK || written)
        file->troubled = error != OK;
    return error;
}
