#include "commands.h"

#include <splitsocks/attributes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *summary;
} commands[] = {
    {"local", cmd_local, "-c FILE [-v]", "be a SOCKS5 proxy that goes through a relay"},
    {"relay", cmd_relay, "-c FILE [-v]", "connect to destinations for locals"},
    {"connect", cmd_connect, "[-c FILE] [-v] HOST PORT",
     "carry one stream on stdin/stdout"},
    {"check", cmd_check, "{local|relay} FILE", "say what is wrong with a configuration"},
    {"keygen", cmd_keygen, "[-y] FILE", "make a private key, print the public one"},
};

static void print_usage(FILE *stream)
{
    fprintf(stream, "usage:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        fprintf(stream, "  splitsocks %-8s %-24s  %s\n", commands[i].name,
                commands[i].arguments, commands[i].summary);
    fprintf(stream, "  splitsocks --help | --version\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s\n", PACKAGE_STRING);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "splitsocks: unknown command: %s\n", argv[1]);
    print_usage(stderr);
    return EXIT_USAGE;
}
