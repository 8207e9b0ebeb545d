#include "../session/session_internal.h"

#include <stdlib.h>
#include <string.h>

struct session_event *outbox_push(struct session *session, enum session_event_type type)
{
    struct session_event *event = ring_push(&session->events);

    /* Events are few and small; without them the driver cannot go on. */
    if (event == NULL)
        abort();
    memset(event, 0, sizeof(*event));
    event->type = type;
    return event;
}

void outbox_fail(struct session *session, enum error error, const char *reason)
{
    if (session->failure != OK)
        return;
    session->failure = error;
    session->failure_reason = reason;
}

uint64_t context_random(struct session *session)
{
    /* splitmix64 (Steele, Lea, Flood 2014): spreads choices, hides nothing. */
    uint64_t z = session->random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
