/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include "log_output.h"

#include <splitsocks/app/notify.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/descriptors.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

bool daemon_options(int argc, char **argv, const char *usage, const char **config_path)
{
    int option;

    *config_path = NULL;
    while ((option = getopt(argc, argv, "c:v")) != -1) {
        if (option == 'c') {
            *config_path = optarg;
        } else if (option == 'v') {
            log_set_level(LOG_DEBUG);
        } else {
            fprintf(stderr, "usage: %s\n", usage);
            return false;
        }
    }
    if (*config_path != NULL && optind == argc)
        return true;
    fprintf(stderr, "usage: %s\n", usage);
    return false;
}

struct ev_loop *daemon_prepare(bool dated)
{
    struct ev_loop *loop;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log or state file at its size limit is a failed write */
    log_output_start(dated);
    descriptors_raise_limit();
    loop = ev_default_loop(EVFLAG_AUTO);
    if (loop == NULL)
        log_error("cannot make an event loop");
    return loop;
}

static void on_stop(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct daemon *daemon = watcher->data;
    bool again = daemon->stopping;
    (void)loop;
    (void)events;

    if (!again)
        notify_send("STOPPING=1");
    daemon->stopping = true;
    daemon->stop(daemon->context, again);
}

static void on_hangup(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct daemon *daemon = watcher->data;
    (void)loop;
    (void)events;

    if (!daemon->stopping)
        daemon->reload(daemon->context);
}

void daemon_watch_signals(struct daemon *daemon)
{
    ev_signal_init(&daemon->term, on_stop, SIGTERM);
    ev_signal_init(&daemon->interrupt, on_stop, SIGINT);
    ev_signal_init(&daemon->hangup, on_hangup, SIGHUP);
    daemon->term.data = daemon->interrupt.data = daemon->hangup.data = daemon;
    ev_signal_start(daemon->loop, &daemon->term);
    ev_signal_start(daemon->loop, &daemon->interrupt);
    ev_signal_start(daemon->loop, &daemon->hangup);
}

void daemon_unwatch_signals(struct daemon *daemon)
{
    ev_signal_stop(daemon->loop, &daemon->term);
    ev_signal_stop(daemon->loop, &daemon->interrupt);
    ev_signal_stop(daemon->loop, &daemon->hangup);
}

void daemon_log_stopping(uint64_t bound_ns)
{
    log_info("stopping; streams that still move may go on for %g s",
             (double)bound_ns * 1e-9);
}

void daemon_print_ready(bool (*address)(const void *context, size_t index,
                                        struct address *address),
                        const void *context)
{
    char text[ADDRESS_TEXT_SIZE], *line = NULL;
    struct address found;
    size_t length = 0;
    FILE *stream = open_memstream(&line, &length);

    if (stream != NULL) {
        fprintf(stream, "ready");
        for (size_t i = 0; address(context, i, &found); i++)
            fprintf(stream, " %s", address_format(&found, text));
        fprintf(stream, "\n");
        if (fclose(stream) == 0)
            log_output_print(line, length);
        free(line);
    }
    notify_send("READY=1");
}
