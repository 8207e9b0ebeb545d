/* SPDX-License-Identifier: MIT */
/* The control socket: its file, and the clients that it bears. */
#include "unit.h"

#include <splitsocks/base/log.h>
#include <splitsocks/status/control.h>

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    struct ev_loop *loop;
    char folder[64];
    char path[96];
    char line[256]; /* last line of the log */
    unsigned asked;
    struct control_client *waiting; /* has no answer yet */
};

static void on_log(enum log_level level, const char *line, void *context)
{
    struct fixture *f = context;

    snprintf(f->line, sizeof(f->line), "%c: %s", level == LOG_ERROR ? 'E' : 'W', line);
}

static char *answer_to(const char *request)
{
    char *answer;

    if (strcmp(request, "large") != 0)
        return asprintf(&answer, "you said %s", request) > 0 ? answer : NULL;
    /* More than any socket's buffer takes. */
    answer = malloc((8 << 20) + 1);
    assert_non_null(answer);
    memset(answer, 'x', 8 << 20);
    answer[8 << 20] = '\0';
    return answer;
}

static void on_request(void *context, const char *request, struct control_client *client)
{
    struct fixture *f = context;

    f->asked++;
    if (strcmp(request, "later") == 0)
        f->waiting = client;
    else
        control_reply(client, answer_to(request));
}

static struct fixture *setup(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(f->loop);
    strcpy(f->folder, "/tmp/splitsocks-control-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/a.sock", f->folder);
    log_set_sink(on_log, f);
    return f;
}

static void teardown(struct fixture *f)
{
    log_set_sink(NULL, NULL);
    assert_int_equal(rmdir(f->folder), 0); /* nothing is left behind */
    ev_loop_destroy(f->loop);
    free(f);
}

static struct control *start(struct fixture *f)
{
    struct control *control;

    assert_int_equal(control_new(f->loop, f->path, false, on_request, f, &control), OK);
    return control;
}

static void refused(struct fixture *f, int error, const char *words)
{
    struct control *control;

    assert_int_equal(control_new(f->loop, f->path, false, on_request, f, &control), error);
    assert_null(control);
    assert_int_equal(f->line[0], 'E');
    assert_non_null(strstr(f->line, f->path));
    assert_non_null(strstr(f->line, words));
}

