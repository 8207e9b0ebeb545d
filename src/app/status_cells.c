/* SPDX-License-Identifier: MIT */
#include "status_cells.h"

#include "status_view.h"

#include <splitsocks/status/status_text.h>

#include <string.h>

void cell_short(struct table *table, const char *text, int width)
{
    int length = (int)strlen(text);
    int head = (width - 3) / 2;

    if (length <= width)
        table_add(table, "%s", text);
    else
        table_add(table, "%.*s...%s", head, text, text + length - (width - 3 - head));
}

void cell_bytes(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s", text_bytes(view_number(object, key), text));
}

void cell_rate(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s", text_rate(view_number(object, key), text));
}

void cell_count(struct table *table, const json_t *object, const char *key)
{
    table_add(table, "%.0f", view_number(object, key));
}

void cell_duration(struct table *table, const json_t *object, const char *key)
{
    char text[STATUS_TEXT_SIZE];

    table_add(table, "%s",
              view_known(object, key) ? text_duration(view_number(object, key), text)
                                      : "-");
}

bool cells_print(const struct table_column *columns, const json_t *list,
                 void (*add_row)(struct table *table, const json_t *object), FILE *stream)
{
    struct table table;
    const json_t *object;
    size_t index;
    bool good;

    table_init(&table, columns);
    json_array_foreach(list, index, object)
        add_row(&table, object);
    good = table_print(&table, stream);
    table_deinit(&table);
    return good;
}

void cell_sum(struct table *table, json_t *object)
{
    const char *name;
    json_t *count;
    double all = 0;

    json_object_foreach(object, name, count)
        all += json_number_value(count);
    table_add(table, "%.0f", all);
}

void cell_used(struct table *table, const json_t *object, const char *used, const char *all)
{
    char a[STATUS_TEXT_SIZE], b[STATUS_TEXT_SIZE];

    if (!view_known(object, all))
        table_add(table, "-");
    else
        table_add(table, "%s of %s", text_bytes(view_number(object, used), a),
                  text_bytes(view_number(object, all), b));
}
