#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A family that is broken while the other works costs its head start once or twice, not always."""
import socket
import subprocess
import time

import harness
from fakedns import FakeDns
from harness import Skip

DEAD, ALIVE = "2001:db8:66::2", "10.66.0.2"
CONNECTIONS = 8
IPV6, TCP = 0x86dd, 6


class BlackHole:
    """A namespace where packets to DEAD vanish, and never get an answer."""

    def __init__(self, t):
        self.netns = t.netns("broken")
        try:
            self.netns.ip("link add hole type veth peer name bottom")
        except subprocess.CalledProcessError:
            raise Skip("this kernel has no veth") from None
        for name in ("hole", "bottom"):
            # An address of the link's own would come some seconds later: a change of the network,
            # with which local forgets what is broken.
            self.netns.ip(f"link set {name} addrgenmode none up")
        self.netns.ip("-6 addr add 2001:db8:66::1/64 dev hole nodad")
        self.netns.ip(f"-6 neigh add {DEAD} lladdr 02:00:00:00:00:01 dev hole")
        self.netns.ip(f"addr add {ALIVE}/32 dev lo")
        with self.netns.inside():
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV6))
            self.tap.bind(("bottom", 0))
        self.tap.setblocking(False)
        t.stack.callback(self.tap.close)
        self.ports = set()

    def tried(self):
        """Connections that were tried to DEAD: their source ports."""
        while True:
            try:
                frame = self.tap.recv(2048)
            except BlockingIOError:
                return len(self.ports)
            if frame[20] == TCP and frame[38:54] == socket.inet_pton(socket.AF_INET6, DEAD):
                self.ports.add(frame[54:56])


def connect_often(t, where, local, relay):
    hole = BlackHole(t)
    origin = t.origin(f"{ALIVE}:5000", netns=hole.netns)
    with hole.netns.inside():
        dns = FakeDns(t, {"both.test": [DEAD, ALIVE]})
    for config in (local, relay):
        if "servers" in config.get("dns", {}):
            config["dns"]["servers"] = [dns.server]
    relay["destinations"] = {"allow": ["10.66.0.0/16", "2001:db8:66::/64"]}
    pair = t.pair(local, relay, local_netns=hole.netns, relay_netns=hole.netns)
    times = []
    for _ in range(CONNECTIONS):
        start = time.monotonic()
        pair.load("both.test:5000", "--down", "1k")
        times.append(time.monotonic() - start)
    t.note(f"{where}: " + " ".join(f"{seconds * 1000:.0f}" for seconds in times) + " ms")
    t.equal(origin.report()["good"], CONNECTIONS, "streams that the origin has seen")
    t.check(1 <= hole.tried() <= 3, f"{hole.tried()} connections were tried by IPv6")
    return pair


def test_at_the_relay(t):
    pair = connect_often(t, "relay", {"dns": {"resolve": "relay"}}, {"dns": {"servers": []}})
    pair.relay.wait_output("IPv6 connections are not answered, and IPv4 ones are")


def test_at_local(t):
    """For connections that go past the relay."""
    local = {"dns": {"servers": []}, "rules": [{"host": "both.test", "action": "direct"}]}
    pair = connect_often(t, "direct", local, {})
    pair.local.wait_output("IPv6 connections are not answered, and IPv4 ones are")


if __name__ == "__main__":
    harness.main(globals(), 120)
