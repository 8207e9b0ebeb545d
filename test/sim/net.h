/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: paths with a rate, delay, jitter, loss and a shared queue in each
 * direction, and TCP connections across them.
 *
 * The TCP is a small real one: segments of at most 1448 bytes, a congestion window that
 * starts at 14480 bytes (RFC 6928) and grows by slow start with a delay-based exit and then
 * by Reno, loss detection by time (RFC 8985 in spirit), retransmission time-outs of at
 * least 200 ms with back-off (RFC 6298 with Linux' floor), receive windows with probes, a
 * handshake of one round trip, FIN, and resets that destroy what real ones destroy: at the
 * side that resets all it had not sent and not read, at its peer what came out of order.
 *
 * Boxes that limit connections stand in front of the relay, see box.h.
 *
 * A connection tells its two owners only that something changed; they look at its state,
 * read and write. Nothing calls back from inside a call.
 */
#ifndef TEST_SIM_NET_H
#define TEST_SIM_NET_H

#include "box.h"
#include "clock.h"

#include <splitsocks/base/list.h>
#include <splitsocks/base/ring.h>

#define SIM_SEGMENT_BYTES 1448
#define SIM_HEADER_BYTES 52 /* IPv4 and TCP with time stamps */
#define SIM_INITIAL_WINDOW_BYTES (10 * SIM_SEGMENT_BYTES)
/* The bytes that may wait unsent in a socket: TCP_NOTSENT_LOWAT. */
#define SIM_NOTSENT_BYTES 16384
#define SIM_RECEIVE_BUFFER_BYTES (4096 * 1024)
/* The beginning of a connection, as a stranger can record it. */
#define SIM_RECORD_BYTES 1500
#define SIM_PATHS_MAX 4
#define SIM_PORTS_MAX 4

/* The side that dials, and the side that accepts; also the direction of the bytes that it
 * sends. */
enum sim_side { SIM_LOCAL, SIM_RELAY };

static inline enum sim_side sim_peer(enum sim_side side)
{
    return side == SIM_LOCAL ? SIM_RELAY : SIM_LOCAL;
}

struct sim_link {
    uint64_t rate;        /* bytes per second */
    uint64_t delay_ns;    /* one way */
    uint64_t jitter_ns;   /* added at random, reorders */
    uint64_t queue_bytes; /* waits at most, then the tail is dropped */
    uint32_t loss_millionths;
    uint32_t loss_run;      /* so many packets are lost one after the other; 0: one is */
    uint32_t losing;        /* further packets of the run */
    uint32_t largest_bytes; /* payload of packets: larger ones vanish; 0: none do */
    uint64_t oversize;      /* packets that did */
    bool blackhole;         /* swallows all */
    uint64_t busy_until_ns; /* when the last packet accepted has left */
    uint64_t payload_bytes; /* carried, retransmissions included */
};

struct sim_path {
    struct sim_link link[2];    /* by the side that sends */
    bool off;                   /* the interface is gone: dials fail at once */
    uint64_t stall_after_bytes; /* a connection that carried more goes silent; 0: never */
    /* A NAT forgets a connection on which nothing went for so long (0: never). What comes
     * of it from either side then is dropped; or local's is answered by a reset. */
    uint64_t nat_idle_ns;
    bool nat_resets;
    uint64_t dials;
};

/* How a port of the relay reacts to a dial. */
enum sim_port { SIM_PORT_ACCEPTS, SIM_PORT_REFUSES, SIM_PORT_HANGS };

enum sim_tcp_state {
    SIM_TCP_SYN_SENT,
    SIM_TCP_SYN_RECEIVED, /* the relay's kernel, before the process knows */
    SIM_TCP_OPEN,
    SIM_TCP_REFUSED, /* the dial failed */
    SIM_TCP_RESET,   /* by the peer; bytes that had come in order can still be read */
    SIM_TCP_ORPHAN,  /* closed by its owner, the kernel still delivers */
    SIM_TCP_GONE,
};

struct sim_tcp;
struct sim_net;

/* Something changed on the connection that `context` owns one side of. */
typedef void sim_wake(void *context, struct sim_tcp *tcp);

struct sim_pipe {
    struct sim_tcp *tcp;
    enum sim_side from;
    /* Stream offsets; acknowledged <= sent <= written, read <= received <= sent. */
    uint64_t written;
    uint64_t sent;
    uint64_t acknowledged;
    uint64_t received;
    uint64_t read;
    uint64_t window_end;      /* the sender may send up to here */
    uint8_t *data;            /* circular, from min(acknowledged, read) to written */
    size_t data_capacity;     /* power of two */
    struct ring segments;     /* struct segment, in flight */
    uint64_t first_segment;   /* number of segments[0] */
    uint64_t receive_segment; /* number of the first not yet received */
    uint64_t in_flight_bytes; /* sent, neither acknowledged nor held lost */
    uint64_t lost_segments;   /* held lost, not yet sent again */
    uint64_t congestion_bytes;
    uint64_t threshold_bytes;
    uint64_t recovery_end; /* segment number: one cut per window */
    uint64_t rtt_ns;       /* smoothed; 0 before a sample */
    uint64_t rtt_variance_ns;
    uint64_t rtt_least_ns;
    unsigned backoff;
    uint64_t delivered; /* bytes acknowledged or selectively so */
    uint64_t rate;      /* TCP_INFO's delivery rate, bytes per second */
    bool finish;        /* the owner closed its direction */
    bool finish_sent;
    bool finish_received;
    struct sim_timer timer; /* retransmission or window probe */
};

struct sim_endpoint {
    struct sim_tcp *tcp;
    enum sim_side side;
    enum sim_tcp_state state;
    struct sim_timer patience; /* of a handshake, or of an orphan */
    uint64_t heard_at_ns;      /* when a packet last came that acknowledges something */
    sim_wake *wake;
    void *context;
};

struct sim_tcp {
    struct sim_net *net;
    struct list link; /* net->connections */
    uint64_t number;
    size_t path;
    size_t port;
    uint32_t segment_bytes; /* payload of the largest packets, both ways */
    struct sim_pipe pipe[2]; /* by the side that sends */
    struct sim_endpoint end[2];
    uint64_t budget[2]; /* payload bytes allowed; written beyond is a violation */
    uint64_t dialled_at_ns;
    uint64_t stalled_until_ns; /* this connection alone loses everything until then */
    uint64_t passed_at_ns;     /* when the NAT last saw a packet of it */
    bool forgotten;            /* by the NAT */
    struct sim_boxed boxed;
    unsigned handshakes;       /* SYNs sent */
    unsigned holds;            /* packets in flight and running timers: they keep it */
    bool corrupt[2];           /* the next byte that the side reads is not what was sent */
    bool admitted;             /* the relay has answered it, or taken it into a session */
    bool stranger;             /* dialled by nobody the relay knows; counts for nothing */
    uint8_t record[SIM_RECORD_BYTES]; /* the first bytes that local wrote */
    size_t record_length;
    bool answered; /* the relay's kernel has seen a SYN */
    bool accepted; /* the relay's process has been told */
};

typedef void sim_accept(void *context, struct sim_tcp *tcp);

struct sim_net {
    struct sim_clock *clock;
    struct sim_path path[SIM_PATHS_MAX];
    size_t paths;
    enum sim_port port[SIM_PORTS_MAX];
    size_t ports;
    struct sim_box boxes[SIM_BOXES_MAX];
    size_t box_count;
    struct sim_random box_random; /* of the boxes alone: they change nothing else */
    uint64_t began_at_ns;
    sim_accept *accept; /* a connection whose first bytes have come */
    void *context;
    bool reset_discards; /* a reset also discards what its victim had not read */
    struct list connections;
    struct list free_packets;
    uint64_t dials;
    size_t open; /* connections the local side holds, dialling or open */
    size_t open_most;
    uint64_t over_budget_bytes; /* written beyond a budget; an invariant says none */
    uint64_t number;
};

/* The measures that the engine gets of a subflow: TCP_INFO and SIOCOUTQ. */
struct sim_tcp_info {
    uint64_t rtt_ns; /* 0 while unknown */
    uint64_t rate;   /* bytes per second; 0 while unknown */
    uint64_t queued; /* written, not acknowledged */
    uint64_t unsent; /* written, not sent */
    uint64_t flying; /* sent, neither acknowledged, selectively or not, nor lost */
    uint64_t silent_for_ns; /* since anything came */
};

void sim_net_init(struct sim_net *net, struct sim_clock *clock);
/* Forgets every connection, whatever its state. */
void sim_net_deinit(struct sim_net *net);
/* Puts copies of the boxes into the network, before anything is dialled. */
void sim_net_set_boxes(struct sim_net *net, const struct sim_box *boxes, size_t count,
                       uint64_t seed);

/* Never fails at once: a path that is off reports REFUSED at the next wake. */
struct sim_tcp *sim_tcp_dial(struct sim_net *net, size_t path, size_t port, sim_wake *wake,
                             void *context);
/* The same for a stranger, who does not count as local. */
struct sim_tcp *sim_tcp_dial_stranger(struct sim_net *net, size_t path, size_t port,
                                      sim_wake *wake, void *context);
/* The relay's owner of an accepted connection. */
void sim_tcp_own(struct sim_tcp *tcp, enum sim_side side, sim_wake *wake, void *context);

/* Bytes that a write would take, until SIM_NOTSENT_BYTES are unsent. */
size_t sim_tcp_room(const struct sim_tcp *tcp, enum sim_side side);
/* Takes at most the room; returns how many bytes that were. */
size_t sim_tcp_write(struct sim_tcp *tcp, enum sim_side side, const void *data,
                     size_t length);
size_t sim_tcp_readable(const struct sim_tcp *tcp, enum sim_side side);
size_t sim_tcp_read(struct sim_tcp *tcp, enum sim_side side, void *buffer, size_t capacity);
/* All has been read and nothing more will come. */
bool sim_tcp_at_end(const struct sim_tcp *tcp, enum sim_side side);
void sim_tcp_info(const struct sim_tcp *tcp, enum sim_side side, struct sim_tcp_info *info);

/* Both give the connection up; the side must not touch it again. */
void sim_tcp_reset(struct sim_tcp *tcp, enum sim_side side); /* SO_LINGER 0 and close() */
void sim_tcp_close(struct sim_tcp *tcp, enum sim_side side); /* close(): FIN */
/* The machine died: no packet leaves. */
void sim_tcp_vanish(struct sim_tcp *tcp, enum sim_side side);

/* A middlebox resets the connection towards the sides asked for. */
void sim_tcp_cut(struct sim_tcp *tcp, bool local, bool relay);

#endif
