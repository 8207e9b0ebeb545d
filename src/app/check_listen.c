/* SPDX-License-Identifier: MIT */
#include "check_start.h"

#include <splitsocks/base/log.h>
#include <splitsocks/io/listener.h>
#include <splitsocks/io/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One kind of failure, for a single line, however many ports have it. */
struct tally {
    int error; /* errno; 0: not used yet */
    struct address first;
    size_t count;
};

#define TALLIES 8

static void note(struct tally tallies[TALLIES], int error, const struct address *address)
{
    size_t i = 0;

    while (i < TALLIES - 1 && tallies[i].error != 0 && tallies[i].error != error)
        i++;
    if (tallies[i].count++ > 0)
        return;
    tallies[i].error = error;
    tallies[i].first = *address;
}

/* Failures that a start waits out: the daemon itself may be running, or the address may
 * come. */
static bool mends_itself(int error)
{
    return error == EADDRINUSE || error == EADDRNOTAVAIL;
}

static int tell(const struct tally *tally)
{
    enum log_level level = mends_itself(tally->error) ? LOG_WARNING : LOG_ERROR;
    char text[LISTEN_FAILURE_SIZE];

    listen_failure(&tally->first, tally->error, NULL, text);
    if (tally->error == EADDRINUSE)
        log_write(level, "%s; perhaps it is this program, running with this file already",
                  text);
    else
        log_write(level, "%s", text);
    if (tally->count > 1)
        log_write(level, "the same is true of %zu more addresses and ports to listen on",
                  tally->count - 1);
    return level == LOG_ERROR ? ERROR_SYSTEM : OK;
}

/* Sorts by network, then by port, then by family. */
static int by_port(const void *a, const void *b)
{
    const struct check_listen *x = a, *y = b;

    if (x->datagrams != y->datagrams)
        return x->datagrams ? 1 : -1;
    if (x->address.port != y->address.port)
        return x->address.port < y->address.port ? -1 : 1;
    if (x->address.family != y->address.family)
        return x->address.family < y->address.family ? -1 : 1;
    return memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));
}

/* For one network, port and family, an address excludes itself, and the address for all
 * excludes every other. It is sorted first. */
static int check_conflicts(const struct check_listen *items, size_t count)
{
    char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
    const struct address *any = NULL;
    int result = OK;

    for (size_t i = 0; i < count; i++) {
        const struct address *address = &items[i].address, *rival = NULL;

        bool first = i == 0 || items[i - 1].datagrams != items[i].datagrams;

        if (any != NULL &&
            (first || any->port != address->port || any->family != address->family))
            any = NULL;
        if (any != NULL)
            rival = any;
        else if (!first && address_equal(address, &items[i - 1].address))
            rival = &items[i - 1].address;
        if (rival != NULL && address->port != 0) {
            log_error("cannot listen on both %s and %s", address_format(rival, one),
                      address_format(address, other));
            result = ERROR_INVALID;
        }
        if (any == NULL && address_is_any(address))
            any = address;
    }
    return result;
}

int check_listen(struct check_listen *items, size_t count)
{
    struct tally tallies[TALLIES] = {{.error = 0}};
    int result = OK;

    qsort(items, count, sizeof(items[0]), by_port);
    for (size_t i = 0; i < count; i++) {
        int error = socket_try_bind(&items[i].address, items[i].datagrams);

        /* For a reload, systemd runs a check beside the daemon, which uses the ports. */
        if (error == EADDRINUSE && getenv("MAINPID") != NULL)
            continue;
        if (error != 0 && !(items[i].implied && error == EAFNOSUPPORT))
            note(tallies, error, &items[i].address);
    }
    for (size_t i = 0; i < TALLIES && tallies[i].error != 0; i++)
        if (tell(&tallies[i]) != OK)
            result = ERROR_SYSTEM;
    return check_conflicts(items, count) != OK ? ERROR_INVALID : result;
}
