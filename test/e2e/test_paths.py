#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two paths between local and relay: both carry, either may die, and nothing is lost.

A changed byte, a path that was not used, or a transfer that did not end fails the test; goodput is
printed beside the sum of the links' rates, not judged.
"""
import time

import harness
from harness import full
from lab import Lab, RELAY, budget

SIZE = full("6M", "60M")
DEST = f"{RELAY}:5000"
EQUAL = ["rate=20Mbit delay=10ms limit=128k"] * 2


def start(t, lab, **local):
    t.origin(DEST, netns=lab.b)
    return lab.pair(t, {**budget("1MiB"), **local})


def transfer(t, lab, pair, direction, rates):
    before = lab.carried(direction)
    report = pair.load(DEST, f"--{direction}", SIZE)
    moved = [after - b for after, b in zip(lab.carried(direction), before)]
    goodput = report[direction] * 8e-6 / report["seconds"]
    t.note(f"{direction}: {goodput:.1f} of {sum(rates)} Mbit/s; bytes on each path {moved}")
    for i, count in enumerate(moved):
        t.check(count >= sum(moved) / 20, f"path {i} carried {count} bytes of {sum(moved)}")


def test_two_equal_paths_by_source(t):
    lab = Lab(t, EQUAL)
    pair = start(t, lab)
    transfer(t, lab, pair, "down", (20, 20))
    transfer(t, lab, pair, "up", (20, 20))


def test_two_unequal_paths_by_interface(t):
    lab = Lab(t, ["rate=50Mbit delay=7.5ms limit=256k", "rate=10Mbit delay=30ms limit=128k"])
    pair = start(t, lab, paths=lab.interfaces, **budget(None))
    transfer(t, lab, pair, "down", (50, 10))
    transfer(t, lab, pair, "up", (50, 10))


def cut(t, indices, seconds):
    """Cuts the given paths in mid-transfer; all bytes still arrive, unchanged."""
    lab = Lab(t, EQUAL)
    pair = start(t, lab)
    pair.load(DEST, "--down", 2000)
    load = pair.start_load(DEST, "--down", SIZE, "--up", SIZE)
    time.sleep(0.5)
    for i in indices:
        lab.cut(i)
    time.sleep(seconds)
    for i in indices:
        lab.mend(i)
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
