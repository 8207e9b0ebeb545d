/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/target.h>

#include <stdio.h>

const char *target_format(const struct target *target, char text[TARGET_TEXT_SIZE])
{
    if (target->name[0] == '\0') {
        struct address address = target->addresses[0];

        address.port = target->port;
        return address_format(&address, text);
    }
    snprintf(text, TARGET_TEXT_SIZE, "%s:%u", target->name, target->port);
    /* The name comes from a client and is printed on terminals. */
    for (char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    return text;
}
