/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/shed_text.h>

#include <stdio.h>

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024. * 1024.);
}

/* Describes the bound, and how much was in use. */
static void describe_bound(const struct session_shed *shed, const char *bound, char *text,
                           size_t size)
{
    int length = snprintf(text, size, "%.1f MiB of %s (%.1f MiB) are in use",
                          mib(shed->used_bytes), bound, mib(shed->bound_bytes));

    if (shed->shared && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length,
                 ", %.1f MiB of them by its client, which may have no more than is free",
                 mib(shed->client_bytes));
}

const char *shed_describe(const struct session_event *event, const char *bound,
                          char text[SHED_TEXT_SIZE])
{
    const struct session_shed *shed = &event->shed;
    char why[256] = "";

    switch (shed->bound) {
    case SESSION_BOUND_BUFFERED: describe_bound(shed, bound, why, sizeof(why)); break;
    case SESSION_BOUND_HOLES:
        snprintf(why, sizeof(why), "the peer sends it in too many pieces");
        break;
    case SESSION_BOUND_MEMORY:
        snprintf(why, sizeof(why), "the system has no more memory");
        break;
    }
    snprintf(text, SHED_TEXT_SIZE, "reset the stream to %s, which held %.1f MiB: %s",
             stream_destination(event->stream), mib(shed->stream_bytes), why);
    return text;
}
