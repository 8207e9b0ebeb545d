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

/* Reads "-c FILE", which is required, and "-v". After other arguments prints `usage` and
 * returns false. */
bool daemon_options(int argc, char **argv, const char *usage, const char **config_path);

/* Comes before anything else: ignores SIGPIPE, raises the limit of descriptors, and starts
 * a log that never blocks; `dated`: its lines begin with the time. Returns the loop, or
 * NULL after logging why. */
struct ev_loop *daemon_prepare(bool dated) MUST_CHECK;

struct daemon {
    struct ev_loop *loop;
    void (*stop)(void *context, bool again); /* SIGTERM or SIGINT; `again`: not the first */
    void (*reload)(void *context);           /* SIGHUP */
    void *context;
    bool stopping;
    ev_signal term, interrupt, hangup;
};

/* Calls `stop` and `reload` from the loop when the signals come. */
void daemon_watch_signals(struct daemon *daemon);
void daemon_unwatch_signals(struct daemon *daemon);

/* Logs that the process was asked to end. */
void daemon_log_stopping(uint64_t bound_ns);

/* Prints "ready" and the addresses on one line, and tells the service manager. `address`
 * fills in address `index`, and returns false after the last. */
void daemon_print_ready(bool (*address)(const void *context, size_t index,
                                        struct address *address),
                        const void *context);

#endif
