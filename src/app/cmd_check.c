#include "commands.h"
#include "read_file.h"

#include <splitsocks/config_local.h>
#include <splitsocks/config_relay.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_warnings(const struct config_strings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        fprintf(stderr, "warning: %s\n", warnings->items[i]);
}

static int check_local(const char *text, size_t length, const char *path,
                       struct config_error *error)
{
    struct config_local *config;
    int result = config_local_parse(text, length, path, &config, error);

    if (result == OK)
        print_warnings(&config->warnings);
    config_local_free(config);
    return result;
}

static int check_relay(const char *text, size_t length, const char *path,
                       struct config_error *error)
{
    struct config_relay *config;
    int result = config_relay_parse(text, length, path, &config, error);

    if (result == OK)
        print_warnings(&config->warnings);
    config_relay_free(config);
    return result;
}

int cmd_check(int argc, char **argv)
{
    bool local = argc == 3 && strcmp(argv[1], "local") == 0;
    bool relay = argc == 3 && strcmp(argv[1], "relay") == 0;
    struct config_error error;
    size_t length;
    char *text;
    int result;

    if (!local && !relay) {
        fprintf(stderr, "usage: splitsocks check {local|relay} FILE\n");
        return EXIT_USAGE;
    }
    if (read_file(argv[2], READ_FILE_MAX, &text, &length) != OK)
        return EXIT_USAGE;
    result = local ? check_local(text, length, argv[2], &error)
                   : check_relay(text, length, argv[2], &error);
    explicit_bzero(text, length); /* passwords */
    free(text);
    if (result != OK) {
        fprintf(stderr, "%s\n", error.text);
        return EXIT_USAGE;
    }
    printf("%s: ok\n", argv[2]);
    return EXIT_SUCCESS;
}
