#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks that cut each connection after some kilobytes: without a budget local learns the limit.

Beside each transfer with the default configuration the same one runs over a network of its own
with budgets set by hand. Their bytes are compared, so a slow machine slows both.
"""
import json
import os
import subprocess

import harness
from harness import full, merge, rest, wait_until

NETWORK = "delay=25ms rate=20Mbit limit=256k"
ORIGIN = "10.77.0.2:5000"
SIZE = full(4, 40) << 20
# Of what budgets set by hand bring in the same time; without learning it would be a hundredth.
# The first seconds, of learning, are a part: 0.4 to 1.0 was seen.
SHARE = 0.25
ECHOES = full(40, 400)


class Side:
    """A network with a limit, a pair over it and an origin behind it."""

    def __init__(self, t, limit, name, local=None, network=NETWORK, relay_ports=1):
        """`limit` is the words for the box, or gives those of each of the relay's ports."""
        self.a, self.b = t.netns(f"{name}-a"), t.netns(f"{name}-b")
        self.link = t.link(self.a, self.b, settings=network, device=name[0])
        self.origin = t.origin(ORIGIN, netns=self.b)
        self.pair = t.pair(local, {"destinations": {"allow": ["10.77.0.0/24"]}},
                           local_netns=self.a, relay_netns=self.b, relay_address="10.77.0.2",
                           relay_ports=relay_ports, name=name)
        self.pair.local.wait_output("session .* begins")
        if isinstance(limit, str):
            self.link.limit(limit)
        else:
            for port, words in zip(self.pair.relay_ports, limit):
                self.link.limit(f"port={port},{words}")

    def start(self, *words):
        return self.pair.start_load(ORIGIN, *words, stdin=subprocess.PIPE)

    def cut(self):
        """How many connections its box has cut."""
        return self.link.report()["box"]["cut"]


def compare(t, limit, by_hand, *directions):
    """Every byte arrives, and in that time not much more does with the budgets of `by_hand`."""
    learner, other = Side(t, limit, "learner"), Side(t, limit, "hand", by_hand)
    rival = other.start("--cut", *(word for way in directions for word in (f"--{way}", "100G")))
    report = learner.start(*(word for way in directions for word in (f"--{way}", SIZE))).result(100)
    up = other.origin.report()["received"]
    rival.popen.stdin.close()
    arrived = {"up": up, "down": rival.result()["down"]}
    share = sum(min(SIZE / arrived[way], 1) for way in directions) / len(directions)
    t.note(f"{limit} {'+'.join(directions)}: {report['seconds']:.2f} s, {share:.2f} of by hand; "
           f"{learner.cut()} connections cut, {other.cut()} by hand")
    for way in directions:
        t.note(f"bytes {way} in each second: {report[way + '_samples']}")
    t.equal(learner.cut() > 0, limit != "none", "whether connections were cut")
    t.check(share >= SHARE, f"{SIZE} bytes arrived, and {arrived} by hand meanwhile")


def pool(size):
    return {"size": size, "burst": size}


FREEZES = {"budget": 9500, "pool": pool(32)}
FREEZES_DOWN = {"budget": {"down": 14000}, "pool": pool(24)}
UNLIMITED = {"budget": {"up": "1MiB", "down": "1MiB"}}


def test_freeze_down(t):
    compare(t, "freeze=20000", FREEZES, "down")


def test_freeze_up(t):
    compare(t, "freeze=20000", FREEZES, "up")


def test_freeze_by_what_comes_down(t):
    compare(t, "freeze=16000/down", FREEZES_DOWN, "down")


def test_freeze_by_what_comes_down_while_data_goes_up(t):
    compare(t, "freeze=16000/down", FREEZES_DOWN, "up")


def test_reset_both_ways_at_once(t):
    compare(t, "reset=20000", merge(FREEZES, {"budget": 8500}), "down", "up")


def test_no_limit_both_ways_at_once(t):
    compare(t, "none", UNLIMITED, "down", "up")


