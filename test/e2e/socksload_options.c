/* SPDX-License-Identifier: MIT */
#include "socksload_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static void need_number(const char *text, uint64_t *value,
                        bool parse(const char *text, uint64_t *value))
{
    if (!parse(text, value))
        die("'%s' is no such quantity", text);
}

static uint32_t parse_mode(const char *text)
{
    if (strcmp(text, "late") == 0)
        return LOAD_LATE;
    if (strcmp(text, "early") == 0)
        return LOAD_EARLY;
    if (strcmp(text, "deaf") == 0)
        return LOAD_DEAF;
    die("unknown mode '%s'", text);
}

static void set_user(struct options *options, char *text)
{
    char *colon = strchr(text, ':');

    if (colon == NULL || colon - text > 255 || strlen(colon + 1) > 255)
        die("--user NAME:PASSWORD");
    *colon = '\0';
    options->name = text;
    options->password = colon + 1;
}

static void set_option(struct options *options, int option, char *argument)
{
    switch (option) {
    case 'D': options->direct = true; /* fall through */
    case 'P': options->proxy = endpoint_parse(argument); break;
    case 'd':
        options->port = endpoint_split(argument, options->host, sizeof(options->host));
        break;
    case 'a': set_user(options, argument); break;
    case 'c': need_number(argument, &options->count, parse_size); break;
    case 'p': need_number(argument, &options->parallel, parse_size); break;
    case 'u': need_number(argument, &options->up, parse_size); break;
    case 'w': need_number(argument, &options->down, parse_size); break;
    case 's': need_number(argument, &options->seed, parse_size); break;
    case 'f': need_number(argument, &options->duration_ns, parse_duration); break;
    case 'g': need_number(argument, &options->pings, parse_size); break;
    case 'z': need_number(argument, &options->ping_size, parse_size); break;
    case 'r': need_number(argument, &options->read_rate, parse_rate); break;
    case 'm': options->flags |= parse_mode(argument); break;
    case 'h': options->hold = true; break;
    case 'x': options->cut = true; break;
    default: exit(2);
    }
}

void options_read(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {{"direct", required_argument, NULL, 'D'},
                                          {"proxy", required_argument, NULL, 'P'},
                                          {"dest", required_argument, NULL, 'd'},
                                          {"user", required_argument, NULL, 'a'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"parallel", required_argument, NULL, 'p'},
                                          {"up", required_argument, NULL, 'u'},
                                          {"down", required_argument, NULL, 'w'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"for", required_argument, NULL, 'f'},
                                          {"ping", required_argument, NULL, 'g'},
                                          {"size", required_argument, NULL, 'z'},
                                          {"read-rate", required_argument, NULL, 'r'},
                                          {"mode", required_argument, NULL, 'm'},
                                          {"hold", no_argument, NULL, 'h'},
                                          {"cut", no_argument, NULL, 'x'},
                                          {NULL, 0, NULL, 0}};
    int option;

    *options = (struct options){.count = 1, .parallel = 1, .seed = 1, .ping_size = 100};
    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0)
        set_option(options, option, optarg);
    if (options->proxy.length == 0 || (!options->direct && options->host[0] == '\0'))
        die("--proxy with --dest, or --direct is needed");
    if (options->hold)
        options->parallel = options->count;
    if (options->pings != 0)
        options->flags |= LOAD_ECHO;
    if (options->hold || options->pings != 0)
        options->up = options->down = 0;
}
