#include "read_file.h"

#include <splitsocks/error.h>
#include <splitsocks/key.h>
#include <splitsocks/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key, its line end, and some blanks that an editor may have left. */
#define KEY_FILE_MAX (KEY_FILE_LENGTH + 64)

/* Reads until end of file or until `size` bytes are there. Returns their number, or -1. */
static ssize_t read_up_to(int descriptor, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t count = read(descriptor, buffer + used, size - used);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        used += (size_t)count;
    }
    return (ssize_t)used;
}

static int fail_system(const char *path)
{
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
            return fail_system(path);
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
    int descriptor = open(path, O_RDONLY | O_CLOEXEC), error;

    *text = NULL;
    *length = 0;
    if (descriptor < 0)
        return fail_system(path);
    error = read_all(path, descriptor, maximum, text, length);
    close(descriptor);
    if (error != OK) {
        free(*text);
        *text = NULL;
    }
    return error;
}

static int check_key_file(const char *path, const struct stat *status)
{
    unsigned mode = status->st_mode & 07777;

    if (!S_ISREG(status->st_mode)) {
        log_error("%s is not a regular file, as a private key must be", path);
        return ERROR_PERMISSION;
    }
    if (status->st_uid != 0 && status->st_uid != geteuid()) {
        log_error("%s holds a private key, but belongs to another user (id %lu)", path,
                  (unsigned long)status->st_uid);
        return ERROR_PERMISSION;
    }
    if ((mode & 077) != 0) {
        log_error("%s holds a private key, but others can access it (mode %04o); do: "
                  "chmod 600 %s",
                  path, mode, path);
        return ERROR_PERMISSION;
    }
    return OK;
}

int read_key_file(const char *path, uint8_t key[CONFIG_KEY_SIZE])
{
    /* A FIFO must not make us wait. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char contents[KEY_FILE_MAX];
    struct stat status;
    ssize_t length = -1;
    int error;

    memset(key, 0, CONFIG_KEY_SIZE);
    if (descriptor < 0)
        return fail_system(path);
    if (fstat(descriptor, &status) != 0) {
        error = fail_system(path);
    } else {
        error = check_key_file(path, &status);
    }
    if (error == OK) {
        length = read_up_to(descriptor, contents, sizeof(contents));
        if (length < 0)
            error = fail_system(path);
    }
    close(descriptor);
    if (error == OK) {
        error = key_file_parse(key, contents, (size_t)length);
        if (error != OK)
            log_error("%s holds no private key: it must be one line of base64, as keygen "
                      "writes it",
                      path);
    }
    key_wipe(contents, sizeof(contents));
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
