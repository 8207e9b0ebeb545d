/* SPDX-License-Identifier: MIT */
/*
 * The form of state files of versions without sections: the bytes used in one month.
 *
 *     splitsocks usage 1
 *     month 2026-11
 *     1234567 wwan0
 *     end
 */
#ifndef SPLITSOCKS_USAGE_TEXT_H
#define SPLITSOCKS_USAGE_TEXT_H

#include <splitsocks/config/usage.h>

/* Whether the text begins in this form. */
bool usage_text_is(const char *text, size_t length);
/* As usage_read(). */
int usage_text_parse(struct usage *usage, const char *text, size_t length) MUST_CHECK;

#endif
