/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const struct table_column *columns)
{
    *table = (struct table){.columns = columns};
    while (table->column_count < TABLE_COLUMNS_MAX &&
           columns[table->column_count].title != NULL)
        table->column_count++;
}

void table_deinit(struct table *table)
{
    free(table->cells);
    *table = (struct table){.columns = table->columns};
}

static bool grow(struct table *table)
{
    size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    void *cells = realloc(table->cells, capacity * sizeof(*table->cells));

    if (cells == NULL) {
        table->failed = true;
        return false;
    }
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_add(struct table *table, const char *format, ...)
{
    va_list arguments;

    if (table->failed || (table->cell_count == table->capacity && !grow(table)))
        return;
    va_start(arguments, format);
    vsnprintf(table->cells[table->cell_count++], TABLE_CELL_SIZE, format, arguments);
    va_end(arguments);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = strlen(table->columns[column].title);

    for (size_t i = column; i < table->cell_count; i += table->column_count)
        width = MAX(width, strlen(table->cells[i]));
    return width;
}

static void print_cell(const struct table *table, size_t column, size_t width,
                       const char *text, FILE *stream)
{
    bool last = column + 1 == table->column_count;

    if (table->columns[column].right)
        fprintf(stream, "%*s", (int)width, text);
    else
        fprintf(stream, "%-*s", last ? 0 : (int)width, text);
    fputs(last ? "\n" : "  ", stream);
}

bool table_print(const struct table *table, FILE *stream)
{
    size_t widths[TABLE_COLUMNS_MAX];

    if (table->failed)
        return false;
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = column_width(table, i);
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, i, widths[i], table->columns[i].title, stream);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;

        print_cell(table, column, widths[column], table->cells[i], stream);
    }
    return !ferror(stream);
}
