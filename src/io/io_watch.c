/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/io_watch.h>

#include <splitsocks/base/attributes.h>

void io_watch(struct ev_loop *loop, ev_io *io, int events)
{
    /* libev keeps a flag of its own in `events`. */
    if (ev_is_active(io) && (io->events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(loop, io);
    if (events == 0)
        return;
    ev_io_modify(io, events);
    ev_io_start(loop, io);
}

void io_watch_until(struct ev_loop *loop, ev_timer *timer, uint64_t when, uint64_t now)
{
    ev_timer_stop(loop, timer);
    if (when == TIME_NEVER)
        return;
    ev_now_update(loop);
    ev_timer_set(timer, when > now ? (double)(when - now) * 1e-9 : 0., 0.);
    ev_timer_start(loop, timer);
}
