/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/policy.h>

const char *stream_mode_string(enum stream_mode mode)
{
    switch (mode) {
    case STREAM_MODE_REDUNDANT: return "redundant";
    case STREAM_MODE_AUTO: return "auto";
    default: return "split";
    }
}

const char *flow_mode_string(enum flow_mode mode)
{
    static const char *const names[FLOW_MODES] = {"auto", "split", "redundant"};

    return names[mode];
}
