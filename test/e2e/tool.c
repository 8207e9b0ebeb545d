/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

PRINTF_LIKE(1, 0)
static void complain(const char *format, va_list arguments, int error)
{
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    if (error != 0)
        fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
}

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments, 0);
    va_end(arguments);
    exit(1);
}

void die_errno(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments, error);
    va_end(arguments);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

uint16_t endpoint_split(const char *text, char *host, size_t host_size)
{
    const char *colon = strrchr(text, ':');
    char *end;
    unsigned long port;
    size_t length;

    if (colon == NULL)
        die("no port in '%s'", text);
    port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > UINT16_MAX)
        die("bad port in '%s'", text);
    length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length == 0 || length >= host_size)
        die("bad host in '%s'", text);
    memcpy(host, text, length);
    host[length] = '\0';
    return (uint16_t)port;
}

struct endpoint endpoint_parse(const char *text)
{
    struct endpoint endpoint = {.length = 0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&endpoint.address;
    char host[64];
    uint16_t port = endpoint_split(text, host, sizeof(host));

    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        endpoint.length = sizeof(*v4);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        endpoint.length = sizeof(*v6);
    } else {
        die("'%s' is no address and port", text);
    }
    return endpoint;
}

static int tcp_socket(const struct endpoint *endpoint)
{
    int fd =
        socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_errno("socket");
    return fd;
}

int listen_tcp(const struct endpoint *endpoint)
{
    int fd = tcp_socket(endpoint);
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->length) != 0)
        die_errno("bind");
    if (listen(fd, 4096) != 0)
        die_errno("listen");
    return fd;
}

int connect_tcp(const struct endpoint *endpoint)
{
    int fd = tcp_socket(endpoint);
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->length) == 0 ||
        errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

void bound_send_buffer(int fd)
{
    int bytes = 256 * 1024;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

struct unit {
    const char *name;
    double factor;
};

static bool parse_with_units(const char *text, const struct unit *units, uint64_t *value)
{
    char *end;
    double number;

    errno = 0;
    number = strtod(text, &end);
    if (end == text || errno != 0 || !(number >= 0))
        return false;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(end, unit->name) == 0 && number * unit->factor < 9e18) {
            *value = (uint64_t)(number * unit->factor + 0.5);
            return true;
        }
    }
    return false;
}

bool parse_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},          {"k", 1024},         {"KiB", 1024},         {"M", 1048576},
        {"MiB", 1048576}, {"G", 1073741824.0}, {"GiB", 1073741824.0}, {NULL, 0},
    };

    return parse_with_units(text, units, bytes);
}

bool parse_rate(const char *text, uint64_t *bits_per_second)
{
    static const struct unit units[] = {
        {"", 1}, {"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {NULL, 0},
    };

    return parse_with_units(text, units, bits_per_second);
}

bool parse_duration(const char *text, uint64_t *ns)
{
    static const struct unit units[] = {
        {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"", 1e9}, {NULL, 0},
    };

    return parse_with_units(text, units, ns);
}
