/* SPDX-License-Identifier: MIT */
/* Notices a configuration of the other side. */
#ifndef CONFIG_SIDE_H
#define CONFIG_SIDE_H

#include "schema.h"

extern const struct option local_root; /* local_options.c: struct config_local */
extern const struct option relay_root; /* relay_options.c: struct config_relay */

/* Reports a text that has more keys of the other side alone than keys of its own side
 * alone. `root` is that of the expected side. */
tree_check check_side;

#endif
