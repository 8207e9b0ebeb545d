/* SPDX-License-Identifier: MIT */
/*
 * Parts of the status of a relay, as JSON. splitsocks(1) documents the names, and programs
 * rely on them: add names, do not rename. "Up" is from local to the relay. Each function
 * returns a new reference, NULL when memory is out.
 */
#ifndef SPLITSOCKS_STATUS_RELAY_H
#define SPLITSOCKS_STATUS_RELAY_H

#include <splitsocks/base/account.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/engine/session/session.h>

#include <stdint.h>

struct json_t;

/* A session of the relay. */
struct json_t *status_relay_session(const struct session *session, uint64_t now) MUST_CHECK;
/* What a client holds in a worker. */
struct json_t *status_account(const struct account *account) MUST_CHECK;
/* What was refused to a client: the reasons with their numbers. */
struct json_t *status_refusals(const struct client_account *account) MUST_CHECK;

/* Adds the numbers of `object`, and those of the objects in it, to those of `sum`. */
void status_add(struct json_t *sum, struct json_t *object);

#endif
