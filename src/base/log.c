/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/log.h>

#include <splitsocks/base/printable.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static atomic_int threshold = LOG_INFO;

#define LINE_FORMAT "splitsocks: %s: %s\n"

size_t log_format(enum log_level level, const char *line, char text[LOG_LINE_SIZE])
{
    int length = snprintf(text, LOG_LINE_SIZE, LINE_FORMAT, level_names[level], line);

    return MIN((size_t)length, (size_t)LOG_LINE_SIZE - 1);
}

static void write_stderr(enum log_level level, const char *line, void *context)
{
    (void)context;
    /* One call, so that lines of several threads do not mix. */
    fprintf(stderr, LINE_FORMAT, level_names[level], line);
}

/* Set before threads start. */
static log_sink *current_sink = write_stderr;
static void *current_context;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_set_sink(log_sink *sink, void *context)
{
    current_sink = sink != NULL ? sink : write_stderr;
    current_context = context;
}

PRINTF_LIKE(3, 0)
static void write_line(enum log_level level, const char *prefix, const char *format,
                       va_list arguments)
{
    char line[LOG_TEXT_SIZE];
    int length = snprintf(line, sizeof(line), "%s", prefix);

    vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
    printable_make(line);
    current_sink(level, line, current_context);
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (!log_enabled(level))
        return;
    va_start(arguments, format);
    write_line(level, "", format, arguments);
    va_end(arguments);
}

static bool limit_take(struct log_limit *limit, uint64_t now_ns)
{
    const uint64_t full = LOG_LIMIT_BURST * 1000;

    if (limit->refilled_at_ns == 0) {
        limit->tokens = full;
    } else {
        uint64_t elapsed_ms = (now_ns - limit->refilled_at_ns) / NS_PER_MS;
        uint64_t added = MIN(elapsed_ms, full) * LOG_LIMIT_PER_SECOND;

        if (added == 0 && limit->tokens < 1000)
            return false;
        limit->tokens = MIN(full, limit->tokens + added);
    }
    limit->refilled_at_ns = now_ns;
    if (limit->tokens < 1000)
        return false;
    limit->tokens -= 1000;
    return true;
}

void log_write_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level,
                       const char *format, ...)
{
    char prefix[48] = "";
    va_list arguments;

    if (!log_enabled(level))
        return;
    if (!limit_take(limit, now_ns)) {
        limit->suppressed++;
        return;
    }
    if (limit->suppressed > 0)
        snprintf(prefix, sizeof(prefix), "(%u lines left out) ", limit->suppressed);
    limit->suppressed = 0;
    va_start(arguments, format);
    write_line(level, prefix, format, arguments);
    va_end(arguments);
}
