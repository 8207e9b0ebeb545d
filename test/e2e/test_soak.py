#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Honest clients beside hostile ones and strangers, over and over: every honest byte arrives, the
memory of both processes stays flat, and no descriptor stays behind.

SPLITSOCKS_SOAK says for how many seconds (contrib/run-tests --soak=MINUTES)."""
import os
import random
import time

import harness
from datagrams import Association, DatagramServer
from evil import Evil
from fakedns import FakeDns
from foes import Foes
from processes import brief

SECONDS = int(os.environ.get("SPLITSOCKS_SOAK", "8"))
# Seconds for which the relay keeps what a client has left behind.
LINGER = 1
# The allocator of the relay fills its arenas for minutes: at most 48 MB after 8 s, 64 after 30,
# 73 after 90, 84 after 40 minutes. So a short run asks for half as much again as the most of a long
# one, and only a run of some minutes can ask for a second half that is as flat as the first.
MOST_KIB = 126 * 1024
FLAT_AFTER = 240
# What an allocator may keep, and two transfers at once may differ by.
GROWTH_KIB = 16 * 1024
GROWTH_RATIO = 1.15


class Memory:
    """Samples of a process's memory: what it holds in the second half of the time, against the
    first half without its beginning."""

    def __init__(self, name, process):
        self.name, self.process, self.samples = name, process, []

    def sample(self):
        self.samples.append(self.process.rss_kib())

    def check(self, t):
        count = len(self.samples)
        before, after = max(self.samples[count // 5:count // 2]), max(self.samples[count // 2:])
        t.note(f"{self.name}: {self.samples[0]} KiB at first, then at most {before} and {after}")
        if t.sanitized:  # sanitizers keep freed memory
            return
        t.at_most(max(before, after), MOST_KIB, f"KiB of {self.name}")
        if SECONDS >= FLAT_AFTER:
            t.at_most(after, int(before * GROWTH_RATIO) + GROWTH_KIB, f"KiB of {self.name}, later")


def test_soak(t):
    seed = random.SystemRandom().randrange(1 << 32)
    t.note(f"seed {seed}, {SECONDS} s")
    dice = random.Random(seed)
    dns = {"servers": [FakeDns(t, mode="silent").server]}
    pair = t.pair(relay={"linger": LINGER, "workers": 2, "dns": dns}, start=False)
    evil = Evil(t, pair, max_sessions=32)
    pair.start_relay()
    pair.start_local()
    origin, server, datagrams = t.origin(), t.server(), DatagramServer(t)
    foes, patterns = Foes(pair, evil, origin.dest, dice), Foes.names()
    stream = pair.open("127.0.0.1", server.port)
    association = Association(t, pair.socks_port, (datagrams.host, datagrams.port))
    processes = {"relay": pair.relay, "local": pair.local}
    memories = [Memory(*each) for each in processes.items()]
    held = {name: process.descriptors() for name, process in processes.items()}
    load = pair.start_load(origin.dest, "--up", "1M", "--down", "1M", "--count", "10M",
                           "--parallel", 4, "--read-rate", "16Mbit", "--for", f"{SECONDS}s")
    deadline, rounds = time.monotonic() + SECONDS, 0
    while rounds < 3 or time.monotonic() < deadline:
        dice.shuffle(patterns)
        for what in patterns:
            foes.do(what)
            stream.sendall(what.encode())
            t.equal(harness.recv_exactly(stream, len(what)), what.encode(), f"an echo beside {what}")
            association.ask(what.encode())
            for memory in memories:
                memory.sample()
        rounds += 1
    t.note(f"transfers: {brief(load.result())}")
    t.note(f"{rounds} rounds of {len(patterns)} patterns; the relay closed {foes.closed} of "
           f"{foes.sessions} sessions")
    for memory in memories:
        memory.check(t)
    # Pools of subflows breathe: some connections more or less are no leak.
    for name, process in processes.items():
        harness.wait_until(lambda: process.descriptors() <= held[name] + 16, 60,
                           f"{name} to close what it had opened")


if __name__ == "__main__":
    harness.main(globals(), SECONDS + 300)
