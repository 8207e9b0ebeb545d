/* SPDX-License-Identifier: MIT */
/* The network model itself: what the simulator's verdicts rest on. */
#include "net.h"
#include "tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct sim_clock clock;
    struct sim_net net;
    struct sim_tcp *relay; /* the last one accepted */
    unsigned wakes;
};

static void count_wake(void *context, struct sim_tcp *tcp)
{
    struct fixture *f = context;

    (void)tcp;
    f->wakes++;
}

static void accepts(void *context, struct sim_tcp *tcp)
{
    struct fixture *f = context;

    f->relay = tcp;
    sim_tcp_own(tcp, SIM_RELAY, count_wake, f);
}

static void setup(struct fixture *f, uint64_t rate, uint64_t delay_ns, uint32_t loss)
{
    memset(f, 0, sizeof *f);
    sim_clock_init(&f->clock, 1);
    sim_net_init(&f->net, &f->clock);
    f->net.paths = f->net.ports = 1;
    f->net.accept = accepts;
    f->net.context = f;
    for (int side = 0; side < 2; side++)
        f->net.path[0].link[side] = (struct sim_link){.rate = rate,
                                                      .delay_ns = delay_ns,
                                                      .queue_bytes = 128 * 1024,
                                                      .loss_millionths = loss};
}

static void teardown(struct fixture *f)
{
    sim_net_deinit(&f->net);
    sim_clock_deinit(&f->clock);
}

static struct sim_tcp *dial(struct fixture *f)
{
    return sim_tcp_dial(&f->net, 0, 0, count_wake, f);
}

static void run_for(struct fixture *f, uint64_t ns)
{
    uint64_t until_ns = f->clock.now_ns + ns;

    while (sim_clock_step(&f->clock, until_ns))
        continue;
}

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(sim_mix(offset / 8) >> offset % 8 * 8);
}

/* Moves `total` bytes up; returns the virtual time it took, or 0 for wrong bytes. */
static uint64_t transfer(struct fixture *f, uint64_t total)
{
    uint64_t began_ns = f->clock.now_ns;
    struct sim_tcp *tcp = dial(f);
    uint64_t written = 0, read = 0;
    uint8_t buffer[4096];

    f->relay = NULL;
    while (read < total && sim_clock_step(&f->clock, began_ns + 10000 * NS_PER_S)) {
        size_t length;

        while ((length = (size_t)MIN(sim_tcp_room(tcp, SIM_LOCAL), total - written)) > 0) {
            length = MIN(length, sizeof buffer);
            for (size_t i = 0; i < length; i++)
                buffer[i] = byte_at(written + i);
            written += sim_tcp_write(tcp, SIM_LOCAL, buffer, length);
        }
        while (f->relay != NULL &&
               (length = sim_tcp_read(f->relay, SIM_RELAY, buffer, sizeof buffer)) > 0) {
            for (size_t i = 0; i < length; i++)
                if (buffer[i] != byte_at(read + i))
                    return 0;
            read += length;
        }
    }
    return read == total ? f->clock.now_ns - began_ns : 0;
}

static void test_bulk(void)
{
    struct fixture f;

    setup(&f, 45000000 / 8, 12 * NS_PER_MS, 0);
    uint64_t took_ns = transfer(&f, 20000000);
    uint64_t wire_ns = UINT64_C(20000000) * NS_PER_S / (45000000 / 8);

    tap_ok(took_ns > wire_ns && took_ns < wire_ns * 115 / 100,
           "20 MB over 45 Mbit/s and 24 ms: %" PRIu64 " ms, on the wire alone %" PRIu64,
           took_ns / NS_PER_MS, wire_ns / NS_PER_MS);
    teardown(&f);
    setup(&f, 45000000 / 8, 12 * NS_PER_MS, 10000);
    took_ns = transfer(&f, 2000000);
    tap_ok(took_ns > 0 && took_ns < 40 * NS_PER_S, "2 MB at 1%% loss: %" PRIu64 " ms",
           took_ns / NS_PER_MS);
    teardown(&f);
    setup(&f, 1000000, 50 * NS_PER_MS, 0);
    f.net.path[0].link[SIM_LOCAL].jitter_ns = 30 * NS_PER_MS;
    took_ns = transfer(&f, 500000);
    tap_ok(took_ns > 0 && took_ns < 10 * NS_PER_S,
           "jitter reorders, TCP does not: %" PRIu64, took_ns / NS_PER_MS);
    teardown(&f);
}

static void test_round_trips(void)
{
    struct fixture f;

    /* SYN, then 10, then 20 segments: the least the formula of the tight regime counts. */
    setup(&f, 1000000000, 50 * NS_PER_MS, 0);
    uint64_t took_ns = transfer(&f, 1000) / NS_PER_MS;

    tap_ok(took_ns == 150, "1000 bytes arrive after 1.5 round trips: %" PRIu64 " ms",
           took_ns);
    took_ns = transfer(&f, 14480) / NS_PER_MS;
    tap_ok(took_ns == 150, "the initial window does too: %" PRIu64 " ms", took_ns);
    took_ns = transfer(&f, 40000) / NS_PER_MS;
    tap_ok(took_ns == 250, "three windows take a round trip more: %" PRIu64 " ms", took_ns);
    teardown(&f);
}

