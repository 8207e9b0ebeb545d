/* SPDX-License-Identifier: MIT */
/* The turns of a relay's clients (base/turns.h), for their drivers. At local, every ready
 * socket is read, and everything else is done, at once. */
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

/* Whether the driver may do another errand in this iteration. */
static inline bool io_turn_may_ask(struct driver *driver)
{
    return driver->account == NULL ||
           turn_may_ask(&driver->worker->turns, &driver->account->turn);
}

/* The driver has done an errand. */
static inline void io_turn_errand(struct driver *driver)
{
    if (driver->account != NULL)
        turn_errand(&driver->worker->turns, &driver->account->turn);
}

/* The socket was read, and `bytes` came; there may be `more`. */
static inline void io_turn_read(struct driver *driver, size_t bytes, bool more)
{
    if (driver->account != NULL)
        turn_read(&driver->worker->turns, &driver->account->turn, bytes, more);
}

/* How long the driver may deal with a read of frames before it leaves the rest. */
static inline uint64_t io_turn_frames_ns(const struct driver *driver)
{
    return driver->account != NULL ? TURN_FRAMES_NS : TIME_NEVER;
}

/* The driver has left a read half-way. */
static inline void io_turn_left(struct driver *driver)
{
    if (driver->account != NULL)
        turn_left(&driver->worker->turns, &driver->account->turn);
}

#endif
