/* SPDX-License-Identifier: MIT */
/* How the data of one stream is spread over paths. The rules of local choose it, local
 * tells the relay, and each side applies it to the data that it sends. */
#ifndef SPLITSOCKS_POLICY_H
#define SPLITSOCKS_POLICY_H

#include <stdint.h>

enum stream_mode {
    STREAM_MODE_SPLIT = 0, /* each byte once, on the subflow that delivers it earliest */
    STREAM_MODE_REDUNDANT = 1, /* each byte on several paths; the first to arrive counts */
    STREAM_MODE_AUTO = 2,      /* redundant while young or interactive, split when bulk */
};
#define STREAM_MODES 3

/* "split", "redundant" or "auto". */
const char *stream_mode_string(enum stream_mode mode);

/* All zero is the default: split over every path. */
struct stream_policy {
    uint8_t mode;   /* enum stream_mode */
    uint8_t copies; /* redundant: paths that carry each byte; 0 = all that work */
    uint16_t paths; /* bit i: path i may carry the stream; 0 = every path may */
};

#endif
