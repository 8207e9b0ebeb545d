/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "sandbox_wanted.h"

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/log.h>

#include "config.h"

static bool closed;

bool sandbox_files_closed(void)
{
    return closed;
}

#if defined(HAVE_LINUX_LANDLOCK_H) && defined(WITH_SANDBOX)

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* landlock(7). Later versions know more rights, which are not asked for here: the rights of
 * version 1 cover opening, and making and removing files. */
#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK)
#define RIGHTS_NONE \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)

static const char *const system_folders[] = {"/dev", "/etc", "/lib", "/proc",
                                             "/run", "/sys", "/usr"};

static void allow(int ruleset, const char *folder, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights,
        .parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC),
    };

    if (rule.parent_fd < 0)
        return;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        log_debug("sandbox: %s: %s", folder, strerror(errno));
    close(rule.parent_fd);
}

static void allow_folders_of(int ruleset, const char *const *files, size_t count,
                             uint64_t rights)
{
    for (size_t i = 0; i < count; i++) {
        char *copy = files[i] != NULL ? strdup(files[i]) : NULL;

        if (copy != NULL)
            allow(ruleset, dirname(copy), rights);
        free(copy);
    }
}

void sandbox_files(const char *const *read, size_t read_count, const char *const *written,
                   size_t written_count)
{
    const struct landlock_ruleset_attr handled = {
        .handled_access_fs = RIGHTS_READ | RIGHTS_WRITE | RIGHTS_NONE};
    int ruleset;

    if (!sandbox_wanted())
        return;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (ruleset < 0) {
        log_debug("this kernel has no Landlock (%s): files stay open to the process",
                  strerror(errno));
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(system_folders); i++)
        allow(ruleset, system_folders[i], RIGHTS_READ);
    allow_folders_of(ruleset, read, read_count, RIGHTS_READ);
    allow_folders_of(ruleset, written, written_count, RIGHTS_READ | RIGHTS_WRITE);
    closed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
             syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!closed)
        log_warning("cannot give up other files: %s", strerror(errno));
    close(ruleset);
}

#else

void sandbox_files(const char *const *read, size_t read_count, const char *const *written,
                   size_t written_count)
{
    (void)read;
    (void)read_count;
    (void)written;
    (void)written_count;
    if (sandbox_wanted())
        log_debug("built without Landlock: files stay open to the process");
}

#endif
