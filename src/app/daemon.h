/* SPDX-License-Identifier: MIT */
/* Parts that both daemons and `connect` share: options, signals, readiness. */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Comes before anything else: ignores SIGPIPE, raises the limit of descriptors, and starts
 * a log that never blocks; `dated`: its lines begin with the time. Returns the loop, or
 * NULL after logging why. */
struct ev_loop *daemon_prepare(bool dated) MUST_CHECK;

/* A command that serves until it is asked to end. The functions get `context`. */
struct daemon {
    const char *usage;
    /* Reads the configuration, listens, and begins to serve. Returns the exit status. */
    int (*start)(void *context);
    void (*stop)(void *context, bool again); /* SIGTERM or SIGINT; `again`: not the first */
    void (*reload)(void *context);           /* SIGHUP */
    /* Fills in address `index` that is listened on, false behind the last. */
    bool (*address)(const void *context, size_t index, struct address *address);
    /* Frees all that `start` has made, however far it has come. */
    void (*end)(void *context);
    void *context;
    /* daemon_run() sets these, before `start`. */
    const char *config_path; /* borrowed from the arguments */
    struct ev_loop *loop;
    bool stopping;
    ev_signal term, interrupt, hangup;
};

/* The whole of such a command: reads "-c FILE", which is required, and "-v", starts, prints
 * "ready" and the addresses on one line, tells the service manager, and runs the loop until
 * it is broken. Returns the exit status. */
int daemon_run(struct daemon *daemon, int argc, char **argv) MUST_CHECK;

/* Logs that a reload has failed; the log has said why. */
void daemon_log_unchanged(void);
/* Logs that the process was asked to end. */
void daemon_log_stopping(uint64_t wait_for_ns);

#endif
