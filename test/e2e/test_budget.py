#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Budgets and pool limits, counted on the wire by a proxy between local and relay."""
import harness
from harness import bulk, count_time_wait, full

POOL_OF_8 = {"size": 8, "burst": 8, "idle": 2}


def run(t, up, down, load, pool=None, name=""):
    """Runs a load over a pair with these budgets and checks the wire; returns the proxy's report."""
    pool = pool or POOL_OF_8
    pair = t.pair({"budget": {"up": up, "down": down}, "pool": pool}, proxy=True, name=name)
    origin = t.origin()
    before = count_time_wait(set(pair.dial_ports + pair.relay_ports))
    report = pair.load(origin.dest, *load, seconds=full(100, 800))
    wire = pair.proxy.report()
    waiting = count_time_wait(set(pair.dial_ports + pair.relay_ports)) - before
    t.note(f"budget {up}/{down}: {report['up'] >> 10} KiB up, {report['down'] >> 10} KiB down in "
           f"{report['seconds']:.2f} s; {wire}; {waiting} in TIME_WAIT")
    t.equal(report["good"], report["streams"], "good streams")
    for direction, budget in (("up", up), ("down", down)):
        if budget is not None:
            t.at_most(wire[f"max_{direction}"], budget, f"most bytes {direction} of one subflow")
            payload = report[direction] // budget
            t.check(wire["connections"] >= payload, f"{wire['connections']} connections carried "
                    f"{report[direction]} bytes with a budget of {budget}")
    t.at_most(wire["max_open"], pool["burst"], "open at once")
    t.at_most(waiting, 16, "sockets in TIME_WAIT")
    return pair, wire


def test_64_KiB_both_ways_at_once(t):
    size = bulk(full(64, 1024))
    run(t, 65536, 65536, ("--up", size, "--down", size))


def test_no_ports_run_out(t):
    """More connections than a kernel has ports for, if each left a TIME_WAIT behind."""
    pair, wire = run(t, 4096, 4096, ("--up", bulk(full(16, 150)), "--down", bulk(full(16, 150))))
    t.check(wire["connections"] > full(4000, 30000) // harness.SLOW // 2, f"only {wire['connections']} connections")


def test_tight_budgets(t):
    for budget, size in ((1000, full("300k", "10M")), (500, full("100k", "3M")), (256, "10k")):
        run(t, budget, budget, ("--up", size, "--down", size), name=str(budget))


def test_budgets_that_differ(t):
    run(t, 700, 30000, ("--up", "50k", "--down", "2M"), name="a")
    run(t, 30000, 700, ("--up", "2M", "--down", "50k"), name="b")
    run(t, 1000, None, ("--up", "50k", "--down", "2M"), name="c")
    run(t, None, 1000, ("--up", "2M", "--down", "50k"), name="d")


def test_a_pool_of_one(t):
    run(t, 2000, 2000, ("--up", full("40k", "1M"), "--down", full("40k", "1M")), {"size": 1, "burst": 1, "idle": 0})


def test_many_streams_over_a_tight_pool(t):
    run(t, 1000, 1000, ("--up", 3000, "--down", 3000, "--count", full(60, 500), "--parallel", 30))


def test_echo_over_a_tight_pool(t):
    pair = t.pair({"budget": {"up": 1000, "down": 1000}, "pool": POOL_OF_8}, proxy=True)
    origin = t.origin()
    t.note(pair.load(origin.dest, "--ping", full(300, 3000))["ping_us"])
    wire = pair.proxy.report()
    t.at_most(max(wire["max_up"], wire["max_down"]), 1000, "bytes of one subflow")
    t.at_most(wire["max_open"], 8, "open at once")


def test_ranges(t):
    """Each subflow draws its own budget from the range, and none carries more than its upper end."""
    pair = t.pair({"budget": "4000-6000", "pool": POOL_OF_8}, proxy=True)
    size = bulk(full(4, 40))
    pair.load(t.origin().dest, "--up", size, "--down", size)
    wire = pair.proxy.report()
    t.note(wire)
    for direction in ("up", "down"):
        t.at_most(wire[f"max_{direction}"], 6000, f"most bytes {direction} of one subflow")
        t.check(wire[f"max_{direction}"] > 5000, f"{wire[f'max_{direction}']} bytes {direction} at most")


def test_without_limits_nothing_is_recycled(t):
    """By default local sets no budget."""
    pair = t.pair({"pool": POOL_OF_8}, proxy=True)
    mib = 64 if harness.SLOW == 1 else 16
    pair.load(t.origin().dest, "--up", f"{mib}M", "--down", f"{mib}M")
    wire = pair.proxy.report()
    t.note(wire)
    # Some may be given up as stalled where the machine is slow. With budgets of 1 MiB there
    # would be one for each MiB.
    t.at_most(wire["connections"], 15, "connections")


def test_bursts_end(t):
    """Above `size` only while the queue is long; afterwards the pool shrinks to `idle`."""
    pair = t.pair({"budget": {"up": 20000, "down": 20000},
                   "pool": {"size": 4, "burst": 12, "idle": 1}}, proxy=True)
    pair.load(t.origin().dest, "--down", bulk(full(8, 100)), "--up", bulk(full(8, 100)))
    t.at_most(pair.proxy.report()["max_open"], 12, "open at once")
    harness.wait_until(lambda: pair.proxy.report()["open"] <= 4, 60, "the pool to shrink")
    # A pool that went on recycling while idle would never rest.
    harness.rest(lambda: pair.proxy.report()["connections"], 2, 60, "connections made while idle")
    t.at_most(pair.proxy.report()["open"], 4, "open while idle")


if __name__ == "__main__":
    harness.main(globals(), full(150, 1500))
