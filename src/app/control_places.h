/* SPDX-License-Identifier: MIT */
/*
 * Where the control socket of a local is, by its configuration, the environment and the
 * user. There is always a place, and `status` looks at all that a local may have taken in
 * another environment.
 */
#ifndef APP_CONTROL_PLACES_H
#define APP_CONTROL_PLACES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_PLACES_MAX 8

struct control_places {
    char *paths[CONTROL_PLACES_MAX]; /* owned; most likely first */
    size_t count;
};

/* Where to look for the socket of a local that runs with the configuration at
 * `config_path`, in whatever environment. For root, it may be one that runs as the owner
 * of the configuration, *owner; for others that is the user. Returns OK or ERROR_MEMORY. */
int control_places_find(struct control_places *places, const char *config_path,
                        const struct config_control *control, uid_t *owner) MUST_CHECK;
/* Where such a local that runs in this environment has it: the first of these where it can
 * be; none when the configuration wants none. */
int control_places_own(struct control_places *places, const char *config_path,
                       const struct config_control *control) MUST_CHECK;
void control_places_free(struct control_places *places);

#endif
