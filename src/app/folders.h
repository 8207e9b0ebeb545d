/* SPDX-License-Identifier: MIT */
/* Folders from the environment. */
#ifndef APP_FOLDERS_H
#define APP_FOLDERS_H

/* The absolute path in an environment variable, or NULL. Borrowed. */
const char *environment_folder(const char *name);
/* The user's home: $HOME, or else the user database's, since cron jobs and containers may
 * lack the variable; NULL without either. Borrowed until the next call. */
const char *home_folder(void);

#endif