static int dial(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Runs the loop until the answer has ended; returns its length. */
static size_t read_all(struct fixture *f, int fd, char *buffer, size_t size)
{
    size_t used = 0;

    for (;;) {
        ssize_t n;

        n = recv(fd, buffer + used, size - used, 0);
        if (n == 0)
            return used;
        if (n > 0) {
            used += (size_t)n;
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        ev_run(f->loop, EVRUN_ONCE);
    }
}

static void ask(struct fixture *f, const char *request, const char *wanted)
{
    char buffer[256];
    int fd = dial(f);
    size_t length =
        read_all(f, (send(fd, request, strlen(request), 0), fd), buffer, sizeof(buffer));

    assert_int_equal(length, strlen(wanted));
    assert_memory_equal(buffer, wanted, length);
    close(fd);
}

/* ---- the file ---- */

static void test_only_its_owner_may_use_it(void **state)
{
    struct fixture *f = setup();
    struct control *control;
    struct stat status;
    mode_t mask = umask(0);
    (void)state;

    control = start(f);
    umask(mask);
    assert_int_equal(stat(f->path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0600);
    control_free(control);
    assert_int_equal(stat(f->path, &status), -1);
    teardown(f);
}

static void test_the_folder_is_made(void **state)
{
    struct fixture *f = setup();
    struct control *control;
    char made[80];
    struct stat status;
    (void)state;

    snprintf(made, sizeof(made), "%s/made", f->folder);
    snprintf(f->path, sizeof(f->path), "%s/a.sock", made);
    control = start(f);
    assert_int_equal(stat(made, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    ask(f, "hello\n", "you said hello\n");
    control_free(control);
    assert_int_equal(rmdir(made), 0);
    /* It does not make the folders above. */
    snprintf(f->path, sizeof(f->path), "%s/made/deep/a.sock", f->folder);
    refused(f, ERROR_SYSTEM, "No such file");
    teardown(f);
}

static void test_a_folder_that_others_can_write_to(void **state)
{
    struct fixture *f = setup();
    struct control *control;
    (void)state;

    assert_int_equal(chmod(f->folder, 0777), 0);
    refused(f, ERROR_PERMISSION, "others can write");
    assert_int_equal(chmod(f->folder, 01777), 0); /* as /tmp is */
    control = start(f);
    control_free(control);
    teardown(f);
}

static void test_a_dead_socket_is_replaced(void **state)
{
    struct fixture *f = setup();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct control *control;
    (void)state;

    strcpy(address.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd); /* as after kill -9 */
    control = start(f);
    ask(f, "hello\n", "you said hello\n");
    control_free(control);
    teardown(f);
}

static void test_a_live_socket_is_left_alone(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f), *second;
    (void)state;

    refused(f, ERROR_DENIED, "another process serves it");
    ask(f, "hello\n", "you said hello\n");
    assert_int_equal(control_new(f->loop, f->path, true, on_request, f, &second),
                     ERROR_DENIED);
    assert_int_equal(f->line[0], 'W');
    ask(f, "hello\n", "you said hello\n");
    control_free(control);
    teardown(f);
}

static void test_a_socket_in_its_place_is_not_removed(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f), *other;
    (void)state;

    assert_int_equal(unlink(f->path), 0);
    other = start(f);
    control_free(control);
    ask(f, "hello\n", "you said hello\n");
    control_free(other);
    teardown(f);
}

static void test_what_is_no_socket_is_kept(void **state)
{
    struct fixture *f = setup();
    int fd = open(f->path, O_CREAT | O_WRONLY, 0600);
    (void)state;

    assert_true(fd >= 0);
    close(fd);
    refused(f, ERROR_DENIED, "not a socket");
    assert_int_equal(unlink(f->path), 0);
    teardown(f);
}

static void test_a_name_that_is_too_long(void **state)
{
    struct fixture *f = setup();
    struct control *control;
    char path[200];
    (void)state;

    snprintf(path, sizeof(path), "%s/%0120d", f->folder, 1);
    assert_int_equal(control_new(f->loop, path, false, on_request, f, &control),
                     ERROR_LIMIT);
    assert_non_null(strstr(f->line, "107"));
    teardown(f);
}

/* ---- clients ---- */

static void test_a_request_in_parts(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f);
    char buffer[64];
    int fd = dial(f);
    size_t length;
    (void)state;

    for (const char *c = "two words"; *c != '\0'; c++) {
        assert_int_equal(send(fd, c, 1, 0), 1);
        ev_run(f->loop, EVRUN_NOWAIT);
    }
    assert_int_equal(f->asked, 0);
    assert_int_equal(send(fd, "\n", 1, 0), 1);
    length = read_all(f, fd, buffer, sizeof(buffer));
    assert_int_equal(length, strlen("you said two words\n"));
    assert_int_equal(f->asked, 1);
    close(fd);
    control_free(control);
    teardown(f);
}

static void test_a_large_answer(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f);
    size_t size = (8 << 20) + 2;
    char *buffer = malloc(size);
    int fd = dial(f);
    (void)state;

    assert_non_null(buffer);
    assert_int_equal(send(fd, "large\n", 6, 0), 6);
    assert_int_equal(read_all(f, fd, buffer, size), size - 1);
    assert_int_equal(buffer[size - 2], '\n');
    close(fd);
    free(buffer);
    control_free(control);
    teardown(f);
}

static void test_an_answer_that_comes_later(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f);
    char buffer[64];
    int fd = dial(f);
    (void)state;

    assert_int_equal(send(fd, "later\n", 6, 0), 6);
    while (f->waiting == NULL)
        ev_run(f->loop, EVRUN_ONCE);
    /* Others are served meanwhile. */
    ask(f, "hello\n", "you said hello\n");
    control_reply(f->waiting, answer_to("later"));
    assert_int_equal(read_all(f, fd, buffer, sizeof(buffer)), strlen("you said later\n"));
    close(fd);
    control_free(control);
    teardown(f);
}