static void test_dials(void)
{
    struct fixture f;

    setup(&f, 1000000, 10 * NS_PER_MS, 0);
    f.net.port[0] = SIM_PORT_REFUSES;
    struct sim_tcp *tcp = dial(&f);

    run_for(&f, 19 * NS_PER_MS);
    bool early = tcp->end[SIM_LOCAL].state != SIM_TCP_SYN_SENT;

    run_for(&f, 2 * NS_PER_MS);
    tap_ok(!early && tcp->end[SIM_LOCAL].state == SIM_TCP_REFUSED,
           "a refusal comes after a round trip");
    sim_tcp_reset(tcp, SIM_LOCAL);
    f.net.port[0] = SIM_PORT_HANGS;
    tcp = dial(&f);
    run_for(&f, 10 * NS_PER_S);
    tap_ok(tcp->end[SIM_LOCAL].state == SIM_TCP_SYN_SENT && f.net.open == 1,
           "a port that hangs leaves the dial open");
    sim_tcp_reset(tcp, SIM_LOCAL);
    f.net.port[0] = SIM_PORT_ACCEPTS;
    f.net.path[0].off = true;
    tcp = dial(&f);
    run_for(&f, 1);
    tap_ok(tcp->end[SIM_LOCAL].state == SIM_TCP_REFUSED, "no interface, no dial");
    sim_tcp_reset(tcp, SIM_LOCAL);
    f.net.path[0].off = false;
    tcp = dial(&f);
    run_for(&f, NS_PER_S);
    tap_ok(tcp->end[SIM_LOCAL].state == SIM_TCP_OPEN && f.relay == NULL,
           "a connection without a byte is not accepted");
    teardown(&f);
}

static void test_reset(void)
{
    struct fixture f;
    static const uint8_t data[60000];
    uint8_t buffer[100000];

    setup(&f, 1000000, 10 * NS_PER_MS, 0);
    struct sim_tcp *tcp = dial(&f);

    run_for(&f, 100 * NS_PER_MS);
    sim_tcp_write(tcp, SIM_LOCAL, data, 5000);
    run_for(&f, 100 * NS_PER_MS);
    sim_tcp_write(tcp, SIM_LOCAL, data, 16384);
    sim_tcp_write(tcp, SIM_LOCAL, data, 16384);
    sim_tcp_reset(tcp, SIM_LOCAL);
    run_for(&f, NS_PER_S);
    size_t got = sim_tcp_read(f.relay, SIM_RELAY, buffer, sizeof buffer);

    tap_ok(got >= 5000 + 14480 && got < 5000 + 2 * 16384,
           "a reset destroys what was not sent, and no more: %zu", got);
    tap_ok(sim_tcp_at_end(f.relay, SIM_RELAY), "and ends the peer");
    sim_tcp_reset(f.relay, SIM_RELAY);
    tap_ok(list_empty(&f.net.connections), "nothing is left of it");
    f.relay = NULL;
    tcp = dial(&f);
    run_for(&f, 100 * NS_PER_MS);
    sim_tcp_write(tcp, SIM_LOCAL, data, 100);
    run_for(&f, 100 * NS_PER_MS);
    f.net.path[0].link[SIM_LOCAL].blackhole = true;
    sim_tcp_reset(tcp, SIM_LOCAL);
    run_for(&f, 30 * NS_PER_S);
    tap_ok(f.relay->end[SIM_RELAY].state == SIM_TCP_OPEN, "a lost reset leaves half");
    f.net.path[0].link[SIM_LOCAL].blackhole = false;
    sim_tcp_write(f.relay, SIM_RELAY, data, 1);
    run_for(&f, NS_PER_S);
    tap_ok(f.relay->end[SIM_RELAY].state == SIM_TCP_RESET, "which writing finds out");
    teardown(&f);
}

static void test_blackhole(void)
{
    struct fixture f;
    static const uint8_t data[8000];

    setup(&f, 1000000, 10 * NS_PER_MS, 0);
    struct sim_tcp *tcp = dial(&f);

    run_for(&f, 100 * NS_PER_MS);
    f.net.path[0].link[SIM_LOCAL].blackhole = true;
    sim_tcp_write(tcp, SIM_LOCAL, data, sizeof data);
    run_for(&f, 3 * NS_PER_S);
    f.net.path[0].link[SIM_LOCAL].blackhole = false;
    bool early = f.relay != NULL;

    run_for(&f, 10 * NS_PER_S);
    tap_ok(!early && f.relay && sim_tcp_readable(f.relay, SIM_RELAY) == sizeof data,
           "what a blackhole swallowed is sent again");
    sim_tcp_close(f.relay, SIM_RELAY);
    run_for(&f, 10 * NS_PER_S);
    tap_ok(sim_tcp_at_end(tcp, SIM_LOCAL) && tcp->end[SIM_LOCAL].state == SIM_TCP_RESET,
           "closing with something unread resets");
    teardown(&f);
}

int main(void)
{
    test_bulk();
    test_round_trips();
    test_dials();
    test_reset();
    test_blackhole();
    return tap_end();
}
