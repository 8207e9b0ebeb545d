#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks that have IPv6 alone, and NAT64 for the rest."""
import ipaddress
import subprocess

import harness
from fakedns import FakeDns
from harness import Skip

OWN = "2001:db8:64::/96"  # this network's prefix
WELL_KNOWN = "64:ff9b::/96"
RELAY = "192.0.2.7"


def synthesised(address, prefix=OWN):
    """RFC 6052 for prefixes of 96 bits."""
    return str(ipaddress.IPv6Network(prefix)[int(ipaddress.IPv4Address(address))])


def names(prefix=OWN, **more):
    known = ["192.0.0.170", "192.0.0.171"]
    return {"ipv4only.arpa": known + [synthesised(a, prefix) for a in known], **more}


def ipv6_only(t, *addresses):
    """A namespace that has IPv4 on the loopback alone, and these addresses of "NAT64"."""
    netns = t.netns("six")
    try:
        netns.ip("link add six type veth peer name other")
    except subprocess.CalledProcessError:
        raise Skip("this kernel has no veth") from None
    for name in ("six", "other"):
        netns.ip(f"link set {name} up")
    netns.ip("-6 addr add 2001:db8:6::1/64 dev six nodad")
    for address in addresses:
        netns.ip(f"-6 addr add {address}/128 dev lo nodad")
    return netns


def reach_relay(t, prefix, table, **local):
    """The relay has an IPv4 address, given as a literal or by a name; this side has none."""
    there = synthesised(RELAY, prefix)
    netns = ipv6_only(t, there)
    with netns.inside():
        dns = FakeDns(t, table)
        server = t.server()
    pair = t.pair({"dns": {"servers": [dns.server]}, **local}, local_netns=netns,
                  relay_netns=netns, relay_address=there, dial_address=RELAY, start=False,
                  name=t.unique("six"))
    if "host" in local.get("relay", {}):
        pair.local_config["relay"]["host"] = local["relay"]["host"]
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    with netns.inside():
        t.equal(pair.fetch("127.0.0.1", server.port, b"x", 60), b"x", f"by {there}")


def test_a_relay_that_has_only_ipv4(t):
    reach_relay(t, OWN, names())


def test_a_relay_whose_name_has_only_ipv4(t):
    reach_relay(t, OWN, names(**{"relay.test": [RELAY]}), relay={"host": "relay.test"})


def test_a_relay_whose_name_has_many_ipv4_addresses(t):
    """More than are taken of an answer: they leave room for those that stand for them."""
    netns = ipv6_only(t)
    netns.ip(f"-6 route add local {OWN} dev lo")
    with netns.inside():
        dns = FakeDns(t, names(**{"relay.test": [f"192.0.2.{i}" for i in range(1, 25)]}))
        server = t.server()
    pair = t.pair({"dns": {"servers": [dns.server]}}, local_netns=netns, relay_netns=netns,
                  relay_address="::", dial_address="relay.test")
    with netns.inside():
        t.equal(pair.fetch("127.0.0.1", server.port, b"x", 60), b"x", "by one of many addresses")


def test_a_path_that_has_only_ipv6(t):
    reach_relay(t, OWN, names(), paths=[{"source": "2001:db8:6::1"}])


def test_a_network_with_the_well_known_prefix(t):
    reach_relay(t, WELL_KNOWN, names(WELL_KNOWN))


def test_a_network_that_shows_no_prefix(t):
    """No address is guessed: a path that has IPv6 alone cannot reach a relay with IPv4 alone."""
    netns = ipv6_only(t, synthesised(RELAY, WELL_KNOWN))
    with netns.inside():
        dns = FakeDns(t, {})
    pair = t.pair({"dns": {"servers": [dns.server]}, "paths": [{"source": "2001:db8:6::1"}]},
                  local_netns=netns, dial_address=RELAY, start=False)
    pair.start_local()
    pair.local.wait_output(f"{RELAY} has no address of a family that path 2001:db8:6::1 can use")
    t.equal({name for name, _ in dns.asked}, {"ipv4only.arpa"}, "names that were asked for")


def test_names_that_only_this_network_can_reach(t):
    """The relay resolves them by itself; it gets no address of this network's NAT64."""
    server = t.server()
    here = FakeDns(t, names(**{
        "known.test": [synthesised("127.0.0.9", WELL_KNOWN)], "own.test": [synthesised("127.0.0.9")],
        "both.test": ["127.0.0.1", synthesised("127.0.0.1")], "link.test": ["fe80::1"]}))
    there = FakeDns(t, {name: ["127.0.0.1"] for name in ("known.test", "own.test", "link.test")})
    pair = t.pair({"dns": {"servers": [here.server]}}, {"dns": {"servers": [there.server]}})
    for name in ("known.test", "own.test", "both.test", "link.test"):
        t.equal(pair.fetch(name, server.port, b"x", 60), b"x", name)
    t.check(there.queries["udp"] > 0, "the relay was to resolve")
    # A client that has resolved by itself.
    for address in (synthesised("127.0.0.1", WELL_KNOWN), synthesised("127.0.0.1")):
        t.equal(pair.fetch(address, server.port, b"x", 60), b"x", address)


def reach_ipv4(t, local, relay):
    """An IPv4 address that a client names, from a network that has none."""
    netns = ipv6_only(t, synthesised("192.0.2.9"))
    with netns.inside():
        dns = FakeDns(t, names(**{"four.test": ["192.0.2.9"]}))
        server = t.server(host=synthesised("192.0.2.9"))
    for config in (local, relay):
        config["dns"] = {**config.get("dns", {}), "servers": [dns.server]}
    pair = t.pair(local, relay, local_netns=netns, relay_netns=netns)
    with netns.inside():
        for host in ("192.0.2.9", "four.test"):
            t.equal(pair.fetch(host, server.port, b"x", 60), b"x", host)
    return pair


def test_direct_connections(t):
    reach_ipv4(t, {"rules": [{"action": "direct"}]}, {})


def test_a_relay_in_such_a_network(t):
    """An address that the relay's rules refuse is refused by way of NAT64, too."""
    allowed = {"destinations": {"allow": ["192.0.2.9", OWN]}}
    pair = reach_ipv4(t, {"dns": {"resolve": "relay"}}, allowed)
    with pair.local_netns.inside():
        t.equal(pair.reply("192.0.2.10", 80), 2, "the reply for an address that is not allowed")


if __name__ == "__main__":
    harness.main(globals(), 120)
