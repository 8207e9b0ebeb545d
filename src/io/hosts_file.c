/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/hosts_file.h>

#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Some 2,000 lines, which take less than a millisecond. */
#define PART_SIZE (64 * 1024)

static void stop_reading(struct hosts_file *file)
{
    ev_timer_stop(file->loop, &file->turn);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
    file->reading = false;
    hosts_table_free(file->next);
    file->next = NULL;
}

/* Replaces the table by the new one; after an error nothing changes. */
static void finish_reading(struct hosts_file *file, int error)
{
    if (error != OK) {
        log_warning("cannot read %s: %s", file->path,
                    error == ERROR_SYSTEM ? strerror(errno)
                                          : error_string((enum error)error));
    } else {
        hosts_table_free(file->table);
        file->table = file->next;
        file->next = NULL;
    }
    stop_reading(file);
    file->ready(file->context);
}

static void read_later(struct hosts_file *file)
{
    ev_timer_set(&file->turn, 0., 0.);
    ev_timer_start(file->loop, &file->turn);
}

static void look(const struct hosts_file *file, struct stat *status)
{
    if (stat(file->path, status) != 0)
        *status = (struct stat){0};
}

static int begin_reading(struct hosts_file *file)
{
    look(file, &file->status);
    /* A missing file is an empty one; other kinds of files are not read. */
    if (!S_ISREG(file->status.st_mode))
        return OK;
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return errno == ENOENT ? OK : ERROR_SYSTEM;
    file->left = (size_t)file->status.st_size;
    file->next = hosts_table_new(file->left);
    return file->next != NULL ? OK : ERROR_MEMORY;
}

static void on_turn(struct ev_loop *loop, ev_timer *turn, int events)
{
    struct hosts_file *file = turn->data;
    char part[PART_SIZE];
    ssize_t length = 0;
    int error = OK;
    (void)loop;
    (void)events;

    if (file->fd < 0)
        error = begin_reading(file);
    if (error == OK && file->fd >= 0) {
        length = read(file->fd, part, MIN(sizeof(part), file->left));
        file->left -= (size_t)MAX(length, 0);
        if (length < 0)
            error = ERROR_SYSTEM;
        else if (length > 0)
            error = hosts_table_add(file->next, part, (size_t)length);
        else
            error = hosts_table_finish(file->next);
    }
    if (error == OK && length > 0)
        read_later(file);
    else
        finish_reading(file, error);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool hosts_file_current(struct hosts_file *file)
{
    struct stat status;

    /* A file that changes meanwhile is read again for later callers: if a program keeps
     * writing to it, present ones would wait for ever. */
    if (file->reading)
        return false;
    look(file, &status);
    if (!file->seen || !same_file(&status, &file->status)) {
        file->seen = file->reading = true;
        read_later(file);
    }
    return !file->reading;
}

size_t hosts_file_find(const struct hosts_file *file, const char *name, struct host *found,
                       size_t bound)
{
    return file->table == NULL ? 0 : hosts_table_find(file->table, name, found, bound);
}

void hosts_file_init(struct hosts_file *file, struct ev_loop *loop, const char *path,
                     void (*ready)(void *context), void *context)
{
    *file = (struct hosts_file){
        .loop = loop, .path = path, .fd = -1, .ready = ready, .context = context};
    ev_init(&file->turn, on_turn);
    file->turn.data = file;
    (void)hosts_file_current(file);
}

void hosts_file_deinit(struct hosts_file *file)
{
    if (file->loop == NULL)
        return;
    stop_reading(file);
    hosts_table_free(file->table);
    file->table = NULL;
}
