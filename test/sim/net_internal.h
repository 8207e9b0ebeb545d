/* SPDX-License-Identifier: MIT */
/* Shared by the files of the network model. */
#ifndef TEST_SIM_NET_INTERNAL_H
#define TEST_SIM_NET_INTERNAL_H

#include "net.h"

/* A run of the stream that travels as one packet; never cut anew when sent again. */
struct segment {
    uint64_t begin;
    uint32_t length;
    uint32_t sendings;
    uint64_t sent_at_ns;
    uint64_t delivered_before; /* the pipe's `delivered` when it was last sent */
    bool finish;
    bool received;     /* known at the receiver */
    bool acknowledged; /* known at the sender, perhaps selectively */
    bool lost;         /* held lost by the sender */
};

enum packet_kind {
    PACKET_SYN,
    PACKET_SYN_ACK,
    PACKET_REFUSAL, /* a reset in answer to a SYN */
    PACKET_DATA,
    PACKET_ACK,
    PACKET_PROBE,
    PACKET_RESET,
};

struct packet {
    struct sim_timer timer;
    struct list link; /* the free list */
    struct sim_tcp *tcp;
    enum packet_kind kind;
    enum sim_side from;
    uint64_t segment;      /* DATA: its number; ACK: the one that caused it */
    uint64_t acknowledged; /* ACK: number of the first segment that is missing */
    uint64_t window_end;   /* ACK */
    uint32_t payload_bytes;
    bool held; /* in a box's queue, which it leaves when the timer fires */
};

/* net.c: packets and the links that carry them */

/* Puts a copy of `packet` on the path; it may get lost. */
void packet_send(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes);
void packet_send_plain(struct sim_tcp *tcp, enum sim_side from, enum packet_kind kind);
/* The same for a packet that has passed the box already, or that the box sends: it crosses
 * the link. */
void packet_cross(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes);
/* The box keeps the packet for so long, and then passes it on. */
void packet_hold(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload_bytes,
                 uint64_t waits_ns);
/* `from` acknowledges the bytes that its peer sent. */
void packet_acknowledge(struct sim_tcp *tcp, enum sim_side from, uint64_t segment);
/* A connection goes when neither side, nor a packet, knows it any more. */
void tcp_free_if_gone(struct sim_tcp *tcp);

/* net_box.c: the limits of connections */

/* A packet is at the box: for how long the box keeps it, or TIME_NEVER when the box drops
 * it. 0 where there is no box. */
uint64_t box_judge(struct sim_tcp *tcp, const struct packet *packet, uint32_t payload);
/* Both ends have forgotten the connection. */
void box_forget(struct sim_tcp *tcp);
void boxes_deinit(struct sim_net *net);

/* net_pipe.c: one direction of a connection, at its sender */

void pipe_init(struct sim_tcp *tcp, enum sim_side from);
bool pipe_may_send(const struct sim_tcp *tcp, enum sim_side side);
void pipe_send_more(struct sim_pipe *pipe);
void pipe_sample_rtt(struct sim_pipe *pipe, uint64_t rtt_ns);
void pipe_acknowledged(struct sim_pipe *pipe, const struct packet *packet);

/* net_tcp.c: packets that arrive, and the owner's face */

void tcp_take_packet(struct sim_tcp *tcp, const struct packet *packet);

#endif
