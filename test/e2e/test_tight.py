#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Budgets of 1000 and 500 bytes over 100 ms of round trip: goodput beside what is possible.

A changed byte, or a budget or a pool that was exceeded, fails the test; goodput is printed, not
judged.
"""
import time

import harness
from harness import full

RTT_MS, SLOTS = 100, 8
SECONDS = full(6, 60)


def run(t, budget, loss, directions):
    a, b = t.netns("a"), t.netns("b")
    link = t.link(a, b, settings=f"delay={RTT_MS / 2}ms")
    origin = t.origin("10.77.0.2:5000", netns=b)
    pair = t.pair({"budget": {"up": budget, "down": budget},
                   "pool": {"size": SLOTS, "burst": SLOTS, "idle": 2}},
                  {"destinations": {"allow": ["10.77.0.0/24"]}}, local_netns=a, relay_netns=b,
                  relay_address="10.77.0.2")
    pair.load(origin.dest, "--up", 2000, "--down", 2000)
    if loss:
        link.set(f"loss={loss}")
    words = [word for direction in directions for word in (f"--{direction}", "1G")]
    before = origin.report()
    load = pair.start_load(origin.dest, *words, "--for", f"{SECONDS}s")
    # The first round trips are for opening; only the middle is measured.
    time.sleep(1.5)
    first, begun = origin.report(), time.monotonic()
    report = load.result(SECONDS + 60)
    wire = link.report()
    tcp = wire["tcp"]
    t.equal(report["bad"] + report["broken"] + report["refused"], 0, "streams that failed")
    bound = SLOTS * budget / (2 * RTT_MS / 1000)
    for direction in directions:
        if direction == "down":
            rate = sum(report["down_samples"][1:]) / max(1, len(report["down_samples"]) - 1)
            t.note("each second: " + " ".join(map(str, report["down_samples"])))
        else:
            ended = origin.report()
            # The origin's counter is read right after the client has stopped.
            rate = (ended["received"] - first["received"]) / (time.monotonic() - begun)
        t.note(f"budget {budget}, loss {loss}, {'+'.join(directions)}: {direction} "
               f"{rate * 8 / 1000:.1f} kbit/s, {rate / bound:.3f} of {bound * 8 / 1000:.1f} "
               f"(8 x budget / 2 RTT)")
    t.note(tcp)
    t.note(f"the emulator was late by up to {wire['a2b']['latest_us']} and "
           f"{wire['b2a']['latest_us']} us")
    t.check(origin.report()["received"] + report["down"] > before["received"], "nothing moved")
    t.at_most(tcp["max_up"], budget, "most bytes up of one subflow")
    t.at_most(tcp["max_down"], budget, "most bytes down of one subflow")
    # With loss, a dial given up before its SYN was answered leaves no trace on the wire.
    t.at_most(tcp["max_established" if loss else "max_open"], SLOTS, "open at once")


def test_1000_bytes_down(t):
    run(t, 1000, 0, ["down"])


def test_1000_bytes_up(t):
    run(t, 1000, 0, ["up"])


def test_1000_bytes_both_ways(t):
    run(t, 1000, 0, ["up", "down"])


def test_500_bytes_both_ways(t):
    run(t, 500, 0, ["up", "down"])


def test_1000_bytes_with_loss(t):
    run(t, 1000, 0.01, ["up", "down"])


if __name__ == "__main__":
    harness.main(globals())
