/* SPDX-License-Identifier: MIT */
/* The network model itself, since the simulator's verdicts rest on it. */
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
    uint64_t began_at_ns = f->clock.now_ns;
    struct sim_tcp *tcp = dial(f);
    uint64_t written = 0, read = 0;
    uint8_t buffer[4096];

    f->relay = NULL;
    while (read < total && sim_clock_step(&f->clock, began_at_ns + 10000 * NS_PER_S)) {
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
    return read == total ? f->clock.now_ns - began_at_ns : 0;
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

/* ---- boxes that limit connections ---- */

/* A network of 1 MB/s and 20 ms with one box. */
static void setup_box(struct fixture *f, struct sim_limits limits)
{
    struct sim_box box = {.ports = SIM_ALL_PORTS, .limits = {limits}};

    setup(f, 1000000, 10 * NS_PER_MS, 0);
    sim_net_set_boxes(&f->net, &box, 1, 1);
}

static const struct sim_box_counts *counts(const struct fixture *f)
{
    return &f->net.boxes[0].counts;
}

/* Writes as much as fits for so long. Returns how much the other side has read. */
static uint64_t flood(struct fixture *f, struct sim_tcp *tcp, enum sim_side from,
                      uint64_t ns)
{
    static const uint8_t zeros[SIM_NOTSENT_BYTES];
    uint64_t until_ns = f->clock.now_ns + ns;
    enum sim_side to = sim_peer(from);
    uint8_t buffer[4096];
    uint64_t read = 0;
    size_t length;

    do {
        while ((length = sim_tcp_room(tcp, from)) > 0)
            sim_tcp_write(tcp, from, zeros, length);
        while ((length = sim_tcp_read(tcp, to, buffer, sizeof buffer)) > 0)
            read += length;
    } while (sim_clock_step(&f->clock, until_ns));
    return read;
}

/* A connection that the relay has accepted; one byte has gone up. */
static struct sim_tcp *establish(struct fixture *f)
{
    struct sim_tcp *tcp = dial(f);
    uint8_t byte = 0;

    run_for(f, 100 * NS_PER_MS);
    sim_tcp_write(tcp, SIM_LOCAL, &byte, 1);
    run_for(f, 100 * NS_PER_MS);
    if (f->relay == tcp)
        sim_tcp_read(tcp, SIM_RELAY, &byte, 1);
    return tcp;
}

static void test_freeze(void)
{
    static const struct {
        const char *what;
        struct sim_limits limits;
        uint64_t passes; /* of what is sent in the direction that counts */
    } cases[] = {
        /* Packets have 1448 bytes of payload; what would go beyond is dropped whole. One
         * byte went up before. */
        {"payload up",
         {.counted = SIM_COUNTED_UP, .payload = true, .cut_bytes = 1 + 8 * 1448},
         8 * 1448},
        {"payload down",
         {.counted = SIM_COUNTED_DOWN, .payload = true, .cut_bytes = 8 * 1448 + 1447},
         8 * 1448},
        /* SYN, the acknowledgement of its answer, and the byte have 52 bytes of headers. */
        {"IP packets up",
         {.counted = SIM_COUNTED_UP, .cut_bytes = 3 * 52 + 1 + 5 * 1500},
         5 * 1448},
        {"IP packets up, one byte less",
         {.counted = SIM_COUNTED_UP, .cut_bytes = 3 * 52 + 5 * 1500},
         4 * 1448},
        /* The answer to SYN, the byte's acknowledgement; and one for each packet. */
        {"the sum", {.cut_bytes = 5 * 52 + 1 + 5 * 1552 - 52}, 5 * 1448},
    };
    struct fixture f;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct sim_limits *limits = &cases[i].limits;
        enum sim_side from = limits->counted == SIM_COUNTED_DOWN ? SIM_RELAY : SIM_LOCAL;

        setup_box(&f, *limits);
        struct sim_tcp *tcp = establish(&f);
        uint64_t passed = flood(&f, tcp, from, 3 * NS_PER_S);
        uint64_t back = flood(&f, tcp, sim_peer(from), NS_PER_S);

        tap_ok(passed == cases[i].passes && back == 0 && counts(&f)->frozen == 1 &&
                   tcp->end[0].state == SIM_TCP_OPEN && tcp->end[1].state == SIM_TCP_OPEN,
               "frozen after %s: %" PRIu64 " bytes passed, then %" PRIu64 " back",
               cases[i].what, passed, back);
        teardown(&f);
    }
    setup_box(&f, (struct sim_limits){
                      .counted = SIM_COUNTED_UP, .payload = true, .cut_bytes = 1000});
    uint64_t passed = flood(&f, establish(&f), SIM_RELAY, NS_PER_S);

    tap_ok(passed > 500000, "what does not count passes: %" PRIu64, passed);
    teardown(&f);
}