/* Those that go away before their answer keep their places until then, and an answer after
 * the control is gone does no harm. */
static void test_answers_for_nobody(void **state)
{
    struct control_client *waiting[CONTROL_CLIENTS];
    struct fixture *f = setup();
    struct control *control = start(f);
    int fds[CONTROL_CLIENTS];
    (void)state;

    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        fds[i] = dial(f);
        assert_int_equal(send(fds[i], "later\n", 6, 0), 6);
        for (f->waiting = NULL; f->waiting == NULL;)
            ev_run(f->loop, EVRUN_ONCE);
        waiting[i] = f->waiting;
    }
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < CONTROL_CLIENTS / 2; i++)
        control_reply(waiting[i], answer_to("nobody"));
    ask(f, "hello\n", "you said hello\n");
    control_free(control);
    for (int i = CONTROL_CLIENTS / 2; i < CONTROL_CLIENTS; i++)
        control_reply(waiting[i], i % 2 ? answer_to("nobody") : NULL);
    teardown(f);
}

static void test_no_request_and_a_long_one(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f);
    char line[CONTROL_REQUEST_MAX + 2];
    (void)state;

    ask(f, "\n", "you said \n");
    memset(line, 'y', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    ask(f, line, "");
    assert_int_equal(f->asked, 1);
    control_free(control);
    teardown(f);
}

/* Some say nothing, some do not read: the others are served, as far as there is room. */
static void test_clients_that_hold_on(void **state)
{
    struct fixture *f = setup();
    struct control *control = start(f);
    int silent[CONTROL_CLIENTS], late;
    char buffer[64];
    (void)state;

    for (int i = 0; i < CONTROL_CLIENTS - 1; i++) {
        silent[i] = dial(f);
        if (i % 2 == 0)
            assert_int_equal(send(silent[i], "large\n", 6, 0), 6);
    }
    ask(f, "hello\n", "you said hello\n");
    silent[CONTROL_CLIENTS - 1] = dial(f);
    ev_run(f->loop, EVRUN_NOWAIT);
    /* All places are taken: one more waits until another goes. */
    late = dial(f);
    assert_int_equal(send(late, "late\n", 5, 0), 5);
    for (int i = 0; i < 10; i++)
        ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(recv(late, buffer, sizeof(buffer), 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(silent[1]);
    assert_int_equal(read_all(f, late, buffer, sizeof(buffer)), strlen("you said late\n"));
    close(late);
    /* Nobody stays for long: the loop alone ends the silent ones. */
    assert_true(read_all(f, silent[3], buffer, sizeof(buffer)) == 0);
    control_free(control);
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (i != 1)
            close(silent[i]);
    teardown(f);
}

UNIT_MAIN(cmocka_unit_test(test_only_its_owner_may_use_it),
          cmocka_unit_test(test_the_folder_is_made),
          cmocka_unit_test(test_a_folder_that_others_can_write_to),
          cmocka_unit_test(test_a_dead_socket_is_replaced),
          cmocka_unit_test(test_a_live_socket_is_left_alone),
          cmocka_unit_test(test_a_socket_in_its_place_is_not_removed),
          cmocka_unit_test(test_what_is_no_socket_is_kept),
          cmocka_unit_test(test_a_name_that_is_too_long),
          cmocka_unit_test(test_a_request_in_parts), cmocka_unit_test(test_a_large_answer),
          cmocka_unit_test(test_an_answer_that_comes_later),
          cmocka_unit_test(test_answers_for_nobody),
          cmocka_unit_test(test_no_request_and_a_long_one),
          cmocka_unit_test(test_clients_that_hold_on))
