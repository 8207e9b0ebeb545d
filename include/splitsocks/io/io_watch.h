/* SPDX-License-Identifier: MIT */
/* Watchers of libev: which events, and which time, matter to one from now on. */
#ifndef SPLITSOCKS_IO_WATCH_H
#define SPLITSOCKS_IO_WATCH_H

#include <ev.h>
#include <stdint.h>

/* EV_READ and EV_WRITE, or-ed, of the watcher's descriptor; 0: none. */
void io_watch(struct ev_loop *loop, ev_io *io, int events);
/* The timer fires once at `when`, or at once where that has passed; TIME_NEVER: not at all.
 * `now` is clock_now(), also where the loop's own time is older. */
void io_watch_until(struct ev_loop *loop, ev_timer *timer, uint64_t when, uint64_t now);

#endif
