/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD: a wall clock that is wrong by as many seconds as the file WRONG_CLOCK says
 * when it is read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long read_offset(void)
{
    const char *path = getenv("WRONG_CLOCK");
    char text[32];
    ssize_t length = 0;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        length = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[length > 0 ? length : 0] = '\0';
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long result = syscall(SYS_clock_gettime, clock, time);

    if (result == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += read_offset();
    return (int)result;
}
