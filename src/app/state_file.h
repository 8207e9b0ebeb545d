/* SPDX-License-Identifier: MIT */
/* Where a local keeps its state from one run to the next. */
#ifndef APP_STATE_FILE_H
#define APP_STATE_FILE_H

#include <splitsocks/config/config_local.h>

/* The file of the configuration at `config_path`; else "state" in the state folder of the
 * systemd service, or of the user. A new string (free()); NULL when there is no such
 * place, which is logged. */
char *find_state_file(const char *config_path, const struct config_local *config);
/* The same path, without logging or changing anything. */
char *state_file_place(const char *config_path, const struct config_local *config);

#endif
