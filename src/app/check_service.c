/* SPDX-License-Identifier: MIT */
#include "check_start.h"

#include "read_file.h"

#include <splitsocks/base/log.h>

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The user of the units in contrib/systemd. */
#define SERVICE_USER "splitsocks"
#define SERVICE_FOLDER "/etc/splitsocks/"

/* Whether the user can read the file. Asks the kernel, in a process that has become the
 * user: modes, groups and access lists all count. True also when that cannot be told. */
static bool can_read(const struct passwd *user, const char *path)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
            setuid(user->pw_uid) != 0)
            _exit(0);
        _exit(access(path, R_OK) == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return true;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

static void check_readable(const struct passwd *user, const char *path)
{
    if (access(path, F_OK) == 0 && !can_read(user, path))
        log_warning("%s cannot be read by the user " SERVICE_USER
                    ", as whom the service runs; do: chown " SERVICE_USER
                    " %s (and see that "
                    "its folder is open to that user)",
                    path, path);
}

void check_service(const char *path, const char *private_key_file)
{
    char real[PATH_MAX];
    const struct passwd *user;
    char *key;

    if (geteuid() != 0 || realpath(path, real) == NULL ||
        strncmp(real, SERVICE_FOLDER, strlen(SERVICE_FOLDER)) != 0)
        return;
    user = getpwnam(SERVICE_USER);
    if (user == NULL) {
        log_warning("%s: the service runs as the user " SERVICE_USER
                    ", which does not exist; do: systemd-sysusers, or useradd "
                    "--system " SERVICE_USER,
                    path);
        return;
    }
    check_readable(user, path);
    key = resolve_file(path, private_key_file);
    if (key != NULL)
        check_readable(user, key);
    free(key);
}
