/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "control_places.h"
#include "load_config.h"
#include "status_client.h"
#include "status_view.h"

#include <splitsocks/base/log.h>
#include <splitsocks/base/printable.h>
#include <splitsocks/status/control.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WATCH_SECONDS 2.
#define WATCH_SECONDS_MIN 0.1
#define WATCH_SECONDS_MAX 86400.

struct options {
    char *config_path; /* owned */
    bool json, explain;
    double watch_seconds; /* 0: once */
};

/* ---- arguments ---- */

static bool parse_seconds(const char *text, double *seconds)
{
    char *end;

    if (text == NULL) {
        *seconds = WATCH_SECONDS;
        return true;
    }
    *seconds = strtod(text, &end);
    if (end != text && *end == '\0' && *seconds >= WATCH_SECONDS_MIN &&
        *seconds <= WATCH_SECONDS_MAX)
        return true;
    log_error("--watch: found %s; allowed: %g to %g seconds", text, WATCH_SECONDS_MIN,
              WATCH_SECONDS_MAX);
    return false;
}

static bool parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"explain", no_argument, NULL, 'e'},
        {"watch", optional_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            free(options->config_path);
            options->config_path = strdup(optarg);
            break;
        case 'j': options->json = true; break;
        case 'e': options->explain = true; break;
        case 'w':
            if (!parse_seconds(optarg, &options->watch_seconds))
                return false;
            break;
        default: return false;
        }
    }
    if (options->json && options->explain) {
        log_error("--json and --explain exclude each other: the document has the reasons");
        return false;
    }
    return optind == argc;
}

/* ---- asking ---- */

struct places {
    struct control_places all;
    uid_t owner; /* whose sockets are trusted */
};

static void log_failure(const char *path, int error)
{
    switch (error) {
    case ERROR_NOT_FOUND:
        log_error("nobody listens at %s: %s", path,
                  errno == ENOENT ? "there is no such socket" : strerror(errno));
        break;
    case ERROR_TIMEOUT: log_error("the process at %s does not answer", path); break;
    case ERROR_SYSTEM:
        log_error("cannot ask the process at %s: %s", path, strerror(errno));
        break;
    default:
        log_error("cannot ask the process at %s: %s", path,
                  error_string((enum error)error));
    }
}

/* Asks at each place; failures are logged only if no place answers. */
static int request(const struct places *places, char **answer)
{
    const struct control_places *all = &places->all;
    int errors[CONTROL_PLACES_MAX], system[CONTROL_PLACES_MAX];
    const char *distrust[CONTROL_PLACES_MAX];

    for (size_t i = 0; i < all->count; i++) {
        distrust[i] = control_distrust(all->paths[i], places->owner);
        if (distrust[i] != NULL)
            continue;
        errors[i] = status_request(all->paths[i], "status", answer);
        system[i] = errno;
        if (errors[i] == OK)
            return OK;
    }
    for (size_t i = 0; i < all->count; i++) {
        if (distrust[i] != NULL) {
            log_error("did not ask at %s: %s", all->paths[i], distrust[i]);
            continue;
        }
        errno = system[i];
        log_failure(all->paths[i], errors[i]);
    }
    return ERROR_NOT_FOUND;
}

/* ---- showing ---- */

/* Configurations of one user with the same base name have the same usual place, and the
 * first one has taken it. */
static void warn_of_another(const struct options *options, const json_t *document)
{
    const char *config = view_text(document, "config");
    struct stat own, asked;

    if (stat(config, &own) == 0 && stat(options->config_path, &asked) == 0 &&
        (own.st_dev != asked.st_dev || own.st_ino != asked.st_ino))
        log_warning("this is the status of a process that runs with %s; one with %s has no "
                    "control socket, or does not run",
                    config, options->config_path);
}

/* Names of interfaces, files and the like are in it. */
static void make_printable(json_t *value)
{
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
    const char *key;
    json_t *member;
    size_t index;

    if (text != NULL) {
        printable_make(text);
        (void)!json_string_set(value, text);
        free(text);
    }
    json_array_foreach(value, index, member)
        make_printable(member);
    json_object_foreach(value, key, member)
        make_printable(member);
}

static int show(const struct options *options, const char *answer)
{
    json_error_t why;
    json_t *document;
    bool good;

    document = json_loads(answer, 0, &why);
    if (document == NULL || (!json_is_object(json_object_get(document, "session")) &&
                             !view_of_relay(document))) {
        log_error("the process has answered something else than its status: %.200s",
                  answer);
        json_decref(document);
        return ERROR_MALFORMED;
    }
    warn_of_another(options, document);
    if (options->json) {
        json_decref(document);
        return fputs(answer, stdout) >= 0 && fflush(stdout) == 0 ? OK : ERROR_SYSTEM;
    }
    make_printable(document);
    good = view_of_relay(document) ? status_print_relay(document, stdout)
                                   : status_print_tables(document, stdout);
    if (options->explain) {
        putchar('\n');
        if (view_of_relay(document))
            status_explain_relay(document, stdout);
        else
            status_explain(document, stdout);
    }
    json_decref(document);
    return good && fflush(stdout) == 0 ? OK : ERROR_SYSTEM;
}

static int show_once(const struct options *options, const struct places *places)
{
    char *answer;
    int error = request(places, &answer);

    if (error != OK)
        return error;
    error = show(options, answer);
    free(answer);
    if (error == ERROR_SYSTEM)
        log_error("cannot print the status: %s", strerror(errno));
    return error;
}

/* On a terminal the next output replaces the last; elsewhere it follows it. */
static void begin_next(const struct options *options)
{
    if (options->json)
        return;
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    else
        putchar('\n');
}

static int show_all(const struct options *options, const struct places *places)
{
    struct timespec pause = {.tv_sec = (time_t)options->watch_seconds};
    int error;

    pause.tv_nsec = (long)((options->watch_seconds - (double)pause.tv_sec) * 1e9);
    if (options->watch_seconds > 0 && isatty(STDOUT_FILENO))
        begin_next(options);
    while ((error = show_once(options, places)) == OK && options->watch_seconds > 0) {
        nanosleep(&pause, NULL);
        begin_next(options);
    }
    return error;
}

/* ---- the command ---- */

static int run(const struct options *options)
{
    struct places places = {.all = {.count = 0}};
    struct config_local *local;
    struct config_relay *relay;
    int error = load_either(options->config_path, &local, &relay);

    if (error != OK)
        return EXIT_USAGE;
    error = control_places_find(&places.all, options->config_path,
                                local != NULL ? &local->control : &relay->control,
                                &places.owner);
    config_local_free(local);
    config_relay_free(relay);
    if (error != OK)
        return EXIT_FAILURE;
    if (places.all.count == 0) {
        log_error("a process with %s has no control socket: its control is null",
                  options->config_path);
        return EXIT_FAILURE;
    }
    log_set_level(LOG_WARNING);
    error = show_all(options, &places);
    control_places_free(&places.all);
    return error == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_status(int argc, char **argv)
{
    struct options options = {.config_path = NULL};
    int status = EXIT_USAGE;

    log_set_level(LOG_ERROR); /* the daemon logs the warnings about the configuration */
    if (!parse_options(&options, argc, argv)) {
        fprintf(stderr, "usage: splitsocks status [-c FILE] [--json | --explain] "
                        "[--watch[=SECONDS]]\n");
    } else {
        if (options.config_path == NULL)
            options.config_path = find_config();
        status = options.config_path != NULL ? run(&options) : EXIT_FAILURE;
    }
    free(options.config_path);
    return status;
}
