#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names: the questions that they cost, servers that answer half of them, and texts that are no name."""
import os
import signal
import socket
import threading
import time

import harness
from fakedns import A, AAAA, FakeDns
from harness import SLOW, Skip, need, wait_until
from test_dns import HOST_UNREACHABLE, WHERE

SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
TIMEOUT = "60s"  # a resolver that waits for it takes far longer than any test may
HALF = 20  # seconds: a query that takes longer has waited for a time-out


def pair_by(t, where, *servers, dns=None, **options):
    """A pair whose names are resolved at `where` by these servers."""
    local, relay = {"dns": {"resolve": where}}, {"dns": {}}
    (local if where == "local" else relay)["dns"].update(
        {"servers": list(servers), "timeout": TIMEOUT, **(dns or {})})
    return t.pair(local, relay, name=t.unique(where), **options)


def fetch(t, pair, name, port, what):
    start = time.monotonic()
    t.equal(pair.fetch(name, port, b"hello", timeout=60), b"hello", what)
    took = time.monotonic() - start
    t.check(took < HALF * SLOW, f"{what}: took {took:.1f} s")
    return took


def test_one_family_is_enough(t):
    """The server ignores, refuses or delays one kind of question and answers the other."""
    v4, v6 = t.server(), t.server(host="::1")
    dns = FakeDns(t, {f"{family}{i}.test": [address] for i in range(4) for family, address in
                      (("four", "127.0.0.1"), ("six", "::1"))})
    for where in WHERE:
        pair = pair_by(t, where, dns.server)
        for i, (silent, codes, delays) in enumerate(
                (({AAAA}, {}, {}), (set(), {AAAA: SERVFAIL}, {}), (set(), {AAAA: NXDOMAIN}, {}),
                 (set(), {}, {AAAA: 3}))):
            dns.silent, dns.codes, dns.delays = silent, codes, delays
            took = fetch(t, pair, f"four{i}.test", v4.port, f"IPv4 at {where}, case {i}")
            t.note(f"{where}, AAAA {silent or codes or delays}: {took * 1000:.0f} ms")
        dns.silent, dns.codes, dns.delays = {A}, {}, {}
        fetch(t, pair, "six0.test", v6.port, f"IPv6 at {where}")


def test_one_family_is_enough_for_the_relays_name_and_direct(t):
    server = t.server()
    dns = FakeDns(t, {"relay.test": ["127.0.0.1"], "direct.test": ["127.0.0.1"]})
    dns.silent = {AAAA}
    forward = harness.free_port()
    pair = t.pair({"dns": {"servers": [dns.server], "timeout": TIMEOUT},
                   "rules": [{"host": "direct.test", "action": "direct"}],
                   "listen": [{"protocol": "socks5", "port": harness.free_port()},
                              {"protocol": "forward", "port": forward,
                               "to": f"direct.test:{server.port}"}]},
                  dial_address="relay.test", start=False)
    pair.socks_port = pair.local_config["listen"][0]["port"]
    pair.start_relay()
    pair.start_local()
    fetch(t, pair, "127.0.0.1", server.port, "by the relay's name")
    fetch(t, pair, "direct.test", server.port, "direct")
    with socket.create_connection(("127.0.0.1", forward), timeout=HALF * SLOW) as s:
        s.sendall(b"x")
        t.equal(s.recv(1), b"x", "forwarded")


def test_a_dead_server_costs_once(t):
    """The first server is silent, or nothing listens at its port: it is left alone after that."""
    server = t.server()
    good = FakeDns(t, {f"n{i}.test": ["127.0.0.1"] for i in range(12)}, ttl=60)
    for where in WHERE:
        silent = FakeDns(t, mode="silent")
        pair = pair_by(t, where, silent.server, good.server)
        for i in range(12):
            fetch(t, pair, f"n{i}.test", server.port, f"{where}, silent first server")
        t.at_most(silent.queries["udp"], 8, f"{where}: questions to the silent server")
        pair = pair_by(t, where, f"127.0.0.1:{harness.free_port(socket.SOCK_DGRAM)}", good.server)
        for i in range(12):
            fetch(t, pair, f"n{i}.test", server.port, f"{where}, closed port")
        pair.local.stop()
        pair.relay.stop()


def test_a_name_is_asked_for_once(t):
    server = t.server()
    for where in WHERE:
        dns = FakeDns(t, {"name.test": ["127.0.0.1"], "empty.test": []}, ttl=300)
        dns.delays = {A: 0.3, AAAA: 0.3}  # so that all wait at the same time
        pair = pair_by(t, where, dns.server)

        def one(name="name.test"):
            s, _ = pair.connect(name, server.port, timeout=60)
            s.close()
        threads = [threading.Thread(target=one) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ("name.test", "NAME.test", "Name.Test."):
            one(name)
        t.equal(dns.queries["udp"], 2, f"{where}: questions for 13 connections to one name")
        # An absence is remembered, too (the SOA says for how long).
        for name in ("none.test", "empty.test"):
            for _ in range(3):
                t.equal(pair.reply(name, server.port, timeout=60), HOST_UNREACHABLE, f"{where}: {name}")
            t.equal(dns.asked[name, A], 1, f"{where}: questions for {name}")
        # A reload forgets.
        daemon = pair.local if where == "local" else pair.relay
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "was read again" in daemon.log(), what="the reload")

        def asked_again():
            one()
            return dns.asked["name.test", A] == 2
        wait_until(asked_again, what=f"{where}: a question after the reload")


