#!/usr/bin/env python3
"""Two paths between local and relay: both carry, either may die, and nothing is lost.

What fails is a changed byte, a path that was not used, or a transfer that did not end; goodput is
printed beside the sum of the links' rates, not judged.
"""
import time

import harness
from harness import Link, full

NETWORKS = ("10.77.0", "10.78.0")
RELAY = "10.99.0.1"
SIZE = full("6M", "60M")


class Lab:
    """Two links between two namespaces, and a relay that is reached over each of them."""

    def __init__(self, t, settings):
        self.a, self.b = t.netns("a"), t.netns("b")
        self.link = Link(t, [(f"l{i}", self.a, self.b, net) for i, net in enumerate(NETWORKS)])
        for i, setting in enumerate(settings):
            self.link.set(setting, name=f"l{i}")
        self.b.ip(f"addr add {RELAY}/32 dev lo")
        for i, network in enumerate(NETWORKS):
            self.a.ip(f"route add default via {network}.2 dev ta{i} table {100 + i}")
            self.a.ip(f"rule add from {network}.1 table {100 + i}")
        self.a.ip(f"route add {RELAY}/32 via {NETWORKS[0]}.2")
        self.origin = t.origin(f"{RELAY}:5000", netns=self.b)

    def pair(self, t, paths, budget="1MiB"):
        return t.pair({"paths": paths, "budget": {"up": budget, "down": budget}},
                      {"destinations": {"allow": [f"{RELAY}/32"]}}, local_netns=self.a,
                      relay_netns=self.b, relay_address=RELAY)

    def carried(self, direction):
        key = {"down": "b2a", "up": "a2b"}[direction]
        return [self.link.report(f"l{i}")[key]["bytes"] for i in range(2)]


SOURCES = [{"source": f"{network}.1"} for network in NETWORKS]
EQUAL = ["rate=20Mbit delay=10ms limit=128k"] * 2


def transfer(t, lab, pair, direction, rates):
    before = lab.carried(direction)
    report = pair.load(lab.origin.dest, f"--{direction}", SIZE)
    moved = [after - b for after, b in zip(lab.carried(direction), before)]
    goodput = report[direction] * 8e-6 / report["seconds"]
    t.note(f"{direction}: {goodput:.1f} of {sum(rates)} Mbit/s; bytes on each path {moved}")
    for i, count in enumerate(moved):
        t.check(count >= sum(moved) / 20, f"path {i} carried {count} bytes of {sum(moved)}")


def test_two_equal_paths_by_source(t):
    lab = Lab(t, EQUAL)
    pair = lab.pair(t, SOURCES)
    transfer(t, lab, pair, "down", (20, 20))
    transfer(t, lab, pair, "up", (20, 20))


def test_two_unequal_paths_by_interface(t):
    lab = Lab(t, ["rate=50Mbit delay=7.5ms limit=256k", "rate=10Mbit delay=30ms limit=128k"])
    # Bound to its device, a subflow follows that device's own default route.
    for i, network in enumerate(NETWORKS):
        lab.a.ip(f"route add default via {network}.2 dev ta{i} metric {10 + i}")
    pair = lab.pair(t, [{"interface": "ta0"}, {"interface": "ta1"}], None)
    transfer(t, lab, pair, "down", (50, 10))
    transfer(t, lab, pair, "up", (50, 10))


def cut(t, indices, seconds):
    """Cuts the given paths in mid-transfer; what is asked for still arrives, unchanged."""
    lab = Lab(t, EQUAL)
    pair = lab.pair(t, SOURCES)
    pair.load(lab.origin.dest, "--down", 2000)
    load = pair.start_load(lab.origin.dest, "--down", SIZE, "--up", SIZE)
    time.sleep(0.5)
    for i in indices:
        lab.link.set("off=1", name=f"l{i}")
    time.sleep(seconds)
    for i in indices:
        lab.link.set("off=0", name=f"l{i}")
    report = load.result(120)
    t.equal(report["good"], 1, "streams that came through")


def test_the_first_path_is_cut(t):
    cut(t, [0], 3)


def test_the_second_path_is_cut(t):
    cut(t, [1], 3)


def test_both_paths_are_cut(t):
    cut(t, [0, 1], full(4, 30))


if __name__ == "__main__":
    harness.main(globals())
