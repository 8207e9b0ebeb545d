/* SPDX-License-Identifier: MIT */
/*
 * The state that local or a relay keeps from one run to the next: a JSON document of
 * sections. Each section belongs to one module, which reads it and writes it anew:
 *
 *     { "splitsocks_state": 1, "usage": { ... }, ... }
 *
 * Sections that this version does not know stay as they are.
 */
#ifndef SPLITSOCKS_STATE_H
#define SPLITSOCKS_STATE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stddef.h>

struct json_t;

#define STATE_VERSION 1
/* The longest text of a document. The largest section is that of a relay with 65,536
 * clients that have quotas, in three months: 20 MB. */
#define STATE_TEXT_MAX (32 << 20)

/* A document without sections: a new reference, NULL when memory is out. */
struct json_t *state_new(void) MUST_CHECK;
/* Parses a text of state_format() or of usage_text.h. Returns OK and a new reference; else
 * *document is NULL: ERROR_MALFORMED for a damaged text, ERROR_UNSUPPORTED for one of a
 * later version, ERROR_MEMORY. */
int state_parse(const char *text, size_t length, struct json_t **document) MUST_CHECK;
/* A new string, for free(); NULL when memory is out. */
char *state_format(const struct json_t *document) MUST_CHECK;

/* Borrowed; NULL when there is no such section. */
const struct json_t *state_section(const struct json_t *document, const char *name);
/* Takes the reference to the section; NULL (memory is out) is allowed. Returns OK or
 * ERROR_MEMORY. */
int state_set_section(struct json_t *document, const char *name,
                      struct json_t *section) MUST_CHECK;

#endif
