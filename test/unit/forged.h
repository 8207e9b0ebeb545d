/* SPDX-License-Identifier: MIT */
/* Frames of the test's choice in a chunk that the session of a peer takes for genuine. */
#ifndef TEST_UNIT_FORGED_H
#define TEST_UNIT_FORGED_H

#include "session_pair.h"

struct forged {
    struct wire_writer w;
    uint8_t bytes[4096];
};

/* Begins anew; the frames are to be written to what it returns. */
struct wire_writer *forge(struct forged *forged);
/* A subflow on which the session may send. */
struct subflow *forged_subflow(struct session *session);
/* The frames, sealed as the next chunk of the sender's subflow. The caller frees it. */
uint8_t *forged_seal(struct pair *pair, struct subflow *subflow,
                     const struct forged *forged, size_t *size);

#endif
