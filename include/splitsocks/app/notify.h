/* SPDX-License-Identifier: MIT */
/* Tells the service manager what state the process is in, as sd_notify(3) does. */
#ifndef SPLITSOCKS_NOTIFY_H
#define SPLITSOCKS_NOTIFY_H

/* Sends one assignment or several, separated by line feeds ("READY=1"), to the socket that
 * the environment names. Does nothing when there is none; a failure is no error. */
void notify_send(const char *state);

#endif
