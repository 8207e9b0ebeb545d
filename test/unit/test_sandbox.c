/* SPDX-License-Identifier: MIT */
/* What a daemon has given up: each call and file outside ends in SIGSYS or EACCES. Each
 * case runs in a child of its own. */
#include "../../src/app/sandbox.h"

#include "unit.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef WITH_SANDBOX
#define WITH_SANDBOX 0
#endif
#ifndef HAVE_SECCOMP
#define HAVE_SECCOMP 0
#endif

/* The status of wait(2) of a child that runs `body` and then exits with its result. */
static int status_of(int (*body)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Without it there is nothing to see. */
static bool has_seccomp(void)
{
    return WITH_SANDBOX && HAVE_SECCOMP && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 &&
           getenv("UNDER_VALGRIND") == NULL;
}

/* ---- calls ---- */

static void *run_nothing(void *context)
{
    return context;
}

static int do_what_daemons_do(void)
{
    pthread_t thread;
    int fd;

    sandbox_calls();
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || close(fd) != 0 || malloc(1 << 20) == NULL ||
           prctl(PR_SET_NAME, "name") != 0 ||
           pthread_create(&thread, NULL, run_nothing, NULL) != 0 ||
           pthread_join(thread, NULL) != 0;
}

static int load_code(void)
{
    void *memory;

    sandbox_calls();
    memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED || errno != EPERM)
        return 1;
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0 ||
           errno != EPERM || mprotect(memory, 4096, PROT_READ) != 0;
}

static int give_up(void)
{
    sandbox_calls();
    abort();
}

static void test_what_daemons_do_is_allowed(void **state)
{
    (void)state;

    setenv("SPLITSOCKS_SANDBOX", "on", 1); /* whatever the environment says */
    if (!has_seccomp())
        return;
    assert_int_equal(status_of(do_what_daemons_do), 0);
    assert_int_equal(status_of(load_code), 0);
    assert_int_equal(WTERMSIG(status_of(give_up)), SIGABRT);
}

static int start_a_program(void)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};

    sandbox_calls();
    return execv("/bin/true", arguments);
}

static int make_a_process(void)
{
    sandbox_calls();
    return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int debug_a_process(void)
{
    sandbox_calls();
    return (int)ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static int become_another_user(void)
{
    sandbox_calls();
    return (int)syscall(SYS_setuid, getuid());
}

static int signal_another_process(void)
{
    sandbox_calls();
    return kill(getppid(), 0);
}

static int type_on_the_terminal(void)
{
    sandbox_calls();
    return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static int make_a_namespace(void)
{
    sandbox_calls();
    return (int)syscall(SYS_unshare, 0);
}

static int become_dumpable(void)
{
    sandbox_calls();
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int look_into_another_process(void)
{
    sandbox_calls();
    return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static void *wait_and_unshare(void *context)
{
    const int *pipe_fd = context;
    char byte;

    return read(*pipe_fd, &byte, 1) == 1 && syscall(SYS_unshare, 0) == 0 ? context : NULL;
}

/* Threads that began before give up the same. */
static int unshare_in_an_older_thread(void)
{
    int pipes[2];
    pthread_t thread;

    if (pipe(pipes) != 0 || pthread_create(&thread, NULL, wait_and_unshare, pipes) != 0)
        return 1;
    sandbox_calls();
    return write(pipes[1], "x", 1) != 1 || pthread_join(thread, NULL) != 0;
}

static void test_another_call_ends_the_process(void **state)
{
    static const struct {
        const char *name;
        int (*body)(void);
    } cases[] = {
        {"start a program", start_a_program},
        {"make a process", make_a_process},
        {"debug a process", debug_a_process},
        {"become another user", become_another_user},
        {"signal another process", signal_another_process},
        {"type on the terminal", type_on_the_terminal},
        {"make a namespace", make_a_namespace},
        {"become dumpable", become_dumpable},
        {"look into another process", look_into_another_process},
        {"make a namespace in a thread that began before", unshare_in_an_older_thread},
    };
    (void)state;

    if (!has_seccomp())
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int status = status_of(cases[i].body);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("to %s ends in %#x", cases[i].name, (unsigned)status);
    }
}

static void test_it_can_be_left_out(void **state)
{
    (void)state;

    setenv("SPLITSOCKS_SANDBOX", "off", 1);
    assert_int_equal(status_of(become_dumpable), 0);
    setenv("SPLITSOCKS_SANDBOX", "on", 1);
}

/* ---- files ---- */

static char top[] = "/tmp/splitsocks-sandbox-XXXXXX";
static char configured[80], stored[80], foreign[80];

static bool can_write(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

static bool can_read(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    return fd >= 0 && close(fd) == 0;
}

static int open_files(void)
{
    const char *read[] = {configured, NULL}, *written[] = {NULL, stored};
    char other[96];

    sandbox_files(read, ARRAY_LENGTH(read), written, ARRAY_LENGTH(written));
    if (can_read(foreign))
        return 77; /* the kernel has no Landlock */
    if (errno != EACCES)
        return 1;
    snprintf(other, sizeof(other), "%s.new", stored);
    if (!can_read(configured) || !can_read("/etc/passwd") || !can_write(other) ||
        rename(other, stored) != 0 || !can_read(stored) || unlink(stored) != 0)
        return 2;
    snprintf(other, sizeof(other), "%s.new", configured);
    return can_write(other) || errno != EACCES || unlink(configured) == 0 ||
           can_write(foreign);
}

static void make_place(char path[80], const char *folder)
{
    snprintf(path, 80, "%s/%s", top, folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, 80, "%s/%s/file", top, folder);
    assert_true(can_write(path));
}

static void test_files(void **state)
{
    char *const paths[] = {configured, stored, foreign};
    int status;
    (void)state;

    assert_non_null(mkdtemp(top));
    make_place(configured, "configured");
    make_place(stored, "stored");
    make_place(foreign, "foreign");
    status = status_of(open_files);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        unlink(paths[i]);
        *strrchr(paths[i], '/') = '\0';
        rmdir(paths[i]);
    }
    rmdir(top);
    if (status == 77 << 8)
        return;
    assert_int_equal(status, 0);
}

UNIT_MAIN(cmocka_unit_test(test_what_daemons_do_is_allowed),
          cmocka_unit_test(test_another_call_ends_the_process),
          cmocka_unit_test(test_it_can_be_left_out), cmocka_unit_test(test_files))