def test_no_memory(t):
    server = t.server()
    for where in WHERE:
        dns = FakeDns(t, {"name.test": ["127.0.0.1"]}, ttl=300)
        pair = pair_by(t, where, dns.server, dns={"cache": 0})
        for _ in range(3):
            fetch(t, pair, "name.test", server.port, where)
        t.equal(dns.asked["name.test", A], 3, f"{where}: questions")


def test_truncated_and_no_tcp(t):
    server = t.server()
    dns = FakeDns(t, {"long.test": ["127.0.0.1"]}, "partly", tcp="closed")
    for where in WHERE:
        fetch(t, pair_by(t, where, dns.server), "long.test", server.port, where)


def test_more_than_fits_without_a_word(t):
    """The server sends a long answer over UDP as if there was no bound, and the flag is missing."""
    server = t.server(host="::1")
    dns = FakeDns(t, {"long.test": ["::1", *(f"fd00::{i:x}" for i in range(1, 30))]}, tcp="closed")
    for where in WHERE:
        fetch(t, pair_by(t, where, dns.server), "long.test", server.port, where)


def name_request(name, port):
    """A request with a name, whatever it looks like."""
    return b"\5\1\0\3" + bytes([len(name)]) + name + port.to_bytes(2, "big")


def ask(pair, name, port):
    with harness.socks_dial(pair.socks_port, 30) as s:
        s.sendall(b"\5\1\0" + name_request(name, port))
        harness.recv_exactly(s, 2)
        return harness.socks_reply(s)[0]


def test_what_is_no_name_is_not_asked_for(t):
    v4, v6 = t.server(), t.server(host="::1")
    for where in WHERE:
        dns = FakeDns(t, {})
        pair = pair_by(t, where, dns.server)
        for name, server in ((b"127.0.0.1", v4), (b"127.1", v4), (b"0x7f.1", v4), (b"0177.0.0.1", v4),
                             (b"2130706433", v4), (b"127.0.0.1.", v4), (b"::1", v6), (b"[::1]", v6),
                             (b"::ffff:127.0.0.1", v4), (b"localhost", v4), (b"a.LocalHost.", v4)):
            t.equal(ask(pair, name, server.port), 0, f"{where}: {name}")
        for name in (b"", b" ", b".", b"a..b", b"127.0.0.1 ", b"1.2.3.4.5", b"256.1.1.1", b"example.123",
                     b"[::1", b"[example.test]", b"::1%nosuchif", b"user@example.test", b"a/b", b"a\0b",
                     b"x" * 64 + b".test", b".".join([b"x" * 63] * 4), "b\u00fccher.test".encode(),
                     b"abcdefghij.onion", b"www.example.invalid", b"1.0.0.127.in-addr.arpa"):
            t.equal(ask(pair, name, v4.port), HOST_UNREACHABLE, f"{where}: {name}")
        for name in (b"::", b"::127.0.0.1", b"ff02::1", b"[fe80::1%lo]"):
            t.equal(ask(pair, name, v4.port), 2, f"{where}: {name}, which the relay refuses")
        t.equal(dns.queries["udp"], 0, f"{where}: questions ({dict(dns.asked)})")


def test_rules_see_addresses_in_any_spelling(t):
    server = t.server()
    pair = t.pair({"rules": [{"cidr": "127.0.0.0/8", "action": "block"}], "dns": {"resolve": "relay"}})
    for name in (b"127.0.0.1", b"127.1", b"0x7f000001", b"2130706433", b"127.0.0.1.", b"[::ffff:127.0.0.1]"):
        t.equal(ask(pair, name, server.port), 2, name)


def test_the_hosts_file(t):
    """Tens of thousands of names to block, and one that counts; it is followed when it changes."""
    if os.geteuid() != 0:
        raise Skip("another /etc/hosts needs a mount namespace")
    server, dns = t.server(), FakeDns(t, {})
    block = "".join(f"0.0.0.0 ads{i}.example\n" for i in range(60000))
    hosts = t.write("hosts", block + "127.0.0.1 Name.Example name\n", 0o644)
    pair = pair_by(t, "local", dns.server, start=False)
    pair.start_relay()
    pair.local = t.daemon("local", pair.local_path, name="local", under=(
        need("unshare"), "--mount", "sh", "-c",
        f"mount --bind {hosts} /etc/hosts && exec \"$@\"", "sh"))
    for name in ("name.example", "NAME", "name.example."):
        fetch(t, pair, name, server.port, name)
    t.equal(dns.queries["udp"], 0, "questions")
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1 other.example\n")
    fetch(t, pair, "other.example", server.port, "after the file has changed")
    t.equal(pair.connect("name.example", server.port)[1], HOST_UNREACHABLE, "a name that is gone")


if __name__ == "__main__":
    harness.main(globals(), 240)
