/* SPDX-License-Identifier: MIT */
/* Relay: bounds how many sessions a client may have. */
#ifndef SPLITSOCKS_SESSION_LIMIT_H
#define SPLITSOCKS_SESSION_LIMIT_H

#include <splitsocks/engine/session/session.h>

struct list;

/* Whether the client may have one more of the worker's `sessions`, of which at most `most`
 * may be up. If the client has that many, a deserted one makes room: it is closed, and
 * *replaced is set to it. A live session is never closed for this. */
bool session_limit_allows(struct list *sessions, unsigned client, unsigned most,
                          uint64_t now, struct session **replaced);
/* Closes the client's session that is deserted for longest, and returns it; NULL: none
 * is. */
struct session *session_limit_desert(struct list *sessions, unsigned client, uint64_t now);
/* Closes a session beyond the limit, and tells local why. The session was marked as
 * refused from its beginning, so nothing that the client sent in it had an effect. */
void session_limit_refuse(struct session *session, unsigned most, uint64_t now);

#endif
