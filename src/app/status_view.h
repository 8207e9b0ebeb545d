/* SPDX-License-Identifier: MIT */
/* A status document, as status.h describes it, shown to a person. */
#ifndef APP_STATUS_VIEW_H
#define APP_STATUS_VIEW_H

#include <splitsocks/base/attributes.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Members of the document's objects; 0 or "" where they are null or absent. */
static inline double view_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}
static inline const char *view_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}
static inline bool view_known(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value != NULL && !json_is_null(value);
}

/* Whether a listener of the document has an address that this machine does not have. */
static inline bool view_listener_absent(const json_t *listener)
{
    return json_is_true(json_object_get(listener, "absent"));
}

/* Whether the document is that of a relay. */
static inline bool view_of_relay(const json_t *document)
{
    return json_is_array(json_object_get(document, "clients"));
}

/* The session, its paths and its streams in tables, at most about 100 columns wide. False
 * when memory is out or writing fails. */
bool status_print_tables(const json_t *document, FILE *stream) MUST_CHECK;
/* Explains why each path carries as much or as little as it does, what the network lets
 * connections do, and what each stream waits for. */
void status_explain(const json_t *document, FILE *stream);

/* The same of a relay: its process, workers, clients and sessions. */
bool status_print_relay(const json_t *document, FILE *stream) MUST_CHECK;
/* Says what was refused to each client, by whose bound, and which connections got no
 * answer. */
void status_explain_relay(const json_t *document, FILE *stream);

#endif
