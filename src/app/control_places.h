/* SPDX-License-Identifier: MIT */
/*
 * Where the control socket of a local or a relay is, by its configuration, the environment
 * and the user. There is always a place, and `status` looks at all places that a process in
 * another environment may have used.
 */
#ifndef APP_CONTROL_PLACES_H
#define APP_CONTROL_PLACES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config.h>

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_PLACES_MAX 8

struct control_places {
    char *paths[CONTROL_PLACES_MAX]; /* owned; most likely first */
    size_t count;
};

/* Finds where the socket of a process may be that runs with the configuration at
 * `config_path`, in any environment. For root, that process may run as the owner of the
 * configuration, *owner; for others *owner is the user. Returns OK or ERROR_MEMORY. */
int control_places_find(struct control_places *places, const char *config_path,
                        const struct config_control *control, uid_t *owner) MUST_CHECK;
/* Lists where a process in this environment may put its socket: it uses the first usable
 * place. The list is empty if the configuration wants no socket. */
int control_places_own(struct control_places *places, const char *config_path,
                       const struct config_control *control) MUST_CHECK;
void control_places_free(struct control_places *places);

#endif
