/* SPDX-License-Identifier: MIT */
/* Where a local keeps what it remembers from one run to the next. */
#ifndef APP_STATE_FILE_H
#define APP_STATE_FILE_H

#include <splitsocks/config/config_local.h>

/* What the configuration at `config_path` says; else "state" in the folder for state that
 * systemd gives the service, or else that of the user. A new string (free()); NULL when
 * there is no such place, which is logged. */
char *find_state_file(const char *config_path, const struct config_local *config);
/* The same place, without a word and without anything being done. */
char *state_file_place(const char *config_path, const struct config_local *config);

#endif
