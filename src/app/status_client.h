/* SPDX-License-Identifier: MIT */
/* Asks a running local or relay for its status. */
#ifndef APP_STATUS_CLIENT_H
#define APP_STATUS_CLIENT_H

#include <splitsocks/base/attributes.h>

/* The answer to `request` from the control socket at `path`: a new string (free()), with
 * its newline. Returns OK; ERROR_NOT_FOUND when no process listens there; ERROR_TIMEOUT
 * after some seconds without an answer; or another error, with errno for ERROR_SYSTEM. */
int status_request(const char *path, const char *request, char **answer) MUST_CHECK;

#endif
