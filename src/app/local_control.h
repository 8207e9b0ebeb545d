/* SPDX-License-Identifier: MIT */
/* The control socket of a running local, kept over reloads that do not move it. */
#ifndef APP_LOCAL_CONTROL_H
#define APP_LOCAL_CONTROL_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/status/control.h>

struct json_t;

struct local_control {
    struct control *control; /* NULL: there is none */
    char *path;              /* owned; NULL then too */
};

/* What a configuration wants, for `answer`: `present` itself (which may be all zero) where
 * that is at a wanted place. Not to have a usual place is no more than a warning; not to
 * have a configured one is an error, which is logged and returned. */
int local_control_open(struct local_control *out, const struct local_control *present,
                       struct ev_loop *loop, const char *config_path,
                       const struct config_control *config, control_answer *answer,
                       void *context) MUST_CHECK;
/* Closes `control` unless it is `other` too. */
void local_control_close(struct local_control *control, const struct local_control *other);

/* The answer to `request`: `status()` gives the document for "status". */
char *local_control_answer(const char *request,
                           struct json_t *(*status)(const void *context),
                           const void *context);

#endif
