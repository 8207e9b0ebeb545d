/* SPDX-License-Identifier: MIT */
/* Watches the TCP connections on an emulated link from packet headers alone: an observer
 * that trusts neither endpoint's counters. It stands at the initiator's edge: it is shown
 * the initiator's packets before the link may lose them and the responder's when they come
 * out. So a connection is open from its SYN until the initiator has sent a reset or
 * received one, or both sides have sent FIN. Payload is the span of sequence numbers: a
 * retransmission counts once. */
#ifndef TEST_E2E_TCPWATCH_H
#define TEST_E2E_TCPWATCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcptable.h"

struct tcpwatch {
    struct tcp_table table;                /* of struct watched */
    uint64_t connections;                  /* distinct ones */
    uint64_t open, max_open;               /* since the SYN */
    uint64_t established, max_established; /* since the SYN|ACK's ACK */
    uint64_t max_payload[2];               /* of one connection; [0] by its initiator */
    uint64_t resets, fins;                 /* how it ended */
};

void tcpwatch_init(struct tcpwatch *watch);
void tcpwatch_deinit(struct tcpwatch *watch);

/* Looks at one IP packet. */
void tcpwatch_packet(struct tcpwatch *watch, const uint8_t *bytes, size_t length);

/* Writes the counters as a JSON object. */
void tcpwatch_report(const struct tcpwatch *watch, FILE *out);

#endif
