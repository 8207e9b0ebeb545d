#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The test programs themselves, since other tests rely on their figures and their faults."""
import socket
import time

import harness
from harness import free_port


def proxied(t):
    origin = t.origin()
    port = free_port()
    proxy = t.tool("wireproxy", ["--forward", f"127.0.0.1:{port}={origin.dest}"])
    return origin, proxy, f"127.0.0.1:{port}"


def test_origin_and_client(t):
    origin = t.origin()
    report = t.load("--direct", origin.dest, "--up", "3M", "--down", "5M", "--count", 3)
    t.equal((report["good"], report["up"], report["down"]), (3, 9 << 20, 15 << 20), "client")
    for mode in ("late", "early"):
        t.load("--direct", origin.dest, "--up", "1M", "--down", "1M", "--mode", mode)
    ping = t.load("--direct", origin.dest, "--ping", 50)["ping_us"]
    t.equal(ping["count"], 50, "pings")
    t.equal((origin.report()["good"], origin.report()["bad"]), (6, 0), "origin")


def test_wireproxy_counts(t):
    origin, proxy, dest = proxied(t)
    t.load("--direct", dest, "--up", 1000, "--down", 2000, "--count", 500, "--parallel", 7)
    report = proxy.report()
    t.equal((report["connections"], report["max_open"]), (500, 7), "connections")
    t.equal((report["max_up"], report["max_down"]), (1032, 2016), "most of one connection")
    t.equal((report["up"], report["down"]), (500 * 1032, 500 * 2016), "sums")


def test_wireproxy_faults_are_noticed(t):
    origin, proxy, dest = proxied(t)
    words = ("--direct", dest, "--up", "100k", "--down", "100k")
    proxy.command("fault flip up 5000 any")
    t.equal(t.load(*words, good=False)["bad"], 1, "flipped upwards")
    proxy.command("fault flip down 5000 any")
    t.equal(t.load(*words, good=False)["bad"], 1, "flipped downwards")
    proxy.command("fault cut down 5000 any")
    t.equal(t.load(*words, good=False)["bad"], 1, "cut")
    proxy.command("fault reset up 5000 any")
    t.equal(t.load(*words, good=False)["broken"], 1, "reset")
    proxy.command("fault none")
    t.load(*words)
    t.equal(proxy.report()["faults"], 4, "faults")


