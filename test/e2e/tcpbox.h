/* SPDX-License-Identifier: MIT */
/* A middlebox that cuts each TCP connection after so many bytes. Packets count with their
 * IP headers, retransmissions too. The packet that goes beyond is dropped, and so is each
 * later one of its connection, FINs and resets among them. IPv6 passes. */
#ifndef TEST_E2E_TCPBOX_H
#define TEST_E2E_TCPBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcptable.h"

enum { TCPBOX_RESET_SIZE = 40 };

struct tcpbox {
    struct tcp_table table; /* of struct boxed */
    uint64_t most;          /* bytes; 0: no limit */
    bool counts[2];         /* the packets of the initiator, of the responder */
    bool resets;            /* both ends get a reset when a connection is cut */
    uint64_t cut;           /* connections */
};

enum tcpbox_verdict { TCPBOX_PASS, TCPBOX_DROP, TCPBOX_RESET };

/* Resets for the sender and the receiver of the packet that brought the verdict. */
struct tcpbox_resets {
    uint8_t to_sender[TCPBOX_RESET_SIZE], to_receiver[TCPBOX_RESET_SIZE];
};

void tcpbox_init(struct tcpbox *box);
void tcpbox_deinit(struct tcpbox *box);

/* "none", or "freeze" or "reset" with "=SIZE", "=SIZE/up" (the initiator's packets count)
 * or "=SIZE/down". The box goes on counting what open connections have carried. False: the
 * words are none of these.
 */
bool tcpbox_set(struct tcpbox *box, const char *words);

/* Judges one IP packet. TCPBOX_RESET is a drop, and fills `resets`. */
enum tcpbox_verdict tcpbox_packet(struct tcpbox *box, const uint8_t *bytes, size_t length,
                                  struct tcpbox_resets *resets);

/* Writes the counters as a JSON object. */
void tcpbox_report(const struct tcpbox *box, FILE *out);

#endif
