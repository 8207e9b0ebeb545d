/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "read_file.h"

#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static bool write_all(int descriptor, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(descriptor, data, length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        data += count;
        length -= (size_t)count;
    }
    return true;
}

/* Creates `path`, which must not exist: an overwritten key is lost for ever. */
static int write_key_file(const char *path, const uint8_t key[KEY_SIZE])
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char contents[KEY_FILE_LENGTH + 1];
    bool written;

    if (descriptor < 0) {
        log_error("cannot create %s: %s", path, strerror(errno));
        return ERROR_SYSTEM;
    }
    key_file_format(contents, key);
    written = write_all(descriptor, contents, KEY_FILE_LENGTH) && fsync(descriptor) == 0;
    key_wipe(contents, sizeof(contents));
    if (close(descriptor) != 0 || !written) {
        log_error("cannot write %s: %s", path, strerror(errno));
        unlink(path);
        return ERROR_SYSTEM;
    }
    return OK;
}

static int generate(const char *path, uint8_t public_key[KEY_SIZE])
{
    uint8_t private_key[KEY_SIZE];
    int error = ERROR_SYSTEM;

    if (getrandom(private_key, sizeof(private_key), 0) != (ssize_t)sizeof(private_key))
        log_error("cannot get random bytes: %s", strerror(errno));
    else if ((error = key_public(public_key, private_key)) != OK)
        log_error("cannot compute the public key: %s", error_string(error));
    else
        error = write_key_file(path, private_key);
    key_wipe(private_key, sizeof(private_key));
    return error;
}

static int load(const char *path, uint8_t public_key[KEY_SIZE])
{
    uint8_t private_key[KEY_SIZE];
    int error = read_key_file(path, private_key);

    if (error != OK)
        return error;
    error = key_public(public_key, private_key);
    if (error != OK)
        log_error("cannot compute the public key: %s", error_string(error));
    key_wipe(private_key, sizeof(private_key));
    return error;
}

int cmd_keygen(int argc, char **argv)
{
    bool show = argc == 3 && strcmp(argv[1], "-y") == 0;
    const char *path = argv[argc - 1];
    uint8_t public_key[KEY_SIZE];
    char text[KEY_TEXT_LENGTH + 1];

    if ((argc != 2 && !show) || path[0] == '-' || path[0] == '\0') {
        fprintf(stderr, "usage: splitsocks keygen [-y] FILE\n");
        return EXIT_USAGE;
    }
    if ((show ? load(path, public_key) : generate(path, public_key)) != OK)
        return EXIT_FAILURE;
    key_format(text, public_key);
    if (printf("%s\n", text) < 0 || fflush(stdout) != 0) {
        log_error("cannot print the public key: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