def test_wireproxy_resets_and_refuses(t):
    origin, proxy, dest = proxied(t)
    host, port = dest.split(":")
    client = socket.create_connection((host, int(port)))
    harness.wait_until(lambda: origin.report()["open"] == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    harness.wait_until(lambda: origin.report()["broken"] == 1)
    t.equal(proxy.report()["client_resets"], 1, "resets")
    proxy.command("refuse")
    try:
        socket.create_connection((host, int(port)))
        t.check(False, "connected while refusing")
    except ConnectionRefusedError:
        pass
    proxy.command("accept")
    t.load("--direct", dest, "--down", 1000)


def test_wireproxy_stall_and_delay(t):
    origin, proxy, dest = proxied(t)
    proxy.command("stall all")
    load = t.start_load("--direct", dest, "--down", "1M")
    time.sleep(0.3)
    t.equal((load.running(), proxy.report()["up"]), (True, 0), "while stalled")
    proxy.command("resume")
    load.result()
    proxy.command("delay both 20ms")
    ping = t.load("--direct", dest, "--ping", 10)["ping_us"]
    t.check(ping["min"] >= 40000, f"a round trip of {ping}")


def two_hosts(t, settings):
    a, b = t.netns("a"), t.netns("b")
    link = t.link(a, b, settings=settings)
    origin = t.origin("10.77.0.2:5000", netns=b)
    return a, link, origin


def test_linkemu_delays(t):
    a, link, origin = two_hosts(t, "delay=15ms")
    ping = t.load("--direct", origin.dest, "--ping", 10, netns=a)["ping_us"]
    t.note(ping)
    t.check(ping["min"] >= 30000, f"a round trip of {ping}")


def test_linkemu_limits_the_rate(t):
    a, link, origin = two_hosts(t, "delay=1ms")
    link.set("rate=40Mbit", "b2a")
    report = t.load("--direct", origin.dest, "--down", "5M", netns=a)
    rate = report["down"] * 8 / report["seconds"]
    t.note(f"{rate / 1e6:.1f} Mbit/s")
    t.check(rate <= 40e6, f"{rate} bit/s got through a link of 40 Mbit/s")


def test_linkemu_loses_and_watches(t):
    a, link, origin = two_hosts(t, "delay=1ms loss=0.02")
    t.load("--direct", origin.dest, "--up", "1M", "--down", "1M", "--count", 4, "--parallel", 2,
           netns=a)
    report = link.report()
    t.note(report)
    t.check(report["a2b"]["lost"] > 0 and report["b2a"]["lost"] > 0, "nothing was lost")
    tcp = report["tcp"]
    t.equal((tcp["connections"], tcp["max_open"]), (4, 2), "connections")
    t.equal((tcp["max_up"], tcp["max_down"]), ((1 << 20) + 32, (1 << 20) + 16), "payload")


def test_linkemu_black_hole(t):
    a, link, origin = two_hosts(t, "delay=1ms")
    load = t.start_load("--direct", origin.dest, "--ping", 300000, netns=a)
    harness.wait_until(lambda: origin.report()["received"] > 0)
    link.set("off=1")
    # Which side goes on sending is chance: only one whose last packet was not yet acknowledged.
    harness.wait_until(lambda: sum(link.report()[way]["blackholed"] for way in ("a2b", "b2a")) > 2,
                       what="packets to vanish")
    before = harness.rest(lambda: origin.report()["received"])
    time.sleep(0.3)
    t.equal(origin.report()["received"], before, "bytes through a black hole")
    link.set("off=0")
    harness.wait_until(lambda: origin.report()["received"] > before)
    load.kill()


def test_linkemu_directions_differ(t):
    """Each direction has settings of its own, and they change while packets are under way."""
    a, link, origin = two_hosts(t, "delay=1ms")
    link.set("delay=30ms rate=100Mbit", "a2b")
    link.set("rate=20Mbit limit=64k", "b2a")
    ping = t.load("--direct", origin.dest, "--ping", 10, netns=a)["ping_us"]
    t.check(ping["min"] >= 31000, f"a round trip of {ping}")
    load = t.start_load("--direct", origin.dest, "--down", "4M", netns=a)
    harness.wait_until(lambda: origin.report()["sent"] > 1 << 20)
    link.set("delay=1ms", "a2b")
    link.set("rate=200Mbit", "b2a")
    load.result()
    report = link.report()
    t.note(report)
    t.check(report["b2a"]["longest_queue"] <= 64 << 10, "the queue was longer than its limit")
    t.equal((report["a2b"]["overflowed"], report["b2a"]["overflowed"] > 0), (0, True), "overflow")
    ping = t.load("--direct", origin.dest, "--ping", 30, netns=a)["ping_us"]
    t.check(ping["min"] < 31000, f"a round trip of {ping} after the delay was made short")


def test_linkemu_jitter(t):
    a, link, origin = two_hosts(t, "delay=1ms jitter=20ms")
    ping = t.load("--direct", origin.dest, "--ping", 40, netns=a)["ping_us"]
    t.note(ping)
    t.check(ping["min"] >= 2000 and ping["max"] - ping["min"] >= 8000, f"round trips of {ping}")


def test_linkemu_one_way_black_hole(t):
    """The way out swallows everything; the way back still works, and nobody is told."""
    a, link, origin = two_hosts(t, "delay=1ms")
    load = t.start_load("--direct", origin.dest, "--ping", 300000, netns=a)
    harness.wait_until(lambda: origin.report()["received"] > 0)
    link.set("off=1", "a2b")
    harness.wait_until(lambda: link.report()["a2b"]["blackholed"] > 2, what="packets to vanish")
    before = harness.rest(lambda: origin.report()["received"])
    time.sleep(0.3)
    t.equal(origin.report()["received"], before, "bytes through a black hole")
    t.equal(link.report()["b2a"]["blackholed"], 0, "packets lost on the way back")
    link.set("off=0", "a2b")
    harness.wait_until(lambda: origin.report()["received"] > before)
    load.kill()


def test_linkemu_flaps(t):
    a, link, origin = two_hosts(t, "delay=1ms rate=20Mbit limit=64k flap=300ms/100ms")
    load = t.start_load("--direct", origin.dest, "--down", "2M", netns=a)
    harness.wait_until(lambda: link.report()["b2a"]["blackholed"] > 0, what="packets to vanish")
    load.result()
    link.set("flap=none")
    lost = [link.report()[way]["blackholed"] for way in ("a2b", "b2a")]
    t.load("--direct", origin.dest, "--down", "2M", netns=a)
    t.equal([link.report()[way]["blackholed"] for way in ("a2b", "b2a")], lost,
            "packets lost after the end of the schedule")


def test_linkemu_cuts_connections(t):
    """Only packets of the direction that is named count, and each connection by itself."""
    a, link, origin = two_hosts(t, "delay=1ms")
    link.limit("reset=20000/up")
    t.load("--direct", origin.dest, "--down", "100k", "--up", 9000, "--count", 3, netns=a)
    t.equal(link.report()["box"]["cut"], 0, "connections cut")
    report = t.load("--direct", origin.dest, "--up", "100k", netns=a, good=False)
    t.equal((report["broken"], link.report()["box"]["cut"]), (1, 1), "connections cut")
    link.limit("none")
    t.load("--direct", origin.dest, "--up", "100k", netns=a)


def test_linkemu_polices_connections(t):
    """Each has a rate, from the beginning or after so many bytes; two have twice as much."""
    a, link, origin = two_hosts(t, "delay=1ms")
    seconds = lambda: t.load("--direct", origin.dest, "--down", 300000, netns=a)["seconds"]
    for limit, slow_bytes in (("police=2Mbit", 300000), ("slow=200000:800kbit", 100000)):
        rate = 250000 if limit.startswith("police") else 100000
        link.limit(limit)
        t.check(seconds() >= (slow_bytes - rate / 10 - 6000) / rate, f"{limit}: too fast")
    t.equal(link.report()["box"]["cut"], 0, "connections cut")


def test_linkemu_cuts_connections_by_age(t):
    a, link, origin = two_hosts(t, "delay=1ms")
    link.limit("age-reset=2s,jitter=30")
    t.load("--direct", origin.dest, "--ping", 3, netns=a)
    report = t.load("--direct", origin.dest, "--ping", 1000000, netns=a, good=False)
    t.equal((report["broken"], link.report()["box"]["cut"]), (1, 1), "connections cut")


def test_linkemu_bounds_syns_and_ports(t):
    a, link, origin = two_hosts(t, "delay=1ms")
    port = origin.dest.rpartition(":")[2]
    link.limit(f"port={port},refuse=1")
    report = t.load("--direct", origin.dest, "--ping", 1, "--count", 5, "--parallel", 5, netns=a,
                    good=False)
    refused = link.report()["box"]["dropped_syns"]
    t.equal(report["broken"], refused, "refused")
    t.check(refused > 0, "all have passed")
    link.limit("port=1,blocked")
    link.limit(f"port={port},none")
    t.load("--direct", origin.dest, "--ping", 1, "--count", 5, "--parallel", 5, netns=a)
    link.limit(f"port={port},blocked")
    waiting = t.start_load("--direct", origin.dest, "--ping", 1, netns=a)
    harness.wait_until(lambda: link.report()["box"]["dropped_syns"] > refused,
                       what="a SYN to be dropped")
    link.limit("none")
    waiting.result()


if __name__ == "__main__":
    harness.main(globals())
