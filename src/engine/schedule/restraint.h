/* What bulk may keep on its way on each path; see restraint.c. Part of session_internal.h.
 */
#ifndef SPLITSOCKS_RESTRAINT_H
#define SPLITSOCKS_RESTRAINT_H

#include <splitsocks/engine/session/session.h>

struct path;

/* Of a path. */
struct restraint {
    bool bounded;       /* `room` holds */
    uint64_t room;      /* bytes of bulk that may go now */
    bool held, spare;   /* in the running window bulk was held back; it lacked, with room */
    uint64_t window_ns; /* when that began; 0 = there is none */
    uint64_t window_bytes;         /* what the path had delivered then */
    uint64_t rate_seen;            /* bytes a second: the highest of the windows */
    uint64_t lifted_ns, lift_ns;   /* lifted until then; for how long */
    uint64_t drained_ns, least_ns; /* when a drain ends; the least round trip before it */
    uint64_t drain_ns;             /* when the next is due */
};

/* A stream begins. */
void restraint_note_opened(struct session *session);
/* New data of the stream is about to count as sent. */
void restraint_note_sent(struct session *session, struct stream *stream);
/* How often subflows are to be measured, where `usual_ns` does without restraint. */
uint64_t restraint_measure_ns(const struct session *session, uint64_t usual_ns);
/* Looks how much bulk may go, once before subflows are asked for what they should carry. */
void restraint_update(struct session *session);
void restraint_spend(struct session *session, unsigned path, uint64_t bytes);
/* No bulk is to go on the path now. */
bool restraint_holds(const struct session *session, unsigned path);
uint64_t restraint_timeout(const struct session *session);

#endif
