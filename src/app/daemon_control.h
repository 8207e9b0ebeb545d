/* SPDX-License-Identifier: MIT */
/* The control socket of a running local or relay, kept over reloads that do not move it. */
#ifndef APP_DAEMON_CONTROL_H
#define APP_DAEMON_CONTROL_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config.h>
#include <splitsocks/status/control.h>

#include <stdbool.h>

struct json_t;

struct daemon_control {
    struct control *control; /* NULL: there is no socket */
    char *path;              /* owned; NULL without a socket */
};

/* Opens the socket that a configuration wants, for `asked`, or takes over `present`
 * (which may be zeroed) if that is at a wanted place. If no usual place can be used, that
 * is only a warning. If a configured place cannot be used, that is an error, which is
 * logged and returned. */
int daemon_control_open(struct daemon_control *out, const struct daemon_control *present,
                        struct ev_loop *loop, const char *config_path,
                        const struct config_control *config, control_asked *asked,
                        void *context) MUST_CHECK;
/* Closes `control` unless `other` has the same socket. */
void daemon_control_close(struct daemon_control *control,
                          const struct daemon_control *other);

/* Whether the request is "status", for daemon_control_reply(); another one is answered. */
bool daemon_control_take(const char *request, struct control_client *client) MUST_CHECK;
/* Answers with the document, whose reference is taken over; NULL: memory is out. The
 * members that all documents begin with are put before its own. */
void daemon_control_reply(struct control_client *client, const char *config_path,
                          struct json_t *document);

#endif
