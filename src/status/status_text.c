/* SPDX-License-Identifier: MIT */
#include <splitsocks/status/status_text.h>

#include <stdio.h>

/* Two digits, or all of those before the point. */
static const char *scale(double value, const char *const *units, char *text)
{
    while (value >= 999.5 && units[1] != NULL) {
        value /= 1000;
        units++;
    }
    snprintf(text, STATUS_TEXT_SIZE,
             value < 9.95 && value != (int)value ? "%.1f %s" : "%.0f %s", value, *units);
    return text;
}

const char *text_bytes(double bytes, char text[STATUS_TEXT_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", NULL};

    return scale(bytes, units, text);
}

const char *text_rate(double bits_per_second, char text[STATUS_TEXT_SIZE])
{
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", NULL};

    if (bits_per_second <= 0) {
        snprintf(text, STATUS_TEXT_SIZE, "0");
        return text;
    }
    return scale(bits_per_second, units, text);
}

const char *text_duration(double ms, char text[STATUS_TEXT_SIZE])
{
    unsigned long minutes = (unsigned long)(ms / 60000);

    if (ms < 999.5)
        snprintf(text, STATUS_TEXT_SIZE, ms < 9.95 ? "%.1f ms" : "%.0f ms", ms);
    else if (minutes < 2)
        snprintf(text, STATUS_TEXT_SIZE, ms < 9950 ? "%.1f s" : "%.0f s", ms / 1000);
    else if (minutes < 60)
        snprintf(text, STATUS_TEXT_SIZE, "%lu min", minutes);
    else
        snprintf(text, STATUS_TEXT_SIZE, "%lu h %lu min", minutes / 60, minutes % 60);
    return text;
}
