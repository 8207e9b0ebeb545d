/* SPDX-License-Identifier: MIT */
/*
 * Faults in system calls, for programs that are linked with $(FAULTS): the linker puts the
 * functions of faults.c between the program and the C library. Set faults before another
 * thread starts, or when none runs.
 */
#ifndef TEST_FAULTS_H
#define TEST_FAULTS_H

#include <stddef.h>

enum fault_call {
    FAULT_SEND,
    FAULT_SENDMSG,
    FAULT_RECV,
    FAULT_READV,
    FAULT_SOCKET,
    FAULT_ACCEPT,
    FAULT_CALLS
};

#define FAULT_ANY_FD (-1)

/* The next `count` calls for `fd` fail with `error`, an errno value. */
void fault_fail(enum fault_call call, int fd, unsigned count, int error);
/* The same, after `skip` calls that go as they should. */
void fault_fail_after(enum fault_call call, unsigned skip, unsigned count, int error);
/* Each call for `fd` moves `most` bytes at most. */
void fault_shorten(enum fault_call call, int fd, size_t most);
/* How many of the failures that fault_fail() asked for are still to come. */
unsigned fault_left(enum fault_call call);
void fault_clear(void);

#endif
