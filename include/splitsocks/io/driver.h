/* SPDX-License-Identifier: MIT */
/*
 * Drives one session on a worker's loop: carries its events to sockets and back, lets it
 * produce once per turn of the loop, and keeps one timer for all its deadlines.
 *
 * A driver never runs inside a call of another. Code that has given the session something
 * calls driver_drain() last, and driver_run() does the rest before the loop waits. So a
 * session, its driver and a subflow_io stay valid throughout a callback.
 */
#ifndef SPLITSOCKS_DRIVER_H
#define SPLITSOCKS_DRIVER_H

#include <splitsocks/base/account.h>
#include <splitsocks/base/list.h>
#include <splitsocks/engine/session/session_flow.h>
#include <splitsocks/io/pace.h>
#include <splitsocks/io/tally.h>
#include <splitsocks/io/worker.h>

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct driver;
struct subflow_io;

/* Where local and relay differ. A function that a role never needs may be NULL. */
struct driver_role {
    /* Local: SESSION_DIAL. Ends, now or later, in subflow_io_connect() or
     * subflow_io_cannot_connect(), unless the session gives it up before. */
    void (*dial)(struct driver *driver, struct subflow_io *io);
    /* Local: the result of connecting: 0, an errno value, or ETIMEDOUT when it took too
     * long. */
    void (*dialled)(struct driver *driver, const struct subflow_io *io, int error);
    /* Local: the connection has proved that it leads to the relay, or has ended without
     * that. */
    void (*proven)(struct driver *driver, const struct subflow_io *io);
    void (*unproven)(struct driver *driver, const struct subflow_io *io, enum unproven how);
    /* Local: a stamp for a HELLO, as in struct session_fresh. */
    uint64_t (*stamp)(struct driver *driver);
    /* Relay: SESSION_CLOSE_SUBFLOW with `silent` set. Takes the socket over. */
    void (*silence)(struct driver *driver, int fd);
    /* Relay: SESSION_STREAM_INCOMING. */
    void (*incoming)(struct driver *driver, const struct session_event *event);
    /* Relay: SESSION_FLOW_INCOMING. Gives the flow a user, or closes it. */
    void (*incoming_flow)(struct driver *driver, struct flow *flow);
    /* SESSION_SHED, SESSION_UP, SESSION_LOST and the events of paths, for the log. */
    void (*changed)(struct driver *driver, const struct session_event *event);
    /* SESSION_ENDED. driver_run() calls this as its last act: it may free the driver and
     * the session, and then returns true. */
    bool (*ended)(struct driver *driver, enum error error, enum close_code code,
                  const char *reason);
};

/* The first member of every object that a stream's user pointer points to. */
struct stream_end {
    const struct stream_end_type *type;
};

/* Each function may free the object, and release its stream. */
struct stream_end_type {
    void (*opened)(struct stream_end *end);
    void (*readable)(struct stream_end *end);
    void (*writable)(struct stream_end *end);
    void (*reset)(struct stream_end *end, enum reset_code code);
};

/* The first member of every object that a flow's user pointer points to. */
struct flow_end {
    const struct flow_end_type *type;
};

struct flow_end_type {
    /* session_flow_receive() until it gives nothing. May free the object and close its
     * flow. */
    void (*readable)(struct flow_end *end);
    /* The flow has ended: the object lets go of it, and must not close it. */
    void (*closed)(struct flow_end *end, enum flow_close_code code);
};

struct driver {
    struct worker *worker;   /* borrowed */
    struct session *session; /* borrowed; NULL after driver_deinit() */
    struct account *account; /* relay: borrowed, the client's; NULL at local */
    /* Relay: the client's rates to destinations and from them. At local without bounds. */
    struct pace up, down;
    struct tally *tally; /* relay: borrowed, the client's; NULL at local */
    const struct driver_role *role;
    void *context; /* the role's own */
    /* driver_touch() and driver_drain(), for the subflow_ios: these stand below a driver.
     */
    void (*touch)(struct driver *driver);
    void (*drain)(struct driver *driver);
    struct list touched; /* in worker.touched */
    struct list subflows;
    struct list closed; /* subflow_ios that the next run frees */
    ev_timer timer;
    uint64_t armed; /* when `timer` fires; TIME_NEVER when it is stopped */
    bool ended;
    enum error error; /* why the session ended */
    enum close_code code;
    char reason[128];
};

/* Without bounds of `up` and `down`. */
void driver_init(struct driver *driver, struct worker *worker, struct session *session,
                 const struct driver_role *role, void *context);
/* Closes the sockets of all subflows. The session is the caller's to free, after this. */
void driver_deinit(struct driver *driver);

/* The session has, or may have, work to do before the loop waits. */
void driver_touch(struct driver *driver);
/* Takes all waiting events. Includes driver_touch(). */
void driver_drain(struct driver *driver);
/* For the worker: produces, drains, arms the timer. */
void driver_run(struct driver *driver);

#endif
