/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <splitsocks/base/error.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return strndup(path, (size_t)MAX(slash - path, 1));
}

int folder_make(char *folder)
{
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return ERROR_SYSTEM;
        *at = '/';
    }
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? OK : ERROR_SYSTEM;
}
