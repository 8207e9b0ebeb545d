/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "log_output.h"

#include <splitsocks/base/attributes.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    {"status", cmd_status, "[-c FILE] [--json|--explain] [--watch[=SECONDS]]",
     "show what a running local or relay does"},
    {"check", cmd_check, "{local|relay} FILE",
     "check a configuration and what a start needs"},
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

/* Opens closed standard streams: else a socket could get the number of one, and output
 * would go into that socket. */
static bool open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (!open_standard_streams())
        return EXIT_FAILURE;
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
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (argc != 3 || strcmp(argv[2], "--help") != 0) {
                int status = commands[i].run(argc - 1, argv + 1);

                log_output_finish();
                return status;
            }
            printf("usage: splitsocks %s %s\n", commands[i].name, commands[i].arguments);
            return EXIT_SUCCESS;
        }
    fprintf(stderr, "splitsocks: unknown command: %s\n", argv[1]);
    print_usage(stderr);
    return EXIT_USAGE;
}
