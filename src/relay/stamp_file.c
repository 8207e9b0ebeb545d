/* SPDX-License-Identifier: MIT */
#include "stamp_file.h"

#include "relay_internal.h"

#include <splitsocks/io/clock.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "KEY STAMP\n" and a zero. */
#define LINE_SIZE (KEY_TEXT_LENGTH + 24)
/* So many lines more than there need be, and as many again: writing all anew costs each
 * line no more than appending it. */
#define LINES_SPARE 4096
/* While the file cannot be written, it is tried so often: each try writes all lines. */
#define RETRY_NS NS_PER_S

static const char *reason(int error)
{
    if (error == ERROR_DENIED)
        return "another process uses it; give each relay a \"state_file\" of its own";
    return error == ERROR_SYSTEM ? strerror(errno) : error_string((enum error)error);
}

/* ---- reading ---- */

struct reading {
    struct relay_clients *clients;
    bool failed; /* memory is out */
};

/* Lines that make no sense are left out: the last one of a run may be cut off. */
static void take_line(void *context, const char *line)
{
    struct reading *reading = context;
    const char *space = strchr(line, ' ');
    uint8_t key[KEY_SIZE];
    uint64_t stamp;
    char *end;
    int client;

    if (space == NULL || key_parse(key, line, (size_t)(space - line)) != OK)
        return;
    stamp = strtoull(space + 1, &end, 10);
    if (end == space + 1 || *end != '\0')
        return;
    client = relay_clients_recall(reading->clients, key);
    if (client < 0)
        reading->failed = true;
    else
        (void)!client_table_accept_stamp(reading->clients->table, client, stamp);
}

/* ---- writing ---- */

static size_t write_line(char line[LINE_SIZE], const struct relay_clients *clients,
                         unsigned client, uint64_t stamp)
{
    char key[KEY_TEXT_LENGTH + 1];

    key_format(key, clients->items[client].public_key);
    return (size_t)snprintf(line, LINE_SIZE, "%s %" PRIu64 "\n", key, stamp);
}

static void tell(struct stamp_file *file, int error)
{
    if (error != OK && !file->troubled)
        log_warning(
            "cannot write %s: %s; after a restart, recorded handshakes that it lacks "
            "could be answered once",
            file->journal.path, reason(error));
    else if (error == OK && file->troubled)
        log_info("%s is written again, and lacks nothing", file->journal.path);
    file->troubled = error != OK;
    file->tried_at_ns = clock_now();
}

/* Somebody has removed the file, so that lines would go nowhere. */
static bool is_removed(const struct stamp_file *file)
{
    struct stat status;

    return fstat(file->journal.fd, &status) == 0 && status.st_nlink == 0;
}

/* The needed lines alone. */
static int write_anew(struct stamp_file *file, const struct relay_clients *clients)
{
    uint64_t stamps[STAMPS_LISTED];
    char line[LINE_SIZE], *text = NULL;
    size_t length = 0, lines = 0;
    FILE *stream = open_memstream(&text, &length);
    int error = ERROR_MEMORY;

    if (stream == NULL)
        return error;
    for (unsigned i = 0; i < clients->count; i++) {
        size_t count =
            stamp_memory_list(client_table_stamps(clients->table, (int)i), stamps);

        for (size_t j = 0; j < count; j++)
            (void)fwrite(line, 1, write_line(line, clients, i, stamps[j]), stream);
        lines += count;
    }
    if (fclose(stream) == 0)
        error = journal_rewrite(&file->journal, text, length);
    free(text);
    /* After an error, not before as many lines were added again. */
    file->lines = lines;
    file->lines_max = 2 * lines + LINES_SPARE;
    return error;
}

struct relay_clients *stamp_file_open(struct stamp_file *file, const char *path)
{
    struct reading reading = {.clients = relay_clients_empty()};
    int error;

    *file = (struct stamp_file){.lines = 0};
    if (reading.clients == NULL)
        return NULL;
    client_table_set_clock(reading.clients->table, clock_wall());
    if (path == NULL)
        return reading.clients;
    error = journal_open(&file->journal, path, take_line, &reading);
    if (error == OK)
        tell(file, write_anew(file, reading.clients));
    else
        log_warning("cannot use %s: %s; after a restart, recorded handshakes could be "
                    "answered once",
                    path, reason(error));
    if (!reading.failed)
        return reading.clients;
    stamp_file_close(file);
    relay_clients_free(reading.clients);
    return NULL;
}

void stamp_file_close(struct stamp_file *file)
{
    journal_close(&file->journal);
}

void stamp_file_add(struct stamp_file *file, const struct relay_clients *clients,
                    unsigned client, uint64_t stamp)
{
    char line[LINE_SIZE];
    size_t length = write_line(line, clients, client, stamp);

    if (file->journal.path == NULL)
        return;
    if (file->troubled && clock_now() - file->tried_at_ns < RETRY_NS)
        return;
    /* The lines that it lacks are among those of the clients. */
    if (file->troubled || ++file->lines >= file->lines_max || is_removed(file))
        tell(file, write_anew(file, clients));
    else
        tell(file, journal_append(&file->journal, line, length));
}

void stamp_file_end(struct stamp_file *file, const struct relay_clients *clients)
{
    if (file->journal.path != NULL && file->troubled)
        tell(file, write_anew(file, clients));
    stamp_file_close(file);
}
