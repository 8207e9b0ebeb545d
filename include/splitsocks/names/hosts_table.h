/* SPDX-License-Identifier: MIT */
/*
 * The contents of a hosts file (hosts(5)), ready for lookups. The table takes the file in
 * parts, so that a large file can be read a little at a time.
 */
#ifndef SPLITSOCKS_HOSTS_TABLE_H
#define SPLITSOCKS_HOSTS_TABLE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/host.h>

#include <stddef.h>

struct hosts_table;

/* For a file of about `size` bytes. NULL when memory is out. */
struct hosts_table *hosts_table_new(size_t size) MUST_CHECK;
void hosts_table_free(struct hosts_table *table);

/* Adds the next part of the file, which may end within a line. Malformed lines are
 * skipped. Returns OK or ERROR_MEMORY. */
int hosts_table_add(struct hosts_table *table, const char *text, size_t length) MUST_CHECK;
/* Ends the file: its last line counts even without a newline. */
int hosts_table_finish(struct hosts_table *table) MUST_CHECK;

/* The addresses of a name (in any case, without final dot), in the order of the file:
 * fills in at most `bound` and returns how many. Each is of kind HOST_ADDRESS. */
size_t hosts_table_find(const struct hosts_table *table, const char *name,
                        struct host *found, size_t bound);

#endif
