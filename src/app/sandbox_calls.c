/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "sandbox_wanted.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/log.h>

#include "config.h"

#if defined(HAVE_SECCOMP) && defined(WITH_SANDBOX)

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Allowed with any arguments, so that the kernel keeps them in a bitmap and runs no filter
 * for them. Names that an architecture lacks are left out. There is no execve, no ptrace,
 * no mount, no setuid, and nothing that makes a process. */
static const char *const calls[] = {
    "accept",
    "accept4",
    "access",
    "bind",
    "brk",
    "clock_getres",
    "clock_gettime",
    "clock_gettime64",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "close",
    "connect",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchmod",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "futex",
    "futex_time64",
    "getcwd",
    "getdents",
    "getdents64",
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getpeername",
    "getpid",
    "getppid",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "getuid32",
    "listen",
    "_llseek",
    "lseek",
    "lstat",
    "lstat64",
    "madvise",
    "mkdir",
    "mkdirat",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "_newselect",
    "open",
    "openat",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pread64",
    "prlimit64",
    "pselect6",
    "pselect6_time64",
    "pwrite64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "restart_syscall",
    "rmdir",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "select",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "setrlimit",
    "setsockopt",
    "shutdown",
    "sigaltstack",
    "sigreturn",
    "socket",
    "socketpair",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statx",
    "sysinfo",
    "time",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_gettime64",
    "timerfd_settime",
    "timerfd_settime64",
    "ugetrlimit",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "write",
    "writev",
};

/* Requests of ioctl: what a socket has not sent yet, names of interfaces, and whether
 * something is a terminal. Not TIOCSTI, which types on it. */
static const uint64_t requests[] = {
    SIOCOUTQ, SIOCOUTQNSD, FIONREAD, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFMTU, TCGETS,
};

/* Threads of this process alone are made (the log's, the resolver's). The flags of clone3
 * lie in memory, which a filter cannot read: libc goes back to clone when it is told that
 * there is no clone3. */
static int add_threads(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    if (error != 0)
        return error;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
#ifdef __s390x__ /* where flags and stack have changed places, clone(2) */
                            SCMP_A1_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)
#else
                            SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)
#endif
    );
}

/* Memory is never both written and executed: loading a library fails, and is no attack. */
static int add_memory(scmp_filter_ctx filter)
{
    static const char *const names[] = {"mmap", "mmap2", "mprotect"};
    int error = 0;

    for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(names); i++) {
        int number = seccomp_syscall_resolve_name(names[i]);

        if (number == __NR_SCMP_ERROR)
            continue;
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                 SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (error == 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                                     SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    }
    return error;
}

/* The name of a thread, its own signal of abort(), and requests of ioctl. */
static int add_by_argument(scmp_filter_ctx filter)
{
    uint64_t self = (uint64_t)getpid();
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                 SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME, 0));

    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0_64(SCMP_CMP_EQ, self, 0));
    for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(requests); i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                 SCMP_A1_64(SCMP_CMP_EQ, requests[i], 0));
    return error;
}

static int add_calls(scmp_filter_ctx filter)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(calls); i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);

        if (number != __NR_SCMP_ERROR)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    return error;
}

void sandbox_calls(void)
{
    scmp_filter_ctx filter;
    int error;

    if (!sandbox_wanted())
        return;
    filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL)
        return;
    error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0)
        error = add_calls(filter);
    if (error == 0)
        error = add_threads(filter);
    if (error == 0)
        error = add_memory(filter);
    if (error == 0)
        error = add_by_argument(filter);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    if (error != 0)
        log_warning("cannot give up system calls (seccomp: %s)", strerror(-error));
}

#else

void sandbox_calls(void)
{
    if (sandbox_wanted())
        log_debug("built without seccomp: the process may make any system call");
}

#endif
