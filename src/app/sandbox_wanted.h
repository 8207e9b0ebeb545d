/* SPDX-License-Identifier: MIT */
/* Whether this process is to give up what it does not need; see sandbox.h. */
#ifndef APP_SANDBOX_WANTED_H
#define APP_SANDBOX_WANTED_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool sandbox_wanted(void)
{
    const char *word = getenv("SPLITSOCKS_SANDBOX");

    return word == NULL || strcmp(word, "off") != 0;
}

#endif
