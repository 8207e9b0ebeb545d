#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Harm of every kind in one run between a real local and a real relay: no byte is wrong, nothing
ends that should go on, and afterwards all is as before."""
import os
import random
import socket
import time

import harness
from harness import full

# Connections that carry little, so that a run has many of them, and each kind of harm meets some.
TIGHT = {"budget": {"up": 8000, "down": 8000}, "pool": {"size": 4, "burst": 8, "idle": 1}}
ROUNDS = 4
HARMS = 8


def flip(proxy, rng):
    proxy.command(f"fault flip {rng.choice(['up', 'down'])} {rng.randrange(8000)} any")


def cut(proxy, rng):
    proxy.command(f"fault cut {rng.choice(['up', 'down'])} {rng.randrange(8000)} any")


def reset_within(proxy, rng):
    proxy.command(f"fault reset {rng.choice(['up', 'down'])} {rng.randrange(8000)} any")


def reset_all(proxy, rng):
    proxy.command("reset")


def swallow_both(proxy, rng):
    proxy.command("stall open")


def swallow_one(proxy, rng):
    proxy.command(f"delay {rng.choice(['up', 'down'])} {rng.randrange(50, 400)}ms")


def refuse(proxy, rng):
    proxy.command("refuse")
    time.sleep(rng.uniform(0, 0.05))
    proxy.command("accept")


KINDS = [flip, cut, reset_within, reset_all, swallow_both, swallow_one, refuse]


def meet_fault(proxy, kind):
    """A stream that moves needs new connections, and each meets the fault, until one has."""
    before = proxy.report()["faults"]
    proxy.command(f"fault {kind} up 500 any")
    harness.wait_until(lambda: proxy.report()["faults"] > before, what=f"a {kind} to meet a connection")


def calm(proxy):
    proxy.command("fault none")
    proxy.command("resume")
    proxy.command("delay both 0ms")


def replay(pair, directory):
    """Everything that recorded connections sent to the relay, once more: HELLOs, JOINs, and the
    frames behind them, which open streams a second time."""
    sockets = []
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".up"):
            continue
        with open(os.path.join(directory, name), "rb") as file:
            s = socket.create_connection(("127.0.0.1", pair.relay_ports[0]), timeout=10)
            s.sendall(file.read())
            sockets.append(s)
    return sockets


def test_chaos(t):
    rng = random.Random(20)
    pair, origin = t.pair(TIGHT, proxy=True), t.origin()
    pair.load(origin.dest, "--up", "100k", "--down", "100k")
    records = t.path("records")
    os.mkdir(records)
    pair.proxy.command(f"record {records} 20")
    replays = []
    for number in range(ROUNDS):
        load = pair.start_load(origin.dest, "--up", "500k", "--down", "500k")
        meet_fault(pair.proxy, ["flip", "cut", "reset"][number % 3])
        for kind in rng.choices(KINDS, k=HARMS):
            kind(pair.proxy, rng)
            time.sleep(rng.uniform(0.01, 0.1))
        replays += replay(pair, records)
        calm(pair.proxy)
        t.equal(load.result()["bad"], 0, f"wrong bytes in round {number}")
    t.check(len(replays) >= 20, f"only {len(replays)} connections were replayed")
    pair.load(origin.dest, "--up", "300k", "--down", "300k")
    # The replays have opened nothing at the destination.
    loads = ROUNDS + 2
    harness.wait_until(lambda: origin.report()["open"] == 0, what="the streams to end")
    t.equal(origin.report()["connections"], loads, "connections of the destination")
    for s in replays:
        s.close()


if __name__ == "__main__":
    harness.main(globals(), full(60, 400))
