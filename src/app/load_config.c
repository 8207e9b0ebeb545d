/* SPDX-License-Identifier: MIT */
#include "load_config.h"

#include "folders.h"
#include "read_file.h"

#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void log_warnings(const struct config_strings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        log_warning("%s", warnings->items[i]);
}

static void log_problems(const char *path, const struct config_error *why)
{
    for (size_t i = 0; i < why->count; i++)
        log_error("%s", why->problems[i].text);
    if (why->left_out > 0)
        log_error("%s: and %zu more of the kind", path, why->left_out);
}

char *find_local_config(void)
{
    const char *base = environment_folder("XDG_CONFIG_HOME");
    const char *home = home_folder();
    char *path = NULL;
    int length = -1;

    if (base != NULL)
        length = asprintf(&path, "%s/splitsocks/local.json", base);
    else if (home != NULL)
        length = asprintf(&path, "%s/.config/splitsocks/local.json", home);
    if (length >= 0 && access(path, F_OK) == 0)
        return path;
    if (length >= 0)
        free(path);
    return strdup("/etc/splitsocks/local.json");
}

char *find_config(void)
{
    static const char relay[] = "/etc/splitsocks/relay.json";
    char *path = find_local_config();

    if (path == NULL || access(path, F_OK) == 0 || access(relay, F_OK) != 0)
        return path;
    free(path);
    return strdup(relay);
}

static int load_key(const char *config_path, const char *name, uint8_t key[CONFIG_KEY_SIZE])
{
    char *path = resolve_file(config_path, name);
    int error = path != NULL ? read_key_file(path, key) : ERROR_MEMORY;

    free(path);
    return error;
}

/* The key that keygen prints looks like a private key in a file: only a comparison shows
 * that the public key was written there. */
static int check_not_public(const char *path, const char *file, const char *whose,
                            const uint8_t public_key[CONFIG_KEY_SIZE],
                            const uint8_t key[CONFIG_KEY_SIZE])
{
    if (memcmp(public_key, key, CONFIG_KEY_SIZE) != 0)
        return OK;
    log_error(
        "%s: %s and the private key in %s are the same; the file must be the one that "
        "keygen has written, and the public key the text that keygen has printed",
        path, whose, file);
    return ERROR_INVALID;
}

/* Warns about the own public key, since each side needs the other's. */
static void warn_of_own(const char *path, const char *whose,
                        const uint8_t public_key[CONFIG_KEY_SIZE],
                        const uint8_t own[CONFIG_KEY_SIZE])
{
    if (memcmp(own, public_key, CONFIG_KEY_SIZE) == 0)
        log_warning("%s: %s belongs to this side's own private key, and not to that of the "
                    "other side",
                    path, whose);
}

int load_local_key(const char *path, const struct config_local *config,
                   uint8_t key[CONFIG_KEY_SIZE])
{
    const char *whose = "relay.public_key";
    uint8_t own[CONFIG_KEY_SIZE];
    int error = load_key(path, config->private_key_file, key);

    if (error == OK)
        error = check_not_public(path, config->private_key_file, whose,
                                 config->relay.public_key, key);
    if (error == OK)
        error = key_public(own, key);
    if (error == OK)
        warn_of_own(path, whose, config->relay.public_key, own);
    return error;
}

int load_relay_key(const char *path, const struct config_relay *config,
                   uint8_t key[CONFIG_KEY_SIZE])
{
    uint8_t own[CONFIG_KEY_SIZE];
    int error = load_key(path, config->private_key_file, key);

    if (error == OK)
        error = key_public(own, key);
    for (size_t i = 0; error == OK && i < config->clients.count; i++) {
        const uint8_t *public_key = config->clients.items[i].public_key;
        char whose[64];

        snprintf(whose, sizeof(whose), "clients[%zu].public_key", i);
        error = check_not_public(path, config->private_key_file, whose, public_key, key);
        if (error == OK)
            warn_of_own(path, whose, public_key, own);
    }
    return error;
}

static bool has_passwords(const struct config_local *config)
{
    for (size_t i = 0; i < config->listen.count; i++)
        if (config->listen.items[i].users.count > 0)
            return true;
    return false;
}

/* Warns when other users can read passwords. The group may read a file that belongs to
 * another user: that is how a service reads the file of root. */
static void warn_of_readers(const char *path, const struct config_local *config)
{
    struct stat status;

    if (!has_passwords(config) || stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if ((status.st_mode & S_IROTH) != 0 ||
        ((status.st_mode & S_IRGRP) != 0 && status.st_uid == geteuid()))
        log_warning("%s holds passwords, and %s can read it (mode %04o); do: chmod %s %s",
                    path, (status.st_mode & S_IROTH) != 0 ? "every user" : "its group",
                    (unsigned)status.st_mode & 07777,
                    status.st_uid == geteuid() ? "600" : "o=", path);
}

static int parse_local(const char *path, const char *text, size_t length,
                       struct config_local **config)
{
    struct config_error why;
    int error = config_local_parse(text, length, path, config, &why);

    if (error != OK) {
        log_problems(path, &why);
        return error;
    }
    log_warnings(&(*config)->warnings);
    warn_of_readers(path, *config);
    return OK;
}

static int parse_relay(const char *path, const char *text, size_t length,
                       struct config_relay **config)
{
    struct config_error why;
    int error = config_relay_parse(text, length, path, config, &why);

    if (error != OK) {
        log_problems(path, &why);
        return error;
    }
    log_warnings(&(*config)->warnings);
    return OK;
}

/* The text may contain passwords. */
static void forget(char *text, size_t length)
{
    explicit_bzero(text, length);
    free(text);
}

int load_either(const char *path, struct config_local **local, struct config_relay **relay)
{
    size_t length;
    char *text;
    int error = read_file(path, READ_FILE_MAX, &text, &length);

    *local = NULL;
    *relay = NULL;
    if (error != OK)
        return error;
    error = config_is_of_relay(text, length) ? parse_relay(path, text, length, relay)
                                             : parse_local(path, text, length, local);
    forget(text, length);
    return error;
}

int load_local(const char *path, struct config_local **config, uint8_t key[CONFIG_KEY_SIZE])
{
    size_t length;
    char *text;
    int error = read_file(path, READ_FILE_MAX, &text, &length);

    if (error != OK)
        return error;
    error = parse_local(path, text, length, config);
    forget(text, length);
    if (error != OK)
        return error;
    if (key != NULL)
        error = load_local_key(path, *config, key);
    if (error != OK)
        config_local_free(*config);
    return error;
}

int load_relay(const char *path, struct config_relay **config, uint8_t key[CONFIG_KEY_SIZE])
{
    size_t length;
    char *text;
    int error = read_file(path, READ_FILE_MAX, &text, &length);

    if (error != OK)
        return error;
    error = parse_relay(path, text, length, config);
    free(text);
    if (error != OK)
        return error;
    if (key != NULL)
        error = load_relay_key(path, *config, key);
    if (error != OK)
        config_relay_free(*config);
    return error;
}
