/* Where a stream goes: a name for the relay to resolve, or addresses in order of preference. */
#ifndef SPLITSOCKS_TARGET_H
#define SPLITSOCKS_TARGET_H

#include <splitsocks/address.h>

#define TARGET_ADDRESSES_MAX 16
#define TARGET_NAME_MAX 255 /* RFC 1035 section 2.3.4 */

struct target {
    uint16_t port;
    uint8_t address_count; /* 0 when `name` is used */
    struct address addresses[TARGET_ADDRESSES_MAX]; /* the port of each is not looked at */
    char name[TARGET_NAME_MAX + 1]; /* zero-terminated; empty when addresses are used */
};

#endif
