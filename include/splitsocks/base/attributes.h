/* SPDX-License-Identifier: MIT */
/* Compiler attributes that the headers use. */
#ifndef SPLITSOCKS_ATTRIBUTES_H
#define SPLITSOCKS_ATTRIBUTES_H

/* The caller must look at the result: it reports an error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like: argument f is the format, a the first variable argument. */
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Time in the pure layers is a monotonic uint64_t in nanoseconds, always passed in. */
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define TIME_NEVER UINT64_MAX

#endif
