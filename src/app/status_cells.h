/* SPDX-License-Identifier: MIT */
/* Cells of the tables that show a status document: members of its objects as short texts.
 */
#ifndef APP_STATUS_CELLS_H
#define APP_STATUS_CELLS_H

#include "table.h"

#include <splitsocks/base/attributes.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Longer names are cut in the middle, since their ends tell more. */
#define NAME_WIDTH 20
#define DESTINATION_WIDTH 30

void cell_short(struct table *table, const char *text, int width);
void cell_bytes(struct table *table, const json_t *object, const char *key);
void cell_rate(struct table *table, const json_t *object, const char *key);
void cell_count(struct table *table, const json_t *object, const char *key);
/* "-" where it is not known. */
void cell_duration(struct table *table, const json_t *object, const char *key);
/* "12 MB of 1.0 GB"; "-" where there is no `all`. */
void cell_used(struct table *table, const json_t *object, const char *used,
               const char *all);
/* The sum of all numbers of the object. */
void cell_sum(struct table *table, json_t *object);

/* A table with a row for each object of the list; false when memory was out, or writing
 * fails. */
bool cells_print(const struct table_column *columns, const json_t *list,
                 void (*add_row)(struct table *table, const json_t *object),
                 FILE *stream) MUST_CHECK;

#endif
