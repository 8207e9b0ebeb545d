/* SPDX-License-Identifier: MIT */
#include "log_output.h"

#include "outlet.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* "2026-11-29 18:53:21 " and the final zero; years beyond 9999 are cut. */
#define TIME_SIZE 24

static struct outlet *errors, *output;
static bool dated; /* lines begin with the time */

static size_t say_loss(unsigned long count, char *text, size_t size)
{
    int length = snprintf(text, size,
                          "splitsocks: warning: %lu lines of the log were lost, since "
                          "standard error took none\n",
                          count);

    return MIN((size_t)length, size - 1);
}

static size_t write_time(char text[TIME_SIZE])
{
    time_t now = time(NULL);
    struct tm local;

    if (localtime_r(&now, &local) == NULL)
        return 0;
    return strftime(text, TIME_SIZE, "%Y-%m-%d %H:%M:%S ", &local);
}

static void put_line(enum log_level level, const char *line, void *context)
{
    char text[TIME_SIZE + LOG_LINE_SIZE];
    size_t length = dated ? write_time(text) : 0;
    (void)context;

    length += log_format(level, line, text + length);
    outlet_put(errors, text, length);
}

/* The journal records the time of each line itself, see systemd.exec(5). */
static bool goes_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    uintmax_t device, inode;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

void log_output_start(bool with_time)
{
    dated = with_time && !goes_to_journal();
    errors = outlet_new(STDERR_FILENO, say_loss);
    if (errors != NULL)
        log_set_sink(put_line, NULL);
}

void log_output_print(const char *text, size_t length)
{
    if (output == NULL)
        output = outlet_new(STDOUT_FILENO, NULL);
    if (output != NULL) {
        outlet_put(output, text, length);
    } else {
        fwrite(text, 1, length, stdout);
        fflush(stdout);
    }
}

void log_output_finish(void)
{
    outlet_finish(output);
    output = NULL;
    if (errors != NULL) {
        log_set_sink(NULL, NULL);
        outlet_finish(errors);
        errors = NULL;
    }
}
