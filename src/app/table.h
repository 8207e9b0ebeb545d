/* SPDX-License-Identifier: MIT */
/* A table of short texts for a terminal: columns as wide as they need to be. */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
/* Longest text of a cell, with its final zero. */
#define TABLE_CELL_SIZE 96

struct table_column {
    const char *title; /* NULL behind the last column */
    bool right;        /* aligned to the right, as numbers are */
};

struct table {
    const struct table_column *columns; /* borrowed */
    size_t column_count;
    char (*cells)[TABLE_CELL_SIZE]; /* owned; row by row */
    size_t cell_count, capacity;
    bool failed; /* memory was out; later calls have no effect */
};

void table_init(struct table *table, const struct table_column *columns);
void table_deinit(struct table *table);

/* Adds the next cell, from left to right and from top to bottom; a text that is too long
 * is cut. */
void table_add(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
/* Titles and rows; false when memory was out, or writing fails. */
bool table_print(const struct table *table, FILE *stream) MUST_CHECK;

#endif
