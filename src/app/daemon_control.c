/* SPDX-License-Identifier: MIT */
#include "daemon_control.h"

#include "control_places.h"

#include <splitsocks/base/log.h>
#include <splitsocks/status/status.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

/* Whether `present` is at one of the places. */
static bool is_among(const struct daemon_control *present,
                     const struct control_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (present->control != NULL && strcmp(present->path, places->paths[i]) == 0)
            return true;
    return false;
}

/* Opens the socket at the first usable place. If another process serves it there, the
 * search ends: that process has the same name, which must not be confused with
 * this one. */
static int open_somewhere(struct daemon_control *out, struct ev_loop *loop,
                          struct control_places *places, bool optional,
                          control_asked *asked, void *context)
{
    int error = OK;

    for (size_t i = 0; i < places->count; i++) {
        error =
            control_new(loop, places->paths[i], optional, asked, context, &out->control);
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
                    "process; the key \"control\" can name a place");
    return error;
}

int daemon_control_open(struct daemon_control *out, const struct daemon_control *present,
                        struct ev_loop *loop, const char *config_path,
                        const struct config_control *config, control_asked *asked,
                        void *context)
{
    struct control_places places;
    bool optional = !config->given;
    int error = control_places_own(&places, config_path, config);

    *out = (struct daemon_control){.control = NULL};
    if (error != OK)
        return error;
    if (is_among(present, &places))
        *out = *present;
    else
        error = open_somewhere(out, loop, &places, optional, asked, context);
    control_places_free(&places);
    return optional && error != ERROR_MEMORY ? OK : error;
}

void daemon_control_close(struct daemon_control *control,
                          const struct daemon_control *other)
{
    if (control->control != NULL && control->control != other->control) {
        control_free(control->control);
        free(control->path);
    }
    *control = (struct daemon_control){.control = NULL};
}

static void send_document(struct control_client *client, json_t *document)
{
    /* In ASCII: the document may be shown on a terminal as it is. */
    const size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6);

    control_reply(client, document != NULL ? json_dumps(document, flags) : NULL);
    json_decref(document);
}

bool daemon_control_take(const char *request, struct control_client *client)
{
    if (strcmp(request, "status") == 0)
        return true;
    send_document(client, json_pack("{s:s}", "error", "unknown request; known: status"));
    return false;
}

void daemon_control_reply(struct control_client *client, const char *config_path,
                          struct json_t *document)
{
    /* The client may be in another folder. */
    char *config = realpath(config_path, NULL);
    json_t *head = json_pack("{s:i, s:s, s:i, s:s}", "format", STATUS_FORMAT, "version",
                             PACKAGE_VERSION, "pid", (int)getpid(), "config",
                             config != NULL ? config : config_path);

    free(config);
    if (head == NULL || document == NULL || json_object_update(head, document) != 0) {
        json_decref(head);
        head = NULL;
    }
    json_decref(document);
    send_document(client, head);
}
