/* SPDX-License-Identifier: MIT */
/* Where local and relay keep their states from one run to the next. */
#ifndef APP_STATE_FILE_H
#define APP_STATE_FILE_H

#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

/* The file of the configuration at `config_path`; else "state" in the state folder of the
 * systemd service, or of the user. A new string (free()); NULL when there is no such
 * place, which is logged. */
char *find_state_file(const char *config_path, const struct config_local *config);
/* The same path, without logging or changing anything. */
char *state_file_place(const char *config_path, const struct config_local *config);

/* The same for a relay, whose file is called "relay" by default. The stamps of accepted
 * HELLOs have a file of their own beside it. */
char *relay_state_place(const char *config_path, const struct config_relay *config);
char *find_stamp_file(const char *config_path, const struct config_relay *config);
char *stamp_file_place(const char *config_path, const struct config_relay *config);

#endif
