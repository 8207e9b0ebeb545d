/* SPDX-License-Identifier: MIT */
/* Checks the paths of a local against this machine as it is now, for `splitsocks
 * check`. */
#ifndef APP_CHECK_PATHS_H
#define APP_CHECK_PATHS_H

#include <splitsocks/config/config_local.h>

/* Logs warnings. */
void check_paths(const struct config_local *config);

#endif
