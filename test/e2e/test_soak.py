#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Honest clients beside hostile ones and strangers, over and over: every honest byte arrives, the
memory of both processes stays flat, and no descriptor stays behind.

SPLITSOCKS_SOAK says for how many seconds (contrib/run-tests --soak=MINUTES)."""
import os
import random
import socket
import struct
import time

import harness
from datagrams import Association, DatagramServer
from evil import Evil, data, stream_open, stream_reset, stream_window
from processes import brief

SECONDS = int(os.environ.get("SPLITSOCKS_SOAK", "8"))
# Seconds for which the relay keeps what a client has left behind.
LINGER = 1
# What an allocator may keep, and two transfers at once may differ by.
GROWTH_KIB = 16 * 1024
GROWTH_RATIO = 1.15


class Foes:
    """What a client with a key, and strangers, do to the relay and to local's listener."""

    def __init__(self, t, pair, evil, origin, dice):
        self.t, self.pair, self.evil, self.dice = t, pair, evil, dice
        host, port = origin.dest.split(":")
        self.origin = (host, int(port))
        self.sessions, self.closed = 0, {}
        self.patterns = [getattr(self, name) for name in sorted(dir(self))
                         if name.startswith("do_")]

    def attack(self):
        """The patterns in an order of their own, and what each was called."""
        self.dice.shuffle(self.patterns)
        for pattern in self.patterns:
            yield pattern.__name__[3:]
            pattern()

    def session(self, frames):
        session = self.evil.session()
        session.send(frames)
        session.pump()
        self.sessions += 1
        if session.told.closed:
            self.closed[session.told.closed] = self.closed.get(session.told.closed, 0) + 1
        session.close()

    def do_holes(self):
        self.session([data(stream, offset, b"x") for stream in (1, 2)
                      for offset in range(16 * 4000, 0, -16)])

    def do_records(self):
        self.session([stream_window(stream, 1 << 25) for stream in range(1, 16384, 257)])

    def do_dials(self):
        self.session([stream_open(i + 1, *self.origin) for i in range(200)])

    def do_streams_that_end_at_once(self):
        self.session([frame for i in range(1, 400)
                      for frame in (stream_open(i, *self.origin), stream_reset(i))])

    def do_parked_bytes(self):
        """A stream whose destination nobody serves gets all that credit allows."""
        self.session([stream_open(1, "127.0.0.1", 1)] +
                     [data(2, at, bytes(8000)) for at in range(0, 800000, 8000)])

    def do_garbage_in_a_session(self):
        self.session([self.dice.randbytes(200)])

    def do_subflows_that_say_nothing(self):
        session = self.evil.session()
        for _ in range(20):
            session.join()
        session.close()

    def do_crumbs(self):
        session = self.evil.session()
        for i in range(100):
            session.send([data(1, i, b"x")])
        session.close()

    def strangers(self, address, words):
        """Some read on, some leave orderly, and some reset."""
        for i in range(30):
            with socket.create_connection(address, timeout=30 * harness.SLOW) as stranger:
                if i % 3 == 0:
                    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 0))
                try:
                    stranger.sendall(words())
                    if i % 3 == 1:
                        stranger.shutdown(socket.SHUT_WR)
                except ConnectionError:
                    pass

    def do_strangers_at_the_relay(self):
        self.strangers(("127.0.0.1", self.evil.port), lambda: self.dice.randbytes(100))

    def do_strangers_with_a_hello(self):
        self.strangers(("127.0.0.1", self.evil.port),
                       lambda: b"\x01" + self.dice.randbytes(24) + b"\x00\x80" +
                       self.dice.randbytes(128))

    def do_garbage_at_the_socks_port(self):
        self.strangers(("127.0.0.1", self.pair.socks_port),
                       lambda: b"\x05" + self.dice.randbytes(300))

    def do_readers_that_leave(self):
        """Downloads whose reader closes with bytes unread."""
        for _ in range(5):
            with self.pair.open(*self.origin) as stream:
                stream.sendall(self.dice.randbytes(64))


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
        if not t.sanitized:  # sanitizers keep freed memory
            t.at_most(after, int(before * GROWTH_RATIO) + GROWTH_KIB, f"KiB of {self.name}")


def test_soak(t):
    seed = random.SystemRandom().randrange(1 << 32)
    t.note(f"seed {seed}, {SECONDS} s")
    pair = t.pair(relay={"linger": LINGER, "workers": 2}, start=False)
    evil = Evil(t, pair, max_sessions=32)
    pair.start_relay()
    pair.start_local()
    origin, server, datagrams = t.origin(), t.server(), DatagramServer(t)
    foes = Foes(t, pair, evil, origin, random.Random(seed))
    stream = pair.open("127.0.0.1", server.port)
    association = Association(t, pair.socks_port, (datagrams.host, datagrams.port))
    processes = {"relay": pair.relay, "local": pair.local}
    memories = [Memory(*each) for each in processes.items()]
    held = {name: process.descriptors() for name, process in processes.items()}
    load = pair.start_load(origin.dest, "--up", "1M", "--down", "1M", "--count", "10M",
                           "--parallel", 4, "--read-rate", "16Mbit", "--for", f"{SECONDS}s")
    deadline, rounds = time.monotonic() + SECONDS, 0
    while rounds < 10 or time.monotonic() < deadline:
        for what in foes.attack():
            stream.sendall(what.encode())
            t.equal(harness.recv_exactly(stream, len(what)), what.encode(), f"an echo beside {what}")
            association.ask(what.encode())
        for memory in memories:
            memory.sample()
        rounds += 1
    t.note(f"transfers: {brief(load.result())}")
    t.note(f"{rounds} rounds of {len(foes.patterns)} patterns; the relay closed {foes.closed} of "
           f"{foes.sessions} sessions")
    for memory in memories:
        memory.check(t)
    # Pools of subflows breathe: some connections more or less are no leak.
    for name, process in processes.items():
        harness.wait_until(lambda: process.descriptors() <= held[name] + 16, 60,
                           f"{name} to close what it had opened")


if __name__ == "__main__":
    harness.main(globals(), SECONDS + 300)
