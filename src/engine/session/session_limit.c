/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/session/session_limit.h>

#include "session_parts.h"

#include <splitsocks/base/list.h>

#include <stdio.h>

/* A live local that has lost its last connection dials again within BACKOFF_MAX_NS: in
 * this time it has tried several times. */
#define DESERTED_NS (10 * NS_PER_S)

/* A client that was killed and started again leaves its old sessions behind. A live client
 * sends a PING on each idle subflow: one of two in a row must have arrived. */
static bool is_deserted(const struct session *session, uint64_t now)
{
    uint64_t deserted_after_ns = session->subflows.open_count > 0
                                     ? 2 * keepalive_longest_ns(&session->subflows)
                                     : DESERTED_NS;

    return now - MIN(now, session->contact_at_ns) >= deserted_after_ns;
}

/* Counts the client's sessions; the one that is deserted for longest, or NULL. */
static struct session *find_deserted(struct list *sessions, unsigned client, uint64_t now,
                                     unsigned *count)
{
    struct session *oldest = NULL;

    *count = 0;
    list_foreach(sessions, node, after) {
        struct session *session = list_entry(node, struct session, admitted);

        if (session->client != client || session->context.state != SESSION_STATE_UP)
            continue;
        ++*count;
        if (is_deserted(session, now) &&
            (oldest == NULL || session->contact_at_ns < oldest->contact_at_ns))
            oldest = session;
    }
    return oldest;
}

struct session *session_limit_desert(struct list *sessions, unsigned client, uint64_t now)
{
    unsigned count;
    struct session *oldest = find_deserted(sessions, client, now, &count);

    if (oldest != NULL)
        session_close(oldest, CLOSE_LIMIT,
                      "another session of this key has taken its place", now);
    return oldest;
}

bool session_limit_allows(struct list *sessions, unsigned client, unsigned most,
                          uint64_t now, struct session **replaced)
{
    unsigned count;

    (void)find_deserted(sessions, client, now, &count);
    if (count < most)
        return true;
    *replaced = session_limit_desert(sessions, client, now);
    return *replaced != NULL;
}

void session_limit_refuse(struct session *session, unsigned most, uint64_t now)
{
    char reason[FRAME_REASON_MAX];

    snprintf(reason, sizeof(reason),
             "the relay already serves %u session%s of this key (clients[].max_sessions)",
             most, most == 1 ? "" : "s");
    session_close(session, CLOSE_LIMIT, reason, now);
}