def test_echoes_beside_a_transfer(t):
    """Echoes of another stream go on being answered while connections freeze."""
    side = Side(t, "freeze=20000", "learner")
    load = side.start("--cut", "--down", "100G")
    wait_until(lambda: side.cut() > 0, what="connections to be cut")
    pings = side.pair.load(ORIGIN, "--ping", ECHOES)
    t.note(f"{pings['ping_us']}; {side.cut()} connections cut")
    t.check(load.running(), "the transfer has ended")
    load.popen.stdin.close()
    t.check(load.result()["down"] > 1 << 17, "the transfer stood still")


def test_what_was_learned_is_told(t):
    """By one line of the log, by the status and in the state file."""
    state = os.path.join(t.directory, "state")
    side = Side(t, "freeze=16000/down", "learner", {"state_file": state})
    load = side.start("--cut", "--down", "100G")
    lines = lambda: [line for line in side.pair.local.log().splitlines() if " after about " in line]
    wait_until(lines, 30, "a line of the log")
    answer = lambda word: subprocess.run(
        [harness.SPLITSOCKS, "status", "-c", side.pair.local_path, word], text=True, check=True,
        stdout=subprocess.PIPE, env={**os.environ, "XDG_RUNTIME_DIR": t.directory}).stdout

    def limited():
        port, = json.loads(answer("--json"))["paths"][0]["ports"]
        return port if port["limit"] is not None else None
    port = wait_until(limited, what="a limit in the status")
    t.note(f"{lines()} {port}")
    t.equal(port["port"], side.pair.relay_ports[0], "the port")
    t.check(port["limit"]["kind"] in ("freeze", "slow"), "the limit")
    # Connections that freeze after the same bytes have nearly the same age, and until the first is
    # given up they seem to be slow: at first either may be taken for the limit.
    t.check(port["limit"]["budget_bytes"] or port["limit"]["budget_ms"],
            "no budget follows from the limit")
    wait_until(lambda: " after about " in answer("--explain"), what="the limit in words")
    load.popen.stdin.close()
    load.result()
    side.pair.local.stop()
    t.check(len(lines()) <= 4, f"a flood: {lines()}")
    with open(state, encoding="utf-8") as file:
        limits = json.load(file)["limits"]
    t.equal(list(limits["default"]), [str(side.pair.relay_ports[0])], "ports in the state file")


def test_what_an_earlier_run_learned_of_dials_is_told(t):
    """How many connections the network lets be open, and be begun in a second."""
    state = os.path.join(t.directory, "state")
    pair = t.pair({"state_file": state}, start=False)
    limits = {"default": {str(pair.relay_ports[0]): {"connections": 5, "dials_per_second": 9.5}}}
    with open(state, "w", encoding="utf-8") as file:
        json.dump({"splitsocks_state": 1, "limits": limits}, file)
    pair.start_relay()
    pair.start_local()
    explain = lambda: subprocess.run(
        [harness.SPLITSOCKS, "status", "-c", pair.local_path, "--explain"], text=True, check=True,
        stdout=subprocess.PIPE, env={**os.environ, "XDG_RUNTIME_DIR": t.directory}).stdout
    for words in ("at most 5 connections can be open",
                  "at most 9.5 connections can be begun in a second"):
        wait_until(lambda: words in explain(), what=words)
    pair.local.stop()
    with open(state, encoding="utf-8") as file:
        t.equal(json.load(file)["limits"], limits, "the limits in the state file")


def test_a_plain_connection_stops(t):
    """The box does what the tests above rely on."""
    side = Side(t, "freeze=20000", "learner")
    load = t.start_load("--direct", ORIGIN, "--cut", "--down", SIZE, netns=side.a,
                        stdin=subprocess.PIPE)
    wait_until(lambda: side.cut() > 0, what="the connection to be cut")
    rest(lambda: side.link.report()["tcp"]["max_down"], quiet=1, what="the connection")
    load.popen.stdin.close()
    t.at_most(load.result()["down"], 20000, "bytes that arrived")


if __name__ == "__main__":
    harness.main(globals())
