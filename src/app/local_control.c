/* SPDX-License-Identifier: MIT */
#include "local_control.h"

#include "control_places.h"

#include <splitsocks/base/log.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Whether `present` is at one of the places. */
static bool is_among(const struct local_control *present,
                     const struct control_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (present->control != NULL && strcmp(present->path, places->paths[i]) == 0)
            return true;
    return false;
}

/* Opens the socket at the first usable place. If another process serves it there, the
 * search ends: that process is a local with the same name, which must not be confused with
 * this one. */
static int open_somewhere(struct local_control *out, struct ev_loop *loop,
                          struct control_places *places, bool optional,
                          control_answer *answer, void *context)
{
    int error = OK;

    for (size_t i = 0; i < places->count; i++) {
        error =
            control_new(loop, places->paths[i], optional, answer, context, &out->control);
        if (error == OK) {
            out->path = places->paths[i];
            places->paths[i] = NULL;
            if (i > 0)
                log_info("the control socket is %s", out->path);
            return OK;
        }
        if (error == ERROR_MEMORY || error == ERROR_DENIED)
            break;
    }
    if (optional && places->count > 0)
        log_warning("there is no control socket: \"splitsocks status\" cannot ask this "
                    "local; the key \"control\" can name a place");
    return error;
}

int local_control_open(struct local_control *out, const struct local_control *present,
                       struct ev_loop *loop, const char *config_path,
                       const struct config_control *config, control_answer *answer,
                       void *context)
{
    struct control_places places;
    bool optional = !config->given;
    int error = control_places_own(&places, config_path, config);

    *out = (struct local_control){.control = NULL};
    if (error != OK)
        return error;
    if (is_among(present, &places))
        *out = *present;
    else
        error = open_somewhere(out, loop, &places, optional, answer, context);
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
    /* In ASCII: the document may be shown on a terminal as it is. */
    const size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6);
    char *text = answer != NULL ? json_dumps(answer, flags) : NULL;

    json_decref(answer);
    return text;
}
