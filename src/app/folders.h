/* SPDX-License-Identifier: MIT */
/* Folders that the environment names. */
#ifndef APP_FOLDERS_H
#define APP_FOLDERS_H

/* An absolute path in the environment, or NULL. Borrowed. */
const char *environment_folder(const char *name);
/* The user's own: $HOME, else what the user database says, since cron jobs and containers
 * may lack the variable; NULL without either. Borrowed until the next call. */
const char *home_folder(void);

#endif
