/* Where the control socket of a local is, by its configuration and the environment. */
#ifndef APP_CONTROL_PLACES_H
#define APP_CONTROL_PLACES_H

#include <splitsocks/attributes.h>
#include <splitsocks/config_local.h>

#include <stddef.h>

#define CONTROL_PLACES_MAX 3

struct control_places {
    char *paths[CONTROL_PLACES_MAX]; /* owned; most likely first */
    size_t count;
};

/* Where to look for the socket of a local that runs with the configuration at
 * `config_path`, in whatever environment. Returns OK or ERROR_MEMORY. */
int control_places_find(struct control_places *places, const char *config_path,
                        const struct config_control *control) MUST_CHECK;
/* Where such a local that runs in this environment has it: one place, or none. */
int control_places_own(struct control_places *places, const char *config_path,
                       const struct config_control *control) MUST_CHECK;
void control_places_free(struct control_places *places);

#endif
