/* SPDX-License-Identifier: MIT */
/* How the data of one stream, or of one flow, is spread over paths. The rules of local
 * choose it, local tells the relay, and each side applies it to the data that it sends. */
#ifndef SPLITSOCKS_POLICY_H
#define SPLITSOCKS_POLICY_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
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

enum flow_mode {
    FLOW_MODE_AUTO = 0,      /* as many copies as its rate makes cheap */
    FLOW_MODE_SPLIT = 1,     /* each datagram once */
    FLOW_MODE_REDUNDANT = 2, /* each on several paths; the first to arrive counts */
};
#define FLOW_MODES 3

/* "auto", "split" or "redundant". */
const char *flow_mode_string(enum flow_mode mode);

/* How long a datagram may wait to be sent, if the policy does not say: a call or QUIC deals
 * better with a loss than with a delay; a resolver asks again after seconds. */
#define FLOW_AGE_NS (200 * NS_PER_MS)
#define FLOW_AGE_DNS_NS (2 * NS_PER_S)
#define FLOW_MAX_AGE_NS (60 * NS_PER_S) /* the largest that a policy may have */

/* All zero is the default: auto over every path. */
struct flow_policy {
    uint8_t mode;        /* enum flow_mode */
    uint8_t copies;      /* redundant: paths that carry each datagram; 0 = all that work */
    uint16_t paths;      /* bit i: path i may carry the flow; 0 = every path may */
    bool filter_address; /* relay: only addresses to which the flow has sent may answer */
    uint64_t max_age_ns; /* longest wait before a datagram is sent; whole milliseconds.
                            0: FLOW_AGE_NS, and FLOW_AGE_DNS_NS for port 53 */
};

#endif
