#include "load_config.h"

#include "read_file.h"

#include <splitsocks/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int length = -1;

    if (base != NULL && base[0] == '/')
        length = asprintf(&path, "%s/splitsocks/local.json", base);
    else if (home != NULL)
        length = asprintf(&path, "%s/.config/splitsocks/local.json", home);
    if (length >= 0 && access(path, F_OK) == 0)
        return path;
    if (length >= 0)
        free(path);
    return strdup("/etc/splitsocks/local.json");
}

int load_key(const char *config_path, const char *name, uint8_t key[CONFIG_KEY_SIZE])
{
    char *path = resolve_file(config_path, name);
    int error = path != NULL ? read_key_file(path, key) : ERROR_MEMORY;

    free(path);
    return error;
}

int load_local(const char *path, struct config_local **config, uint8_t key[CONFIG_KEY_SIZE])
{
    struct config_error why;
    size_t length;
    char *text;
    int error = read_file(path, READ_FILE_MAX, &text, &length);

    if (error != OK)
        return error;
    error = config_local_parse(text, length, path, config, &why);
    explicit_bzero(text, length); /* passwords */
    free(text);
    if (error != OK) {
        log_problems(path, &why);
        return error;
    }
    log_warnings(&(*config)->warnings);
    if (key != NULL)
        error = load_key(path, (*config)->private_key_file, key);
    if (error != OK)
        config_local_free(*config);
    return error;
}

int load_relay(const char *path, struct config_relay **config, uint8_t key[CONFIG_KEY_SIZE])
{
    struct config_error why;
    size_t length;
    char *text;
    int error = read_file(path, READ_FILE_MAX, &text, &length);

    if (error != OK)
        return error;
    error = config_relay_parse(text, length, path, config, &why);
    free(text);
    if (error != OK) {
        log_problems(path, &why);
        return error;
    }
    log_warnings(&(*config)->warnings);
    if (key != NULL)
        error = load_key(path, (*config)->private_key_file, key);
    if (error != OK)
        config_relay_free(*config);
    return error;
}
