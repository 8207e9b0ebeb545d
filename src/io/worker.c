/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/worker.h>

#include <splitsocks/io/driver.h>
#include <splitsocks/io/farewell.h>
#include <splitsocks/io/remainder.h>
#include <splitsocks/io/subflow_io.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

/* Unused pages that are kept: a few megabytes, so that bulk transfer allocates rarely. */
#define SPARE_PAGES 128

/* Spare pages after a second without work. */
#define SPARE_PAGES_QUIET 16
#define QUIET_SECONDS 1.
/* After so many streams the heap has enough holes to make trimming worth while. */
#define OPENED_MANY 256

/* The last second was quiet: gives back the memory of a burst. Large pages and small
 * objects share the heap, so it is full of holes after a burst. */
static void on_quiet(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    (void)events;

    if (worker->active) {
        worker->active = false;
        return;
    }
    ev_timer_stop(loop, timer);
    worker->opened = 0;
    page_pool_trim(&worker->pages, SPARE_PAGES_QUIET);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void note_activity(struct worker *worker)
{
    worker->active = true;
    if (!ev_is_active(&worker->quiet) &&
        (worker->opened >= OPENED_MANY || worker->pages.unused_count > SPARE_PAGES_QUIET))
        ev_timer_again(worker->loop, &worker->quiet);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;
    struct list touched, unfinished;
    (void)events;

    if (!list_empty(&worker->touched))
        note_activity(worker);
    list_init(&touched);
    list_append_all(&touched, &worker->touched);
    while (!list_empty(&touched)) {
        struct driver *driver = list_first(&touched, struct driver, touched);

        list_remove(&driver->touched);
        driver_run(driver);
    }
    turns_next(&worker->turns);
    list_init(&unfinished);
    list_append_all(&unfinished, &worker->unfinished);
    while (!list_empty(&unfinished))
        subflow_io_go_on(list_first(&unfinished, struct subflow_io, unfinished));
    if (list_empty(&worker->touched) && list_empty(&worker->unfinished))
        ev_idle_stop(loop, &worker->more);
    else
        ev_idle_start(loop, &worker->more);
}

/* Keeps the loop from waiting. */
static void on_more(struct ev_loop *loop, ev_idle *idle, int events)
{
    (void)loop;
    (void)idle;
    (void)events;
}

int worker_init(struct worker *worker, struct ev_loop *loop, uint64_t buffered_bytes,
                uint64_t linger_ns)
{
    memset(worker, 0, sizeof(*worker));
    worker->input = malloc(WORKER_INPUT_SIZE);
    worker->output = malloc(PRODUCE_MAX);
    worker->datagrams = datagram_batch_new();
    if (worker->input == NULL || worker->output == NULL || worker->datagrams == NULL) {
        free(worker->input);
        free(worker->output);
        datagram_batch_free(worker->datagrams);
        memset(worker, 0, sizeof(*worker));
        return ERROR_MEMORY;
    }
    worker->loop = loop;
    page_pool_init(&worker->pages, buffered_bytes / PAGE_SIZE, SPARE_PAGES);
    list_init(&worker->touched);
    list_init(&worker->unfinished);
    list_init(&worker->leavers);
    list_init(&worker->remainders);
    page_account_init(&worker->remainder_pages, &worker->pages, NULL);
    hangup_set_init(&worker->hangups, loop);
    half_closed_list_init(&worker->half_closed, loop);
    worker->patience_seconds = (double)linger_ns * 1e-9;
    ev_init(&worker->quiet, on_quiet);
    worker->quiet.data = worker;
    worker->quiet.repeat = QUIET_SECONDS;
    ev_idle_init(&worker->more, on_more);
    ev_prepare_init(&worker->prepare, on_prepare);
    worker->prepare.data = worker;
    ev_prepare_start(loop, &worker->prepare);
    return OK;
}

void worker_share_pages(struct worker *worker, struct places_pool *pages)
{
    places_init(&worker->remainder_places, pages, PLACES_UNLIMITED);
    page_account_init(&worker->remainder_pages, &worker->pages, &worker->remainder_places);
}

void worker_set_timeouts(struct worker *worker, const struct config_timeouts *timeouts)
{
    hangup_set_keepalive(&worker->hangups, timeouts->keepalive_ns);
    half_closed_set_after(&worker->half_closed, timeouts->half_closed_after_ns);
}

void worker_deinit(struct worker *worker)
{
    if (worker->loop == NULL)
        return;
    farewell_cut(worker);
    remainder_cut(worker);
    hangup_set_deinit(&worker->hangups);
    half_closed_list_deinit(&worker->half_closed);
    ev_prepare_stop(worker->loop, &worker->prepare);
    ev_idle_stop(worker->loop, &worker->more);
    ev_timer_stop(worker->loop, &worker->quiet);
    page_pool_deinit(&worker->pages);
    free(worker->input);
    free(worker->output);
    datagram_batch_free(worker->datagrams);
    memset(worker, 0, sizeof(*worker));
}
