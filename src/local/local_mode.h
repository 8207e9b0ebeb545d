/* SPDX-License-Identifier: MIT */
/* A mode of the configuration as a mode of the engine: of streams and of paths. */
#ifndef LOCAL_MODE_H
#define LOCAL_MODE_H

#include <splitsocks/base/policy.h>
#include <splitsocks/config/config_local.h>

/* CONFIG_MODE_UNSET is split. */
enum stream_mode local_mode(enum config_mode mode);

#endif
