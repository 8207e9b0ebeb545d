#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names: resolved here or at the relay, by dnsmasq and by servers that are silent or lie."""
import socket
import time

import harness
from fakedns import FakeDns
from harness import need, wait_until

HOST_UNREACHABLE = 4
NOT_FOUND_OR_FAILED = (1, HOST_UNREACHABLE)
WHERE = ("local", "relay")
RESOLVER_SECONDS = 5  # a silent server is given up later than that


def pair_with(t, where, server, **options):
    """A pair whose names are resolved at `where` by `server`; the other side asks nobody."""
    local = {"dns": {"resolve": where}}
    relay = {}
    (local if where == "local" else relay).setdefault("dns", {})["servers"] = [server]
    return t.pair(local, relay, name=t.unique(where), **options)


def start_dnsmasq(t):
    port = harness.free_port(socket.SOCK_DGRAM)
    words = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--port={port}",
             "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", "--user=root",
             "--pid-file=", "--log-facility=-", "--log-queries",
             "--host-record=four.test,127.0.0.1", "--host-record=six.test,::1",
             "--host-record=both.test,127.0.0.1,::1",
             "--host-record=many.test,127.0.0.2", "--host-record=many.test,127.0.0.3",
             "--host-record=many.test,127.0.0.1", "--cname=alias.test,four.test"]
    dnsmasq = t.process("dnsmasq", [need("dnsmasq"), *words])
    dnsmasq.wait_output("started")
    return f"127.0.0.1:{port}", dnsmasq


def test_dnsmasq(t):
    server, dnsmasq = start_dnsmasq(t)
    v4, v6 = t.server(), t.server(host="::1")
    for where in WHERE:
        pair = pair_with(t, where, server)
        for name, target in (("four.test", v4), ("FOUR.Test", v4), ("six.test", v6),
                             ("alias.test", v4), ("both.test", v4), ("both.test", v6),
                             ("many.test", v4), ("four.test.", v4)):
            t.equal(pair.fetch(name, target.port, b"hello"), b"hello", f"{name} at {where}")
        for name in ("none.test", "www.none.test"):
            t.equal(pair.connect(name, v4.port)[1], HOST_UNREACHABLE, f"{name} at {where}")
    t.check("four.test" in dnsmasq.log(), "dnsmasq was never asked")


def test_the_system_is_not_asked(t):
    """With servers configured, only those are asked."""
    dns = FakeDns(t, {"only.here": ["127.0.0.1"]})
    server = t.server()
    for where in WHERE:
        before = dns.queries["udp"]
        pair = pair_with(t, where, dns.server)
        t.equal(pair.fetch("only.here", server.port, b"x"), b"x", where)
        t.check(dns.queries["udp"] > before, f"{where}: the configured server was not asked")


def test_truncated_answers_are_asked_for_over_tcp(t):
    dns = FakeDns(t, {"long.test": ["127.0.0.1"]}, "truncated")
    server = t.server()
    for where in WHERE:
        pair = pair_with(t, where, dns.server)
        t.equal(pair.fetch("long.test", server.port, b"hello"), b"hello", where)
    t.check(dns.queries["tcp"] >= 2, f"queries: {dns.queries}")


def test_a_silent_server_costs_only_its_own_stream(t):
    dns = FakeDns(t, {}, "silent")
    server = t.server()
    for where in WHERE:
        pair = pair_with(t, where, dns.server)
        start = time.monotonic()
        waiting = [harness.socks_dial(pair.socks_port, 60) for _ in range(20)]
        for i, s in enumerate(waiting):
            s.sendall(b"\5\1\0" + harness.socks_request(f"silent{i}.test", 80))
            harness.recv_exactly(s, 2)
        wait_until(lambda: dns.queries["udp"], what=f"a query by {where}")
        # Others, beside it, are served at once.
        for _ in range(20):
            t.equal(pair.fetch("127.0.0.1", server.port, b"hello"), b"hello", where)
        waiting[0].settimeout(0.01)
        try:
            early = time.monotonic() - start < RESOLVER_SECONDS and waiting[0].recv(1)
            t.check(not early, "answered before the resolver could have given up")
        except TimeoutError:
            pass
        for s in waiting:
            s.settimeout(60)
            t.check(harness.socks_reply(s)[0] in NOT_FOUND_OR_FAILED, where)
            s.close()
        dns.queries["udp"] = 0


def test_broken_answers(t):
    server = t.server()
    for mode in ("rdlength", "count", "loop", "short", "garbage"):
        dns = FakeDns(t, {}, mode)
        for where in WHERE:
            pair = pair_with(t, where, dns.server)
            code = pair.reply("broken.test", server.port, timeout=60)
            # A record with a wrong length must not be taken for an address.
            t.check(code in NOT_FOUND_OR_FAILED, f"{mode} at {where}: reply {code}")
            t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", f"{mode} at {where}, after")
            t.check(pair.local.running() and pair.relay.running(), mode)


def test_a_dead_server_is_followed_by_the_next(t):
    silent, good = FakeDns(t, {}, "silent"), FakeDns(t, {"name.test": ["127.0.0.1"]})
    server = t.server()
    for where in WHERE:
        local, relay = {"dns": {"resolve": where}}, {}
        config = local if where == "local" else relay
        config.setdefault("dns", {})["servers"] = [silent.server, good.server]
        pair = t.pair(local, relay, name=where)
        t.equal(pair.fetch("name.test", server.port, b"x", timeout=40), b"x", where)


def test_unresponsive_addresses_are_overtaken(t):
    """Happy eyeballs: addresses that swallow every packet delay a stream, but do not end it."""
    a, dead, alive = t.netns("a"), t.netns("dead"), t.netns("alive")
    t.link(a, dead, "10.77.0", "off=1", name="dead")
    t.link(a, alive, "10.78.0", name="alive", device="al")
    origin = t.origin("10.78.0.2:5000", netns=alive)
    pair = t.pair({"dns": {"resolve": "relay"}}, {"destinations": {"allow": ["10.76.0.0/14"]}},
                  local_netns=a, relay_netns=a, start=False)
    with a.inside():
        dns = FakeDns(t, {"name.test": ["10.77.0.2", "10.77.0.3", "10.78.0.2"]})
    pair.relay_config["dns"] = {"servers": [dns.server]}
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    report = pair.load("name.test:5000", "--down", "100k")
    t.note(f"connected after {report['connect_ms']:.0f} ms with two dead addresses ahead")
    t.equal(origin.report()["good"], 1, "streams that the origin has seen")


def test_the_relays_own_name(t):
    """It is resolved with the configured servers, and again when dialling fails."""
    dns = FakeDns(t, {"relay.test": ["127.0.0.1"]})
    server = t.server()
    pair = t.pair({"dns": {"servers": [dns.server]}}, dial_address="relay.test")
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "at the first address")
    pair.relay.kill()
    dns.table["relay.test"] = ["127.0.0.2"]
    pair.relay_config["listen"][0]["address"] = "127.0.0.2"
    pair.write_configs()
    pair.start_relay()
    wait_until(lambda: pair.reply("127.0.0.1", server.port, timeout=40) == 0, 40,
               "a stream by the relay's new address")


if __name__ == "__main__":
    harness.main(globals(), 240)
