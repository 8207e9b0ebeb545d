/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/outbox/context.h>

#include <stdlib.h>
#include <string.h>

struct session_event *outbox_push(struct context *context, enum session_event_type type)
{
    struct session_event *event = ring_push(&context->events);

    /* Events are few and small; without them the driver cannot go on. */
    if (event == NULL)
        abort();
    memset(event, 0, sizeof(*event));
    event->type = type;
    return event;
}

void outbox_fail(struct context *context, enum error error, const char *reason)
{
    if (context->failure != OK)
        return;
    context->failure = error;
    context->failure_reason = reason;
}

uint64_t context_random(struct context *context)
{
    /* splitmix64 (Steele, Lea, Flood 2014): spreads choices, hides nothing. */
    uint64_t z = context->random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
