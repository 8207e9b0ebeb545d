/* SPDX-License-Identifier: MIT */
/* What `splitsocks check` finds out about the paths of a local on this machine, as it is
 * now. */
#ifndef APP_CHECK_PATHS_H
#define APP_CHECK_PATHS_H

#include <splitsocks/config/config_local.h>

/* Each warning goes to the log. */
void check_paths(const struct config_local *config);

#endif
