/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/process_use.h>

#include <splitsocks/base/attributes.h>

#include <stdio.h>
#include <time.h>
#include <unistd.h>

uint64_t process_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re"); /* proc(5): in pages */
    unsigned long long pages = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_thread_cpu_ns(void)
{
    struct timespec time = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}
