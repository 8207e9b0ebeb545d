/* SPDX-License-Identifier: MIT */
#include "check_paths.h"
#include "check_start.h"
#include "commands.h"
#include "load_config.h"

#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>

#include <stdio.h>
#include <string.h>

/* Messages about the configuration are the output of this command: errors unchanged,
 * warnings marked as such. */
static void print_line(enum log_level level, const char *line, void *context)
{
    (void)context;

    if (level <= LOG_WARNING)
        fprintf(stderr, "%s%s\n", level == LOG_WARNING ? "warning: " : "", line);
}

static int check_local(const char *path)
{
    struct config_local *config;
    uint8_t key[CONFIG_KEY_SIZE];
    int error = load_local(path, &config, NULL), start;

    if (error != OK)
        return error;
    error = load_local_key(path, config, key);
    key_wipe(key, sizeof(key));
    start = check_local_start(path, config);
    check_paths(config);
    config_local_free(config);
    return error != OK ? error : start;
}

static int check_relay(const char *path)
{
    struct config_relay *config;
    uint8_t key[CONFIG_KEY_SIZE];
    int error = load_relay(path, &config, NULL), start;

    if (error != OK)
        return error;
    error = load_relay_key(path, config, key);
    key_wipe(key, sizeof(key));
    start = check_relay_start(path, config);
    config_relay_free(config);
    return error != OK ? error : start;
}

int cmd_check(int argc, char **argv)
{
    bool local = argc == 3 && strcmp(argv[1], "local") == 0;
    bool relay = argc == 3 && strcmp(argv[1], "relay") == 0;
    int error;

    if (!local && !relay) {
        fprintf(stderr, "usage: splitsocks check {local|relay} FILE\n");
        return EXIT_USAGE;
    }
    log_set_sink(print_line, NULL);
    error = local ? check_local(argv[2]) : check_relay(argv[2]);
    log_set_sink(NULL, NULL);
    if (error != OK)
        return EXIT_USAGE;
    printf("%s: ok\n", argv[2]);
    return 0;
}
