#include "local_control.h"

#include "control_places.h"

#include <splitsocks/log.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int local_control_open(struct local_control *out, const struct local_control *present,
                       struct ev_loop *loop, const char *config_path,
                       const struct config_control *config, control_answer *answer,
                       void *context)
{
    struct control_places places;
    bool optional = !config->given;
    int error = control_places_own(&places, config_path, config);

    *out = (struct local_control){.control = NULL};
    if (error != OK || places.count == 0)
        return error;
    if (present->control != NULL && strcmp(present->path, places.paths[0]) == 0) {
        *out = *present;
        control_places_free(&places);
        return OK;
    }
    error = control_new(loop, places.paths[0], optional, answer, context, &out->control);
    if (error == OK) {
        out->path = places.paths[0];
        places.count = 0;
    }
    control_places_free(&places);
    return optional && error != ERROR_MEMORY ? OK : error;
}

void local_control_close(struct local_control *control, const struct local_control *other)
{
    if (control->control != NULL && control->control != other->control) {
        control_free(control->control);
        free(control->path);
    }
    *control = (struct local_control){.control = NULL};
}

char *local_control_answer(const char *request,
                           struct json_t *(*status)(const void *context),
                           const void *context)
{
    json_t *answer = strcmp(request, "status") == 0
                         ? status(context)
                         : json_pack("{s:s}", "error", "unknown request; known: status");
    char *text =
        answer != NULL ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    json_decref(answer);
    return text;
}
