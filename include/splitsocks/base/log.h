/* SPDX-License-Identifier: MIT */
/*
 * The log sink. One line per event, to standard error by default. The pure rooms do not
 * log: they return events, which io and app turn into lines. Thread-safe.
 *
 * Lines that a peer can cause go through a struct log_limit, so that no peer can fill a
 * disk.
 */
#ifndef SPLITSOCKS_LOG_H
#define SPLITSOCKS_LOG_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* A token bucket: at most LOG_LIMIT_BURST lines at once, then LOG_LIMIT_PER_SECOND;
 * the next line that passes says how many were left out. Zero-initialised. */
struct log_limit {
    uint64_t refilled_at_ns; /* when tokens were last added; 0 means never */
    uint64_t tokens;         /* in thousandths of a line */
    unsigned suppressed;     /* lines left out since the last that passed */
};

#define LOG_LIMIT_BURST 10
#define LOG_LIMIT_PER_SECOND 1

/* Lines above this level are dropped. The default is LOG_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* The longest text of a line, and the longest line with what log_format() adds to the
 * text. */
#define LOG_TEXT_SIZE 1024
#define LOG_LINE_SIZE (LOG_TEXT_SIZE + 64)
/* Writes the line as standard error gets it, with its newline; returns the length. */
size_t log_format(enum log_level level, const char *line, char text[LOG_LINE_SIZE]);

/* Replaces the sink; NULL restores standard error. `line` has no newline. */
typedef void log_sink(enum log_level level, const char *line, void *context);
void log_set_sink(log_sink *sink, void *context);

/* Formats and writes one line, made printable (printable.h), so that a peer or a file name
 * cannot forge lines or give orders to a terminal. Longer than 1 KiB is cut. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* As log_write(), unless `limit` has no token left at `now_ns`. */
void log_write_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level,
                       const char *format, ...) PRINTF_LIKE(4, 5);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) \
    do { \
        if (log_enabled(LOG_DEBUG)) \
            log_write(LOG_DEBUG, __VA_ARGS__); \
    } while (0)

#endif
