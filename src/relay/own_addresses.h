/* SPDX-License-Identifier: MIT */
/*
 * Which addresses are this machine's own. The kernel's routes are asked each time, so that
 * an address that comes or goes counts at once; the answer is there when the question has
 * been sent. Each worker has one of these.
 */
#ifndef OWN_ADDRESSES_H
#define OWN_ADDRESSES_H

#include <splitsocks/base/address.h>

#include <stdbool.h>
#include <stdint.h>

struct mnl_socket;

struct own_addresses {
    struct mnl_socket *netlink; /* owned; NULL: the kernel cannot be asked */
    uint32_t sequence;
};

/* Logs when the kernel cannot be asked. */
void own_addresses_init(struct own_addresses *own);
/* Safe on a zeroed struct, and twice. */
void own_addresses_deinit(struct own_addresses *own);

/* Whether packets to the address end on this machine. True when the kernel gives no usable
 * answer; false for every address when it cannot be asked at all. `context` is a
 * struct own_addresses: the type is that of destination_is_own. */
bool own_addresses_have(void *context, const struct address *address);

#endif
