/* SPDX-License-Identifier: MIT */
/* Notices a configuration of the other side. */
#ifndef CONFIG_SIDE_H
#define CONFIG_SIDE_H

#include "schema.h"

extern const struct option local_options[]; /* of config_local.c */
extern const struct option relay_options[]; /* of config_relay.c */

/* Reports a text that has more keys only of the other side than keys only of its own.
 * `members` are the options of the expected side. */
int check_side(struct reader *reader, const struct option *members,
               json_t *tree) MUST_CHECK;

#endif
