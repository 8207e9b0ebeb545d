/* SPDX-License-Identifier: MIT */
/*
 * The system's hosts file, read once and again whenever it has changed: a part in each
 * turn of the loop, since lists that block advertising have hundreds of thousands of
 * lines.
 */
#ifndef SPLITSOCKS_HOSTS_FILE_H
#define SPLITSOCKS_HOSTS_FILE_H

#include <splitsocks/names/hosts_table.h>

#include <ev.h>
#include <stdbool.h>
#include <sys/stat.h>

struct hosts_file {
    struct ev_loop *loop; /* borrowed */
    const char *path;     /* borrowed */
    bool seen;            /* `status` is that of the file that was or is being read */
    struct stat status;
    struct hosts_table *table; /* owned; NULL: it has no entries */
    struct hosts_table *next;  /* owned; the table that is being filled */
    bool reading;
    int fd;        /* of the file being read; -1: it is not open */
    size_t left;   /* bytes still to be read; later additions do not count */
    ev_timer turn; /* reads the next part */
    void (*ready)(void *context);
    void *context;
};

/* `ready` is called from the loop when the file has been read. */
void hosts_file_init(struct hosts_file *file, struct ev_loop *loop, const char *path,
                     void (*ready)(void *context), void *context);
void hosts_file_deinit(struct hosts_file *file);

/* Checks whether the file has changed. False: it is being read, and `ready` follows. */
bool hosts_file_current(struct hosts_file *file);

/* As hosts_table_find(). */
size_t hosts_file_find(const struct hosts_file *file, const char *name, struct host *found,
                       size_t bound);

#endif