/* Cuts that reset both ends, and by age. A reset that is lost is sent again when the next
 * packet comes. */
static void test_cuts(void)
{
    struct fixture f;
    struct sim_tcp *tcp;
    uint8_t byte = 0;

    setup_box(&f, (struct sim_limits){.counted = SIM_COUNTED_DOWN,
                                      .payload = true,
                                      .cut_bytes = 4 * 1448,
                                      .cut_resets = true});
    tcp = establish(&f);
    uint64_t passed = flood(&f, tcp, SIM_RELAY, NS_PER_S);

    tap_ok(passed == 4 * 1448 && tcp->end[0].state == SIM_TCP_RESET &&
               tcp->end[1].state == SIM_TCP_RESET && f.net.boxes[0].open == 0,
           "reset at both ends after %" PRIu64 " bytes", passed);
    teardown(&f);
    for (int resets = 0; resets < 2; resets++) {
        setup_box(&f, (struct sim_limits){.age_ns = NS_PER_S, .age_resets = resets});
        tcp = establish(&f);
        run_for(&f, 600 * NS_PER_MS);
        sim_tcp_write(tcp, SIM_LOCAL, &byte, 1);
        run_for(&f, 100 * NS_PER_MS);
        bool young = sim_tcp_read(tcp, SIM_RELAY, &byte, 1) == 1;

        f.net.path[0].link[SIM_RELAY].blackhole = true;
        run_for(&f, 200 * NS_PER_MS);
        sim_tcp_write(tcp, SIM_LOCAL, &byte, 1);
        run_for(&f, 100 * NS_PER_MS);
        bool early = tcp->end[SIM_LOCAL].state == SIM_TCP_RESET;

        f.net.path[0].link[SIM_RELAY].blackhole = false;
        run_for(&f, 3 * NS_PER_S);
        tap_ok(young && !early && sim_tcp_readable(tcp, SIM_RELAY) == 0 &&
                   tcp->end[SIM_LOCAL].state == (resets ? SIM_TCP_RESET : SIM_TCP_OPEN) &&
                   tcp->end[SIM_RELAY].state == (resets ? SIM_TCP_RESET : SIM_TCP_OPEN),
               "%s after a second", resets ? "reset" : "frozen");
        teardown(&f);
    }
}

/* Dials. Whether the connection is open after a tenth of a second. */
static bool dial_passes(struct fixture *f, struct sim_tcp **tcp)
{
    *tcp = dial(f);
    run_for(f, 100 * NS_PER_MS);
    return (*tcp)->end[SIM_LOCAL].state == SIM_TCP_OPEN;
}

static void test_open_most(void)
{
    struct sim_tcp *tcp[3], *late;
    struct fixture f;
    unsigned passed = 0;

    setup_box(&f, (struct sim_limits){.open_most = 3});
    for (size_t i = 0; i < 3; i++)
        passed += dial_passes(&f, &tcp[i]);
    bool beyond = dial_passes(&f, &late);

    run_for(&f, 2 * NS_PER_S);
    beyond |= late->end[SIM_LOCAL].state == SIM_TCP_OPEN;
    tap_ok(passed == 3 && !beyond && f.net.boxes[0].open == 3 &&
               counts(&f)->syns_dropped == 2,
           "3 connections open, and no fourth: %u, dropped SYNs %" PRIu64, passed,
           counts(&f)->syns_dropped);
    sim_tcp_reset(tcp[1], SIM_LOCAL);
    run_for(&f, 5 * NS_PER_S);
    tap_ok(late->end[SIM_LOCAL].state == SIM_TCP_OPEN,
           "the next SYN passes when one has ended");
    teardown(&f);
}

