/* SPDX-License-Identifier: MIT */
/* Numbers of a status document in words. Each returns `text`. */
#ifndef SPLITSOCKS_STATUS_TEXT_H
#define SPLITSOCKS_STATUS_TEXT_H

#define STATUS_TEXT_SIZE 32

/* "999 B", "1.2 kB", "34 MB": powers of 1000, as in the configuration. */
const char *text_bytes(double bytes, char text[STATUS_TEXT_SIZE]);
/* "0", "1.2 Mbit/s". */
const char *text_rate(double bits_per_second, char text[STATUS_TEXT_SIZE]);
/* "0.4 ms", "12 ms", "1.5 s", "3 min", "2 h 5 min". */
const char *text_duration(double ms, char text[STATUS_TEXT_SIZE]);

#endif
