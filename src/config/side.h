/* SPDX-License-Identifier: MIT */
/* Which of the two sides a configuration is for. */
#ifndef CONFIG_SIDE_H
#define CONFIG_SIDE_H

#include "schema.h"

extern const struct option local_options[]; /* of config_local.c */
extern const struct option relay_options[]; /* of config_relay.c */

/* Reports a text that has more keys of the other side alone than of its own alone: it is
 * the other side's. `members` are the options of the side that is wanted. */
int check_side(struct reader *reader, const struct option *members,
               json_t *tree) MUST_CHECK;

#endif