/* How long after the reset of a frozen connection the next one is let in; 0 when a frozen
 * connection is not what its limits say. */
static uint64_t zombie_lasts_ns(struct sim_limits limits)
{
    struct sim_tcp *tcp, *next;
    struct fixture f;
    uint64_t began_at_ns;

    limits.open_most = 1;
    limits.payload = true;
    limits.cut_bytes = 1000;
    setup_box(&f, limits);
    tcp = establish(&f);
    flood(&f, tcp, SIM_LOCAL, NS_PER_S);
    bool refused = !dial_passes(&f, &next);

    sim_tcp_reset(next, SIM_LOCAL);
    began_at_ns = f.clock.now_ns;
    sim_tcp_reset(tcp, SIM_LOCAL);
    while (f.clock.now_ns - began_at_ns < 20 * NS_PER_S && !dial_passes(&f, &next))
        sim_tcp_reset(next, SIM_LOCAL);
    uint64_t lasted_ns = f.clock.now_ns - began_at_ns;
    bool knows = f.relay->end[SIM_RELAY].state == SIM_TCP_RESET;

    teardown(&f);
    return refused && knows == limits.frozen_ends_pass ? lasted_ns : 0;
}

static void test_zombies(void)
{
    uint64_t none_ns = zombie_lasts_ns((struct sim_limits){0});
    uint64_t two_ns = zombie_lasts_ns((struct sim_limits){.zombie_ns = 2 * NS_PER_S});
    uint64_t seen_ns = zombie_lasts_ns(
        (struct sim_limits){.zombie_ns = 2 * NS_PER_S, .frozen_ends_pass = true});

    tap_ok(none_ns == 100 * NS_PER_MS, "an entry goes with its connection: %" PRIu64 " ms",
           none_ns / NS_PER_MS);
    tap_ok(two_ns == 2100 * NS_PER_MS, "or stays for 2 s more: %" PRIu64 " ms",
           two_ns / NS_PER_MS);
    tap_ok(seen_ns == 100 * NS_PER_MS, "unless the end passes: %" PRIu64 " ms",
           seen_ns / NS_PER_MS);
}

static void test_syns(void)
{
    for (int refused = 0; refused < 2; refused++) {
        struct sim_tcp *tcp[30];
        unsigned open = 0, refusals = 0;
        struct fixture f;

        setup_box(&f, (struct sim_limits){.syns_per_second = 10, .syns_refused = refused});
        /* 20 at once, of which one second's worth passes; then 10 in half a second. */
        for (size_t i = 0; i < 30; i++) {
            tcp[i] = dial(&f);
            if (i >= 20)
                run_for(&f, 50 * NS_PER_MS);
        }
        run_for(&f, 30 * NS_PER_MS);
        for (size_t i = 0; i < 30; i++) {
            open += tcp[i]->end[SIM_LOCAL].state == SIM_TCP_OPEN;
            refusals += tcp[i]->end[SIM_LOCAL].state == SIM_TCP_REFUSED;
        }
        tap_ok(open == 14 && refusals == (refused ? 16 : 0) &&
                   counts(&f)->syns_dropped == 16,
               "10 SYNs, and 10 a second: %u passed, %u were refused", open, refusals);
        teardown(&f);
    }
}

static void test_rates(void)
{
    struct fixture f;
    uint64_t bytes, most;

    /* 125 kB/s of IP, of which 1448/1500 is payload, for 10 s, and what is on its way. */
    setup_box(&f, (struct sim_limits){.police_rate = 125000});
    bytes = flood(&f, establish(&f), SIM_RELAY, 10 * NS_PER_S);
    most = UINT64_C(1250000) * 1448 / 1500;
    tap_ok(bytes > most * 9 / 10 && bytes <= most && counts(&f)->policed > 0,
           "policed to 1 Mbit/s: %" PRIu64 " bytes in 10 s, at most %" PRIu64, bytes, most);
    teardown(&f);
    setup_box(&f, (struct sim_limits){.slow_bytes = 300000, .slow_rate = 12000});
    bytes = flood(&f, establish(&f), SIM_LOCAL, 10 * NS_PER_S);
    tap_ok(bytes > 300000 && bytes < 300000 + 120000,
           "slow beyond 300 kB: %" PRIu64 " bytes in 10 s", bytes);
    teardown(&f);
}

