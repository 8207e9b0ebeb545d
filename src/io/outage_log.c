/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/outage_log.h>

#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>

#include <stdarg.h>
#include <stdio.h>

#define NS_PER_MINUTE (60 * NS_PER_S)

static void look(struct outage_log *log)
{
    uint64_t now = clock_now(), due_at_ns = outage_news_due(&log->news);

    if (due_at_ns != TIME_NEVER && outage_news_tell(&log->news, now)) {
        log_write(log->level, "%s", log->line);
        due_at_ns = TIME_NEVER;
    }
    io_watch_until(log->loop, &log->timer, due_at_ns, now);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    look(timer->data);
}

void outage_log_init(struct outage_log *log, struct ev_loop *loop)
{
    *log = (struct outage_log){.loop = loop};
    ev_init(&log->timer, on_timer);
    log->timer.data = log;
}

void outage_log_deinit(struct outage_log *log)
{
    if (log->loop != NULL)
        ev_timer_stop(log->loop, &log->timer);
    log->loop = NULL;
}

void outage_log_down(struct outage_log *log, uint64_t lasting_for_ns, enum log_level level,
                     const char *format, ...)
{
    va_list arguments;

    if (log->news.down)
        return;
    va_start(arguments, format);
    vsnprintf(log->line, sizeof(log->line), format, arguments);
    va_end(arguments);
    log->level = level;
    outage_news_down(&log->news, lasting_for_ns, clock_now());
    look(log);
    if (!log->news.told)
        log_debug("%s", log->line);
}

static void sum_up(struct outage_log *log, const char *what)
{
    uint64_t ns;
    unsigned count = outage_news_sum(&log->news, &ns, clock_now());

    if (count > 0)
        log_info("%s: %u short interruptions in the last %llu minutes", what, count,
                 (unsigned long long)(ns / NS_PER_MINUTE));
}

void outage_log_up(struct outage_log *log, enum log_level level, const char *what,
                   const char *format, ...)
{
    char line[OUTAGE_LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_write(outage_news_up(&log->news, clock_now()) ? level : LOG_DEBUG, "%s", line);
    ev_timer_stop(log->loop, &log->timer);
    sum_up(log, what);
}

void outage_log_drop(struct outage_log *log)
{
    log->news.down = log->news.told = false;
    ev_timer_stop(log->loop, &log->timer);
}
