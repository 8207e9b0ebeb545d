/* SPDX-License-Identifier: MIT */
#include "local_mode.h"

enum stream_mode local_mode(enum config_mode mode)
{
    switch (mode) {
    case CONFIG_MODE_REDUNDANT: return STREAM_MODE_REDUNDANT;
    case CONFIG_MODE_AUTO: return STREAM_MODE_AUTO;
    default: return STREAM_MODE_SPLIT;
    }
}
