/* SPDX-License-Identifier: MIT */
/* What the network lets connections do, in words: for the log and for the status. */
#ifndef SPLITSOCKS_LIMIT_TEXT_H
#define SPLITSOCKS_LIMIT_TEXT_H

#include <splitsocks/engine/session/session.h>

#define LIMIT_TEXT_SIZE 768

/* "connections on port 443 freeze after about 16 kB down; each carries 13 kB now". `where`
 * is "on port 443" in this case, and may be "". Returns `text`. */
const char *limit_text(const struct session_limit *limit, const char *where,
                       char text[LIMIT_TEXT_SIZE]);

#endif
