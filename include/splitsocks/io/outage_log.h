/* SPDX-License-Identifier: MIT */
/* Writes the outages of one thing to the log as outage_news.h has it. */
#ifndef SPLITSOCKS_OUTAGE_LOG_H
#define SPLITSOCKS_OUTAGE_LOG_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/log.h>
#include <splitsocks/base/outage_news.h>

#include <ev.h>

#define OUTAGE_LINE_SIZE 768

struct outage_log {
    struct ev_loop *loop; /* borrowed */
    struct outage_news news;
    ev_timer timer;
    enum log_level level;        /* of `line` */
    char line[OUTAGE_LINE_SIZE]; /* of the outage that is not told yet */
};

void outage_log_init(struct outage_log *log, struct ev_loop *loop);
/* Not needed for one that is all zero. */
void outage_log_deinit(struct outage_log *log);

/* It does not work: the line is written when that has lasted for `least_ns` or longer, and
 * at once for whoever wants to know all. Told again while it lasts, nothing happens. */
void outage_log_down(struct outage_log *log, uint64_t least_ns, enum log_level level,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* It works; the line is written at `level` when the outage was, else for whoever wants to
 * know all. `what` is for the sum of what was not told, "path wlan0". */
void outage_log_up(struct outage_log *log, enum log_level level, const char *what,
                   const char *format, ...) PRINTF_LIKE(4, 5);
/* Another one is told instead, with its end. */
void outage_log_drop(struct outage_log *log);

#endif
