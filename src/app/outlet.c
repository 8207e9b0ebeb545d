/* SPDX-License-Identifier: MIT */
#include "outlet.h"

#include <splitsocks/base/list.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LOSS_SIZE 160

struct text {
    struct list node;
    unsigned long tells; /* how many dropped texts it reports; 0: another text */
    size_t length;
    char bytes[];
};

struct outlet {
    int fd;
    outlet_loss *loss;
    pthread_t thread;
    pthread_mutex_t lock; /* of the following members */
    pthread_cond_t filled, progress;
    struct list texts;     /* waiting to be written */
    size_t waiting_bytes;  /* their bytes, and those of the text being written */
    unsigned long dropped; /* since that was last reported */
    bool failing;          /* the last write has failed, so losses cannot be reported */
    bool writing, finishing;
};

/* False when not all of it can be written, for example on a full disk. */
static bool write_all(struct outlet *outlet, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(outlet->fd, bytes, length);

        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
            pthread_mutex_lock(&outlet->lock);
            pthread_cond_signal(&outlet->progress);
            pthread_mutex_unlock(&outlet->lock);
        } else if (n < 0 && errno == EAGAIN) {
            /* Another process has set the non-blocking mode. */
            struct pollfd poll_fd = {.fd = outlet->fd, .events = POLLOUT};

            (void)poll(&poll_fd, 1, -1);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Takes the next text; NULL: there is none. The lock is held. */
static struct text *take(struct outlet *outlet)
{
    struct text *text = list_first(&outlet->texts, struct text, node);

    if (text != NULL) {
        list_remove(&text->node);
        return text;
    }
    if (outlet->dropped == 0 || outlet->loss == NULL || outlet->failing)
        return NULL;
    text = malloc(sizeof(*text) + LOSS_SIZE);
    if (text == NULL)
        return NULL;
    text->length = outlet->loss(outlet->dropped, text->bytes, LOSS_SIZE);
    outlet->waiting_bytes += text->length;
    text->tells = outlet->dropped;
    outlet->dropped = 0;
    return text;
}

static void *run(void *context)
{
    struct outlet *outlet = context;
    struct text *text;
    bool written;

    prctl(PR_SET_NAME, OUTLET_THREAD_NAME);
    pthread_mutex_lock(&outlet->lock);
    for (;;) {
        while ((text = take(outlet)) == NULL && !outlet->finishing)
            pthread_cond_wait(&outlet->filled, &outlet->lock);
        if (text == NULL)
            break;
        outlet->writing = true;
        pthread_mutex_unlock(&outlet->lock);
        written = write_all(outlet, text->bytes, text->length);
        pthread_mutex_lock(&outlet->lock);
        outlet->writing = false;
        outlet->failing = !written;
        if (!written)
            outlet->dropped += MAX(text->tells, 1ul);
        outlet->waiting_bytes -= text->length;
        free(text);
        pthread_cond_signal(&outlet->progress);
    }
    pthread_mutex_unlock(&outlet->lock);
    return NULL;
}

/* The main thread handles all signals. */
static bool start_thread(struct outlet *outlet)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&outlet->thread, NULL, run, outlet);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static void outlet_free(struct outlet *outlet)
{
    pthread_cond_destroy(&outlet->filled);
    pthread_cond_destroy(&outlet->progress);
    pthread_mutex_destroy(&outlet->lock);
    free(outlet);
}

struct outlet *outlet_new(int fd, outlet_loss *loss)
{
    struct outlet *outlet = calloc(1, sizeof(*outlet));
    pthread_condattr_t attributes;

    if (outlet == NULL)
        return NULL;
    outlet->fd = fd;
    outlet->loss = loss;
    list_init(&outlet->texts);
    pthread_mutex_init(&outlet->lock, NULL);
    pthread_cond_init(&outlet->filled, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&outlet->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start_thread(outlet))
        return outlet;
    outlet_free(outlet);
    return NULL;
}

void outlet_put(struct outlet *outlet, const char *bytes, size_t length)
{
    struct text *text = malloc(sizeof(*text) + length);

    if (text != NULL) {
        list_init(&text->node);
        text->tells = 0;
        text->length = length;
        memcpy(text->bytes, bytes, length);
    }
    pthread_mutex_lock(&outlet->lock);
    if (text != NULL &&
        (outlet->waiting_bytes == 0 || outlet->waiting_bytes + length <= OUTLET_MAX)) {
        list_append(&outlet->texts, &text->node);
        outlet->waiting_bytes += length;
        text = NULL;
        pthread_cond_signal(&outlet->filled);
    } else {
        outlet->dropped++;
    }
    pthread_mutex_unlock(&outlet->lock);
    free(text);
}

/* Waits for the next progress. False: there is none. The lock is held. */
static bool wait_for_progress(struct outlet *outlet)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += OUTLET_PATIENCE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(&outlet->progress, &outlet->lock, &until) == 0;
}

void outlet_finish(struct outlet *outlet)
{
    bool stuck = false;

    if (outlet == NULL)
        return;
    pthread_mutex_lock(&outlet->lock);
    outlet->finishing = true;
    pthread_cond_signal(&outlet->filled);
    while (!stuck && (outlet->writing || !list_empty(&outlet->texts) ||
                      (outlet->dropped > 0 && outlet->loss != NULL && !outlet->failing)))
        stuck = !wait_for_progress(outlet);
    pthread_mutex_unlock(&outlet->lock);
    if (stuck) {
        pthread_detach(outlet->thread);
        return;
    }
    pthread_join(outlet->thread, NULL);
    outlet_free(outlet);
}
