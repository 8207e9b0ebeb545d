/* SPDX-License-Identifier: MIT */
/* Shared by the test programs: time, errors that end the program, sockets, options. */
#ifndef TEST_E2E_TOOL_H
#define TEST_E2E_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <splitsocks/base/attributes.h>

/* An address as the socket calls want it. */
struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Prints "PROGRAM: message[: strerror]" and exits with 1. The second adds errno's text. */
_Noreturn void die(const char *format, ...) PRINTF_LIKE(1, 2);
_Noreturn void die_errno(const char *format, ...) PRINTF_LIKE(1, 2);

/* calloc that dies rather than fail. The caller owns the result. */
void *allocate(size_t count, size_t size);

/* Lifts the soft limit of open files to the hard one. */
void raise_file_limit(void);

/* "127.0.0.1:80" or "[::1]:80"; dies on anything else. */
struct endpoint endpoint_parse(const char *text);

/* The same, split and unresolved: copies the host to `host` and returns the port. */
uint16_t endpoint_split(const char *text, char *host, size_t host_size);

/* A listening, non-blocking TCP socket; dies when it cannot be had. */
int listen_tcp(const struct endpoint *endpoint);

/* A non-blocking TCP socket whose connect is under way; -1 with errno when it failed at
 * once. */
int connect_tcp(const struct endpoint *endpoint);

/* Bounds what the kernel keeps unsent: hundreds of peers that do not read would otherwise
 * fill its memory for TCP, and loopback would begin to lose packets. */
void bound_send_buffer(int fd);

/* The next close() sends a reset and leaves no TIME_WAIT. */
void reset_on_close(int fd);

/* A number with an optional unit: sizes k/M/G and KiB/MiB/GiB (all powers of 1024), rates
 * kbit, Mbit, Gbit (powers of 1000), durations ns, us, ms, s (as nanoseconds). False when
 * malformed. */
bool parse_size(const char *text, uint64_t *bytes);
bool parse_rate(const char *text, uint64_t *bits_per_second);
bool parse_duration(const char *text, uint64_t *ns);

#endif
