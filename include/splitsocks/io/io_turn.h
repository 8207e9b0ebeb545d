/* SPDX-License-Identifier: MIT */
/* The turns of a relay's clients (base/turns.h), for sockets of their drivers. At local,
 * every ready socket is read at once. */
#ifndef SPLITSOCKS_IO_TURN_H
#define SPLITSOCKS_IO_TURN_H

#include <splitsocks/io/driver.h>

/* How many bytes may be read from a ready socket of the driver now; 0: its event comes
 * again. `round` is the socket's own, 0 at first. */
static inline size_t io_turn(struct driver *driver, uint32_t *round)
{
    if (driver->account == NULL)
        return SIZE_MAX;
    return turn_most(&driver->worker->turns, &driver->account->turn, round);
}

/* The socket was read, and `bytes` came; there may be `more`. */
static inline void io_turn_read(struct driver *driver, size_t bytes, bool more)
{
    if (driver->account != NULL)
        turn_read(&driver->worker->turns, &driver->account->turn, bytes, more);
}

#endif
