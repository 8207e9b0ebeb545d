/* SPDX-License-Identifier: MIT */
/* Relay: how many sessions a client may have, and what happens to one more. */
#ifndef SPLITSOCKS_SESSION_LIMIT_H
#define SPLITSOCKS_SESSION_LIMIT_H

#include <splitsocks/engine/session/session.h>

struct list;

/* Whether the client may have one more of the worker's `sessions`, of which `most` may be
 * up. Where it has all that it may have, a session that is deserted gives its place: it is
 * closed, and *replaced is set to it. One that is alive never does. */
bool session_limit_allows(struct list *sessions, unsigned client, unsigned most,
                          uint64_t now, struct session **replaced);
/* Closes a session that is one too many, and tells local why. It was marked as refused from
 * its beginning: of what the client has sent in it nothing was done. */
void session_limit_refuse(struct session *session, unsigned most, uint64_t now);

#endif
