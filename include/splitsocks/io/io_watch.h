/* SPDX-License-Identifier: MIT */
/* Sets the events, or the time, that a libev watcher waits for. */
#ifndef SPLITSOCKS_IO_WATCH_H
#define SPLITSOCKS_IO_WATCH_H

#include <ev.h>
#include <stdint.h>

/* `events` are EV_READ and EV_WRITE, or-ed; 0: none. */
void io_watch(struct ev_loop *loop, ev_io *io, int events);
/* The timer fires once at `when`, or at once if that has passed; TIME_NEVER: not at all.
 * `now` is clock_now(), even if the loop's own time is older. */
void io_watch_until(struct ev_loop *loop, ev_timer *timer, uint64_t when, uint64_t now);

#endif
