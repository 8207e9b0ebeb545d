/* SPDX-License-Identifier: MIT */
/*
 * The UDP ports that flows of this process use, of all workers. A datagram from one flow to
 * another would let clients reach each other, or one flow feed itself (RFC 4787 section 6
 * calls that hairpinning; the relay does not do it).
 */
#ifndef FLOW_PORTS_H
#define FLOW_PORTS_H

#include <splitsocks/base/address.h>

/* `address` is what a flow's socket is bound to. */
void flow_ports_add(const struct address *address);
void flow_ports_remove(const struct address *address);
/* Whether a datagram to the address would come to a flow of this process. */
bool flow_ports_have(const struct address *address);

#endif