/* The limit is another from 2 s on, and each connection has its own share of the jitter. */
static void test_changes(void)
{
    struct sim_box box = {
        .ports = 1,
        .limits = {{.payload = true, .cut_bytes = 100000},
                   {.begins_at_ns = 2 * NS_PER_S, .payload = true, .cut_bytes = 10000}},
        .limit_count = 2};
    uint64_t before, after, least = UINT64_MAX, most = 0;
    struct fixture f;

    setup(&f, 1000000, 10 * NS_PER_MS, 0);
    sim_net_set_boxes(&f.net, &box, 1, 1);
    before = flood(&f, establish(&f), SIM_RELAY, NS_PER_S);
    run_for(&f, NS_PER_S);
    after = flood(&f, establish(&f), SIM_RELAY, NS_PER_S);
    tap_ok(before > 98000 && before < 100000 && after > 8500 && after < 10000,
           "limits that change: %" PRIu64 ", then %" PRIu64 " bytes", before, after);
    teardown(&f);
    setup_box(&f, (struct sim_limits){
                      .payload = true, .cut_bytes = 100000, .jitter_percent = 30});
    for (int i = 0; i < 40; i++) {
        uint64_t bytes = flood(&f, establish(&f), SIM_RELAY, 500 * NS_PER_MS);

        least = MIN(least, bytes);
        most = MAX(most, bytes);
    }
    tap_ok(least > 68000 && least < 80000 && most > 120000 && most < 130000,
           "jitter of 30%%: %" PRIu64 " to %" PRIu64 " bytes", least, most);
    teardown(&f);
}

/* Ports of one path that differ, and one without a box. Several limits hold at once. */
static void test_ports(void)
{
    static const struct sim_box boxes[] = {
        {.ports = 1 << 0,
         .limits = {{.payload = true,
                     .cut_bytes = 10 * 1448,
                     .police_rate = 12000,
                     .open_most = 1}}},
        {.ports = 1 << 1, .limits = {{.blocked = true}}},
    };
    uint64_t passed[3] = {0};
    struct sim_tcp *tcp[4];
    struct fixture f;

    setup(&f, 1000000, 10 * NS_PER_MS, 0);
    f.net.ports = 3;
    sim_net_set_boxes(&f.net, boxes, ARRAY_LENGTH(boxes), 1);
    for (size_t i = 0; i < 4; i++)
        tcp[i] = sim_tcp_dial(&f.net, 0, i % 3, count_wake, &f);
    run_for(&f, 500 * NS_PER_MS);
    tap_ok(tcp[0]->end[SIM_LOCAL].state == SIM_TCP_OPEN &&
               tcp[1]->end[SIM_LOCAL].state == SIM_TCP_SYN_SENT &&
               tcp[2]->end[SIM_LOCAL].state == SIM_TCP_OPEN &&
               tcp[3]->end[SIM_LOCAL].state == SIM_TCP_SYN_SENT,
           "a port is blocked, and another has room for one connection");
    passed[0] = flood(&f, tcp[0], SIM_LOCAL, 500 * NS_PER_MS);
    passed[1] = flood(&f, tcp[0], SIM_LOCAL, 5 * NS_PER_S);
    passed[2] = flood(&f, tcp[2], SIM_LOCAL, NS_PER_S);
    /* Retransmissions count, too. */
    tap_ok(passed[0] > 0 && passed[0] < 6000 + 2 * 1448 && passed[1] > 0 &&
               passed[0] + passed[1] <= 10 * 1448 && counts(&f)->frozen == 1 &&
               passed[2] > 500000,
           "slow, then frozen: %" PRIu64 " and %" PRIu64 " bytes; a third port: %" PRIu64,
           passed[0], passed[1], passed[2]);
    teardown(&f);
}

int main(void)
{
    test_bulk();
    test_round_trips();
    test_dials();
    test_reset();
    test_blackhole();
    test_freeze();
    test_cuts();
    test_open_most();
    test_zombies();
    test_syns();
    test_rates();
    test_changes();
    test_ports();
    return tap_end();
}
