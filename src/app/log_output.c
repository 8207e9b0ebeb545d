#include "log_output.h"

#include "outlet.h"

#include <splitsocks/attributes.h>
#include <splitsocks/log.h>

#include <stdio.h>
#include <unistd.h>

static struct outlet *errors, *output;

static size_t say_loss(unsigned long count, char *text, size_t size)
{
    int length = snprintf(text, size,
                          "splitsocks: warning: %lu lines of the log were lost, since "
                          "standard error took none\n",
                          count);

    return MIN((size_t)length, size - 1);
}

static void put_line(enum log_level level, const char *line, void *context)
{
    char text[LOG_LINE_SIZE];
    size_t length = log_format(level, line, text);
    (void)context;

    outlet_put(errors, text, length);
}

void log_output_start(void)
{
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
