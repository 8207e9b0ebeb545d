/* SPDX-License-Identifier: MIT */
/* The turns of a relay's clients (base/turns.h), for sockets of their drivers. At local,
 * every ready socket is read at once. */
#ifndef SPLITSOCKS_IO_TURN_H
#define SPLITSOCKS_IO_TURN_H

#include <splitsocks/io/driver.h>

/* Whether a ready socket of the driver may be read now; if not, its event comes again.
 * `round` is the socket's own, 0 at first. */
static inline bool io_turn(struct driver *driver, uint32_t *round)
{
    return driver->account == NULL ||
           turn_may_read(&driver->worker->turns, &driver->account->turn, round);
}

/* It was read, and `bytes` came. */
static inline void io_turn_read(struct driver *driver, size_t bytes)
{
    if (driver->account != NULL)
        turn_read(&driver->worker->turns, &driver->account->turn, bytes);
}

#endif
