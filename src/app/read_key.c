/* SPDX-License-Identifier: MIT */
#include "read_file.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key, its line end, a byte order mark, and some blanks from an editor. */
#define KEY_FILE_MAX (KEY_FILE_LENGTH + 64)

static int cannot_open(const char *path)
{
    if (errno != ENOENT)
        return read_failed(path);
    log_error("cannot read %s: %s; this makes a key: splitsocks keygen %s", path,
              strerror(errno), path);
    return ERROR_SYSTEM;
}

/* Any file that could be opened may be used, whether it is the user's own or, for root,
 * another user's. */
static int check_file(const char *path, const struct stat *status)
{
    unsigned mode = status->st_mode & 07777;

    if (S_ISDIR(status->st_mode)) {
        errno = EISDIR;
        return read_failed(path);
    }
    if (!S_ISREG(status->st_mode)) {
        log_error("%s is not a regular file, as a private key must be", path);
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

static bool begins(const char *contents, size_t length, const char *with)
{
    return length >= strlen(with) && memcmp(contents, with, strlen(with)) == 0;
}

/* Says what the contents are instead of a private key. */
static const char *describe(const char *contents, size_t length)
{
    if (length == 0)
        return "it is empty";
    if (begins(contents, length, "\xff\xfe") || begins(contents, length, "\xfe\xff") ||
        memchr(contents, '\0', length) != NULL)
        return "it is not plain text, but UTF-16 or the like";
    if (begins(contents, length, "{"))
        return "it looks like a configuration";
    if (begins(contents, length, "-----BEGIN") || begins(contents, length, "ssh-"))
        return "it holds a key of another program";
    return NULL;
}

static int parse(const char *path, const char *contents, size_t length,
                 uint8_t key[CONFIG_KEY_SIZE])
{
    const char *what;
    size_t mark = begins(contents, length, "\xef\xbb\xbf") ? 3 : 0;

    if (key_file_parse(key, contents + mark, length - mark) == OK)
        return OK;
    what = describe(contents + mark, length - mark);
    log_error("%s holds no private key%s%s: it must be one line of base64, as keygen "
              "writes it",
              path, what != NULL ? ", " : "", what != NULL ? what : "");
    return ERROR_MALFORMED;
}

int read_key_file(const char *path, uint8_t key[CONFIG_KEY_SIZE])
{
    /* Do not wait if it is a FIFO. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char contents[KEY_FILE_MAX];
    struct stat status;
    ssize_t length = -1;
    int error;

    memset(key, 0, CONFIG_KEY_SIZE);
    if (descriptor < 0)
        return cannot_open(path);
    error = fstat(descriptor, &status) == 0 ? check_file(path, &status) : read_failed(path);
    if (error == OK) {
        length = read_up_to(descriptor, contents, sizeof(contents));
        if (length < 0)
            error = read_failed(path);
    }
    close(descriptor);
    if (error == OK)
        error = parse(path, contents, (size_t)length, key);
    key_wipe(contents, sizeof(contents));
    return error;
}
