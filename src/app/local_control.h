/* SPDX-License-Identifier: MIT */
/* The control socket of a running local, kept over reloads that do not move it. */
#ifndef APP_LOCAL_CONTROL_H
#define APP_LOCAL_CONTROL_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/status/control.h>

struct json_t;

struct local_control {
    struct control *control; /* NULL: there is no socket */
    char *path;              /* owned; NULL without a socket */
};

/* Opens the socket that a configuration wants, for `answer`, or takes over `present`
 * (which may be zeroed) if that is at a wanted place. If no usual place can be used, that
 * is only a warning. If a configured place cannot be used, that is an error, which is
 * logged and returned. */
int local_control_open(struct local_control *out, const struct local_control *present,
                       struct ev_loop *loop, const char *config_path,
                       const struct config_control *config, control_answer *answer,
                       void *context) MUST_CHECK;
/* Closes `control` unless `other` has the same socket. */
void local_control_close(struct local_control *control, const struct local_control *other);

/* The answer to `request`: `status()` makes the document for "status". */
char *local_control_answer(const char *request,
                           struct json_t *(*status)(const void *context),
                           const void *context);

#endif
