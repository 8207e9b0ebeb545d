/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include "commands.h"
#include "log_output.h"
#include "sandbox.h"

#include <splitsocks/app/notify.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/descriptors.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static bool read_options(struct daemon *daemon, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:v")) != -1) {
        if (option == 'c') {
            daemon->config_path = optarg;
        } else if (option == 'v') {
            log_set_level(LOG_DEBUG);
        } else {
            return false;
        }
    }
    return daemon->config_path != NULL && optind == argc;
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

    if (daemon->stopping)
        return;
    notify_send("RELOADING=1");
    daemon->reload(daemon->context);
    notify_send("READY=1");
}

static void watch_signals(struct daemon *daemon)
{
    ev_signal_init(&daemon->term, on_stop, SIGTERM);
    ev_signal_init(&daemon->interrupt, on_stop, SIGINT);
    ev_signal_init(&daemon->hangup, on_hangup, SIGHUP);
    daemon->term.data = daemon->interrupt.data = daemon->hangup.data = daemon;
    ev_signal_start(daemon->loop, &daemon->term);
    ev_signal_start(daemon->loop, &daemon->interrupt);
    ev_signal_start(daemon->loop, &daemon->hangup);
}

/* The process is about to end: one signal more must not change its exit status. */
static void unwatch_signals(struct daemon *daemon)
{
    sigset_t late;

    sigemptyset(&late);
    sigaddset(&late, SIGTERM);
    sigaddset(&late, SIGINT);
    sigaddset(&late, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &late, NULL);
    ev_signal_stop(daemon->loop, &daemon->term);
    ev_signal_stop(daemon->loop, &daemon->interrupt);
    ev_signal_stop(daemon->loop, &daemon->hangup);
}

void daemon_log_unchanged(void)
{
    log_error("the configuration stays as it was%s",
              sandbox_files_closed()
                  ? " (files in folders that it did not name at the start need a restart)"
                  : "");
}

void daemon_log_stopping(uint64_t wait_for_ns)
{
    log_info("stopping; streams that still move may go on for %g s",
             (double)wait_for_ns * 1e-9);
}

static void print_ready(const struct daemon *daemon)
{
    char text[ADDRESS_TEXT_SIZE], *line = NULL;
    struct address found;
    size_t length = 0;
    FILE *stream = open_memstream(&line, &length);

    if (stream != NULL) {
        fprintf(stream, "ready");
        for (size_t i = 0; daemon->address(daemon->context, i, &found); i++)
            fprintf(stream, " %s", address_format(&found, text));
        fprintf(stream, "\n");
        if (fclose(stream) == 0)
            log_output_print(line, length);
        free(line);
    }
    notify_send("READY=1");
}

int daemon_run(struct daemon *daemon, int argc, char **argv)
{
    int status;

    if (!read_options(daemon, argc, argv)) {
        fprintf(stderr, "usage: %s\n", daemon->usage);
        return EXIT_USAGE;
    }
    daemon->loop = daemon_prepare(true);
    if (daemon->loop == NULL)
        return EXIT_FAILURE;
    status = daemon->start(daemon->context);
    if (status == EXIT_SUCCESS) {
        watch_signals(daemon);
        sandbox_calls();
        print_ready(daemon);
        ev_run(daemon->loop, 0);
        unwatch_signals(daemon);
    }
    daemon->end(daemon->context);
    ev_loop_destroy(daemon->loop);
    return status;
}
