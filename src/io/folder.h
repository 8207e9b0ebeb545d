/* SPDX-License-Identifier: MIT */
/* The folders of files that are written. */
#ifndef IO_FOLDER_H
#define IO_FOLDER_H

#include <splitsocks/base/attributes.h>

/* The folder of the file: a new string (free()); NULL when memory is out. */
char *folder_of(const char *path) MUST_CHECK;
/* Makes the folder and those above it, for this user alone. `folder` is changed meanwhile.
 * Returns OK, or ERROR_SYSTEM with errno set. */
int folder_make(char *folder) MUST_CHECK;

#endif
