/* SPDX-License-Identifier: MIT */
/* Why a stream was reset for want of memory, in words for the log. */
#ifndef SPLITSOCKS_SHED_TEXT_H
#define SPLITSOCKS_SHED_TEXT_H

#include <splitsocks/engine/session/session.h>

/* Enough for every such text, with the longest destination. */
#define SHED_TEXT_SIZE 640

/* Describes a SESSION_SHED. `bound` names the bound, e.g. the key that sets it. Returns
 * `text`. */
const char *shed_describe(const struct session_event *event, const char *bound,
                          char text[SHED_TEXT_SIZE]);

#endif
