/* SPDX-License-Identifier: MIT */
/* A worker's part of the relay's status. */
#ifndef RELAY_PART_H
#define RELAY_PART_H

#include <splitsocks/base/error.h>

#include <stdint.h>

/* Why a connection got no answer. */
enum relay_silence {
    RELAY_SILENCE_STRANGER, /* it does not know the relay's public key */
    RELAY_SILENCE_MALFORMED,
    RELAY_SILENCE_NOT_LISTED,
    RELAY_SILENCE_REPLAYED,
    RELAY_SILENCE_TOO_MANY, /* failures of its address, or of all */
    RELAY_SILENCE_OTHER_SERVER,
    RELAY_SILENCE_NO_SESSION, /* no HELLO, and no JOIN of a session */
    RELAY_SILENCE_EVICTED,    /* limits.unauthenticated or limits.half_open was met */
    RELAY_SILENCE_FAILED,     /* this side could not */
};
#define RELAY_SILENCES 9

/* Of one worker. */
struct relay_handshakes {
    uint64_t answered, joined; /* HELLOs, and connections that became subflows */
    uint64_t refused[RELAY_SILENCES];
};

/* `why` as in struct arrival_result. */
void relay_handshakes_refuse(struct relay_handshakes *handshakes, enum error why);

struct relay_worker;

/* Answers the newest question of the relay's status, if the worker has not done so. For the
 * worker's thread. */
void relay_part_tell(struct relay_worker *worker);
/* What was told last is not needed any more. */
void relay_part_deinit(struct relay_worker *worker);

#endif
