#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The relay refuses to connect to private addresses, unless its configuration allows them."""
import harness
from fakedns import FakeDns

NOT_ALLOWED = 2
PRIVATE = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254",
           "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "239.1.2.3",
           "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1",
           "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"]


def test_default_deny(t):
    pair = t.pair(relay={"destinations": ...})
    servers = t.server(), t.server(host="::1")
    for host in PRIVATE:
        for server in servers:
            t.equal(pair.reply(host, server.port), NOT_ALLOWED, f"reply for {host}")
    t.equal([server.accepted for server in servers], [0, 0], "connections that got through")


def test_names_that_lead_to_private_addresses(t):
    """DNS rebinding: it is the address that is dialled that counts, wherever it was resolved."""
    server = t.server()
    dns = FakeDns(t, {"rebind.test": ["127.0.0.1"], "six.test": ["::1"],
                      "mixed.test": ["10.1.2.3", "127.0.0.1", "::1"]})
    for where in ("local", "relay"):
        pair = t.pair({"dns": {"resolve": where, "servers": [dns.server]}},
                      {"destinations": ..., "dns": {"servers": [dns.server]}}, name=where)
        for name in dns.table:
            t.equal(pair.connect(name, server.port)[1], NOT_ALLOWED, f"{name} at {where}")
    t.equal(server.accepted, 0, "connections that got through")


def test_only_what_is_allowed_is_opened(t):
    pair = t.pair(relay={"destinations": {"allow": ["127.0.0.1"]}})
    server = t.server()
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "the allowed address")
    t.equal(pair.fetch("::ffff:127.0.0.1", server.port, b"x"), b"x", "its mapped form")
    for host in ("127.0.0.2", "::1", "10.0.0.1"):
        t.equal(pair.connect(host, server.port)[1], NOT_ALLOWED, host)


def test_deny_goes_before_allow(t):
    pair = t.pair(relay={"destinations": {"allow": ["127.0.0.0/8", "::1"], "deny": ["127.0.0.2/31"]}})
    server = t.server(host="127.0.0.2")
    open_server = t.server(host="127.0.0.4")
    t.equal(pair.connect("127.0.0.2", server.port)[1], NOT_ALLOWED, "127.0.0.2")
    t.equal(pair.connect("::ffff:127.0.0.2", server.port)[1], NOT_ALLOWED, "its mapped form")
    t.equal(pair.fetch("127.0.0.4", open_server.port, b"x"), b"x", "127.0.0.4")
    t.equal(server.accepted, 0, "connections that got through")


def test_a_mixed_name_uses_what_is_allowed(t):
    server = t.server()
    dns = FakeDns(t, {"mixed.test": ["10.1.2.3", "127.0.0.1"]})
    for where in ("local", "relay"):
        pair = t.pair({"dns": {"resolve": where, "servers": [dns.server]}},
                      {"destinations": {"allow": ["127.0.0.1"]}, "dns": {"servers": [dns.server]}},
                      name=where)
        t.equal(pair.fetch("mixed.test", server.port, b"x"), b"x", where)


if __name__ == "__main__":
    harness.main(globals())
