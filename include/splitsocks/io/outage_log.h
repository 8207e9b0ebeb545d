/* SPDX-License-Identifier: MIT */
/* Writes the outages of one thing to the log, at the times that outage_news.h chooses. */
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
    char line[OUTAGE_LINE_SIZE]; /* of the outage that was not logged yet */
};

void outage_log_init(struct outage_log *log, struct ev_loop *loop);
/* Not needed for a zeroed one. */
void outage_log_deinit(struct outage_log *log);

/* The thing does not work: the line is written when that has lasted for `lasting_for_ns` or
 * longer, and at once at the level debug. Further calls while the outage lasts have no
 * effect. */
void outage_log_down(struct outage_log *log, uint64_t lasting_for_ns, enum log_level level,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* The thing works again. The line is written at `level` if the outage was, else at the
 * level debug. `what` begins the sum of unreported outages, for example "path wlan0". */
void outage_log_up(struct outage_log *log, enum log_level level, const char *what,
                   const char *format, ...) PRINTF_LIKE(4, 5);
/* Drops the outage: another one is reported in its place, with its end. */
void outage_log_drop(struct outage_log *log);

#endif
