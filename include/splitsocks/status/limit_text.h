/* SPDX-License-Identifier: MIT */
/* What the network lets connections do, in words and names: for the log,
 * the status and the state file. */
#ifndef SPLITSOCKS_LIMIT_TEXT_H
#define SPLITSOCKS_LIMIT_TEXT_H

#include <splitsocks/engine/session/session.h>

/* The names in the status document and in the state file. */
const char *limit_kind_name(enum profile_kind kind);
const char *limit_coordinate_name(enum profile_coordinate coordinate);

#define LIMIT_TEXT_SIZE 768

/* "connections on port 443 freeze after about 16 kB down; each carries 13 kB now". `where`
 * is "on port 443" in this case, and may be "". Returns `text`. */
const char *limit_text(const struct session_limit *limit, const char *where,
                       char text[LIMIT_TEXT_SIZE]);

#endif
