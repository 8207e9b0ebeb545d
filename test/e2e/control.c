/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tool.h"

void control_init(struct control *control, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *control = (struct control){.listener = -1, .client = -1};
    if (strlen(path) >= sizeof(address.sun_path))
        die("control path too long: %s", path);
    strcpy(address.sun_path, path);
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->listener < 0 ||
        bind(control->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(control->listener, 1) != 0)
        die_errno("%s", path);
}

int control_fd(const struct control *control)
{
    return control->client >= 0 ? control->client : control->listener;
}

static void answer_line(struct control *control, char *line, control_handler *handler,
                        void *context)
{
    enum { MAX_WORDS = 32 };
    char *argv[MAX_WORDS];
    char *save = NULL;
    char *text = NULL;
    size_t length = 0;
    int argc = 0;
    FILE *answer = open_memstream(&text, &length);

    if (answer == NULL)
        die_errno("open_memstream");
    for (char *word = strtok_r(line, " \t\r", &save); word != NULL && argc < MAX_WORDS;
         word = strtok_r(NULL, " \t\r", &save))
        argv[argc++] = word;
    if (argc > 0)
        handler(context, argc, argv, answer);
    fputc('\n', answer);
    fclose(answer);
    /* Answers are short and the client reads each: the socket's buffer holds them. */
    if (send(control->client, text, length, MSG_NOSIGNAL) < 0)
        control->used = 0;
    free(text);
}

static void read_lines(struct control *control, control_handler *handler, void *context)
{
    for (;;) {
        ssize_t got = read(control->client, control->line + control->used,
                           sizeof(control->line) - 1 - control->used);
        char *start = control->line;
        char *end;

        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(control->client);
            control->client = -1;
            return;
        }
        control->used += (size_t)got;
        control->line[control->used] = '\0';
        while ((end = strchr(start, '\n')) != NULL) {
            *end = '\0';
            answer_line(control, start, handler, context);
            start = end + 1;
        }
        control->used = strlen(start);
        memmove(control->line, start, control->used);
    }
}

void control_ready(struct control *control, control_handler *handler, void *context)
{
    if (control->client >= 0) {
        read_lines(control, handler, context);
        return;
    }
    control->client = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    control->used = 0;
}
