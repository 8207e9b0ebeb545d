/* SPDX-License-Identifier: MIT */
#include "folders.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *environment_folder(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] == '/' ? value : NULL;
}

const char *home_folder(void)
{
    const char *home = environment_folder("HOME");
    const struct passwd *user = home == NULL ? getpwuid(geteuid()) : NULL;

    return user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : home;
}
