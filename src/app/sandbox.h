/* SPDX-License-Identifier: MIT */
/*
 * What a daemon, or `connect`, gives up once it serves: files that it does not need
 * (Landlock), and system calls that it never makes (seccomp). A peer that found a way to
 * run code in it could read no other file, start no program and debug no other process.
 *
 * Where the kernel or the build lacks one of the two, the other is used alone. Sanitizers
 * and valgrind make system calls of their own: builds with sanitizers give up nothing, and
 * neither does a process with SPLITSOCKS_SANDBOX=off in its environment.
 */
#ifndef APP_SANDBOX_H
#define APP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* From here on this thread, and those that it starts, open only files below the folders of
 * `read`, which they read, and of the `written` files, in which they make and remove files;
 * and those of the system: /dev, /etc, /lib, /proc, /run, /sys and /usr, which they read.
 * Folders that do not exist are left out, and NULL, too. A reload needs the files of the
 * configuration. */
void sandbox_files(const char *const *read, size_t read_count, const char *const *written,
                   size_t written_count);

/* Whether that was done. */
bool sandbox_files_closed(void);

/* From here on all threads make only the system calls that local and relay need. Another
 * call ends the process with SIGSYS. */
void sandbox_calls(void);

#endif
