/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/driver.h>

#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_turn.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/subflow_io.h>

#include <stdio.h>

static void measure(struct driver *driver, uint64_t now)
{
    struct subflow *subflow;

    while ((subflow = session_next_unmeasured(driver->session, now)) != NULL) {
        struct subflow_measure m = subflow_io_measure(subflow_user(subflow));

        session_subflow_measured(driver->session, subflow, &m, now);
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct driver *driver = timer->data;
    uint64_t now = clock_now();
    (void)loop;
    (void)events;

    driver->armed = TIME_NEVER;
    if (session_next_timeout(driver->session) <= now) {
        measure(driver, now); /* the session judges by fresh measures */
        session_tick(driver->session, now);
    }
    driver_drain(driver);
}

void driver_init(struct driver *driver, struct worker *worker, struct session *session,
                 const struct driver_role *role, void *context)
{
    *driver = (struct driver){
        .worker = worker,
        .session = session,
        .role = role,
        .context = context,
        .touch = driver_touch,
        .drain = driver_drain,
        .armed = TIME_NEVER,
    };
    list_init(&driver->touched);
    list_init(&driver->subflows);
    list_init(&driver->closed);
    pace_init(&driver->up, worker->loop, NULL);
    pace_init(&driver->down, worker->loop, NULL);
    ev_init(&driver->timer, on_timer);
    driver->timer.data = driver;
    session_set_user(session, driver);
    driver_touch(driver);
}

static void free_closed(struct driver *driver)
{
    while (!list_empty(&driver->closed))
        subflow_io_free(list_first(&driver->closed, struct subflow_io, node));
}

void driver_deinit(struct driver *driver)
{
    while (!list_empty(&driver->subflows))
        subflow_io_close(list_first(&driver->subflows, struct subflow_io, node));
    free_closed(driver);
    list_remove(&driver->touched);
    ev_timer_stop(driver->worker->loop, &driver->timer);
    pace_deinit(&driver->up);
    pace_deinit(&driver->down);
    driver->session = NULL;
}

void driver_touch(struct driver *driver)
{
    if (driver->session != NULL && !list_linked(&driver->touched))
        list_append(&driver->worker->touched, &driver->touched);
}

static void handle_stream_event(const struct session_event *event)
{
    struct stream_end *end = stream_user(event->stream);

    switch (event->type) {
    case SESSION_STREAM_OPENED: end->type->opened(end); break;
    case SESSION_STREAM_READABLE: end->type->readable(end); break;
    case SESSION_STREAM_WRITABLE: end->type->writable(end); break;
    default: end->type->reset(end, event->code); break;
    }
}

static void handle_flow_event(const struct session_event *event)
{
    struct flow_end *end = flow_user(event->flow);

    if (event->type == SESSION_FLOW_READABLE)
        end->type->readable(end);
    else
        end->type->closed(end, event->flow_code);
}

/* A few bytes of a client can cause such an event, and it takes system calls. */
static bool is_errand(enum session_event_type type)
{
    return type == SESSION_STREAM_INCOMING || type == SESSION_STREAM_RESET ||
           type == SESSION_FLOW_INCOMING || type == SESSION_FLOW_CLOSED;
}

static void handle_event(struct driver *driver, const struct session_event *event)
{
    if (is_errand(event->type))
        io_turn_errand(driver);
    switch (event->type) {
    case SESSION_NO_EVENT: break;
    case SESSION_DIAL: subflow_io_dial(driver, event); break;
    case SESSION_CLOSE_SUBFLOW: subflow_io_give_up(driver, event); break;
    case SESSION_STREAM_INCOMING: driver->role->incoming(driver, event); break;
    case SESSION_STREAM_OPENED:
    case SESSION_STREAM_READABLE:
    case SESSION_STREAM_WRITABLE:
    case SESSION_STREAM_RESET: handle_stream_event(event); break;
    case SESSION_FLOW_INCOMING: driver->role->incoming_flow(driver, event->flow); break;
    case SESSION_FLOW_READABLE:
    case SESSION_FLOW_CLOSED: handle_flow_event(event); break;
    case SESSION_SHED:
    case SESSION_UP:
    case SESSION_LOST:
    case SESSION_PATH_UP:
    case SESSION_PATH_DOWN:
    case SESSION_PATH_PACKETS:
    case SESSION_LIMIT: driver->role->changed(driver, event); break;
    case SESSION_ENDED:
        driver->ended = true;
        driver->error = event->error;
        driver->code = event->close;
        snprintf(driver->reason, sizeof(driver->reason), "%s",
                 event->reason != NULL ? event->reason : "");
        break;
    }
}

/* Handles the waiting events, as many as the client may have handled now. Returns false
 * when there was none. */
static bool handle_events(struct driver *driver)
{
    struct session_event event;
    bool any = false;

    while (io_turn_may_ask(driver) && session_next_event(driver->session, &event)) {
        handle_event(driver, &event);
        any = true;
    }
    return any;
}

void driver_drain(struct driver *driver)
{
    (void)handle_events(driver);
    driver_touch(driver);
}

static void arm_timer(struct driver *driver, uint64_t now)
{
    uint64_t next = session_next_timeout(driver->session);

    /* A timer that fires early does no harm and arms itself again. Moving it whenever a
     * deadline is put off would cost more. */
    if (next >= driver->armed)
        return;
    driver->armed = next;
    io_watch_until(driver->worker->loop, &driver->timer, next, now);
}

void driver_run(struct driver *driver)
{
    uint64_t now = clock_now();
    struct subflow *subflow;

    for (;;) {
        measure(driver, now);
        while ((subflow = session_next_sender(driver->session, now)) != NULL)
            subflow_io_send(subflow_user(subflow), now);
        if (!handle_events(driver))
            break;
        now = clock_now();
    }
    free_closed(driver);
    if (driver->ended) {
        driver->ended = false;
        if (driver->role->ended(driver, driver->error, driver->code, driver->reason))
            return;
    }
    arm_timer(driver, now);
    /* The run may have touched the driver again; that work is done, but for events that
     * wait for the next iteration. */
    list_remove(&driver->touched);
    if (!io_turn_may_ask(driver))
        driver_touch(driver);
}
