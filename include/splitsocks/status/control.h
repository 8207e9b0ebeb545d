/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket on which a running local or relay answers
 * questions about itself.
 *
 * A client connects, sends one line, gets one line back and the end of file. A client that
 * sends or reads nothing holds nothing up: each has CONTROL_SECONDS, and beyond
 * CONTROL_CLIENTS they wait in the kernel.
 */
#ifndef SPLITSOCKS_CONTROL_H
#define SPLITSOCKS_CONTROL_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <sys/types.h>

struct ev_loop;
struct control;
struct control_client;

#define CONTROL_CLIENTS 8
#define CONTROL_SECONDS 5.
/* Longest request, without its newline. */
#define CONTROL_REQUEST_MAX 63

/* A client has sent a request, and waits for control_reply(). */
typedef void control_asked(void *context, const char *request,
                           struct control_client *client);
/* Call once for each request, at once or later; the control may be gone by then. `answer`
 * is one line without its newline, a new string that control frees with free(); NULL when
 * there is no memory for it. */
void control_reply(struct control_client *client, char *answer);

/* Listens at `path` with mode 0600. If only the last folder is missing it is made, with
 * mode 0700; other users must not be able to replace the socket in it. A socket that no
 * process serves is replaced; a served one is left alone. Returns OK, or an error that was
 * logged as a sentence that begins with the path: ERROR_LIMIT (the path is too long),
 * ERROR_PERMISSION (the folder), ERROR_DENIED (served by another process, or not a
 * socket), ERROR_MEMORY, ERROR_SYSTEM. With `optional` it is logged as a warning. */
int control_new(struct ev_loop *loop, const char *path, bool optional, control_asked *asked,
                void *context, struct control **out) MUST_CHECK;
/* Removes the socket, unless it has been replaced, and drops its clients. NULL is allowed.
 */
void control_free(struct control *control);

/* Why the process that answers at `path` may not be one of this user, of root or of
 * `owner`; NULL: it must be, or there is none. */
const char *control_distrust(const char *path, uid_t owner);
/* Whether control_new() would succeed, as far as can be seen without changing anything.
 * Errors as there, `*why` is a phrase, or NULL if errno is the reason; but ERROR_CLOSED
 * when a process serves the socket. */
int control_check(const char *path, const char **why) MUST_CHECK;

#endif
