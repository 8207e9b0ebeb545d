#include <splitsocks/worker.h>

#include <splitsocks/driver.h>
#include <splitsocks/farewell.h>

#include <stdlib.h>
#include <string.h>

/* Pages kept for the next taker: a few megabytes, so that bulk transfer allocates rarely. */
#define SPARE_PAGES 128

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;
    (void)loop;
    (void)events;

    while (!list_empty(&worker->touched)) {
        struct driver *driver = list_first(&worker->touched, struct driver, touched);

        list_remove(&driver->touched);
        driver_run(driver);
    }
}

int worker_init(struct worker *worker, struct ev_loop *loop, uint64_t buffered_bytes)
{
    memset(worker, 0, sizeof(*worker));
    worker->input = malloc(WORKER_INPUT_SIZE);
    worker->output = malloc(PRODUCE_MAX);
    if (worker->input == NULL || worker->output == NULL) {
        free(worker->input);
        free(worker->output);
        memset(worker, 0, sizeof(*worker));
        return ERROR_MEMORY;
    }
    worker->loop = loop;
    page_pool_init(&worker->pages, buffered_bytes / PAGE_SIZE, SPARE_PAGES);
    list_init(&worker->touched);
    list_init(&worker->leavers);
    ev_prepare_init(&worker->prepare, on_prepare);
    worker->prepare.data = worker;
    ev_prepare_start(loop, &worker->prepare);
    return OK;
}

void worker_deinit(struct worker *worker)
{
    if (worker->loop == NULL)
        return;
    farewell_cut(worker);
    ev_prepare_stop(worker->loop, &worker->prepare);
    page_pool_deinit(&worker->pages);
    free(worker->input);
    free(worker->output);
    memset(worker, 0, sizeof(*worker));
}
