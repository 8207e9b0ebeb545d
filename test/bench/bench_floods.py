#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a client that starts beside a flood of handshakes waits for its first stream. The flood
comes from 1,000 addresses, at the lowest priority, so that it takes no processor from the client."""
import contextlib
import itertools
import os
import signal
import socket
import struct
import time

import peers
from evil import Evil, X25519PrivateKey, write_hello
from peers import median

SOURCES = [f"127.1.{i // 250}.{i % 250 + 1}" for i in range(1000)]
# A process's handshakes that nobody has seen; then they come again.
STRANGERS = 2000


class Flood:
    """Processes that send these handshakes, so many a second together."""

    def __init__(self, port, hellos, rate, processes=2):
        ready, self.write = os.pipe()
        self.began = time.monotonic()
        self.pids = [self._start(port, hellos[i::processes], rate / processes)
                     for i in range(processes)]
        os.close(self.write)
        self.sent = ready

    def _start(self, port, hellos, rate):
        pid = os.fork()
        if pid == 0:
            os.nice(19)
            with contextlib.suppress(BaseException):
                self._run(port, itertools.cycle(hellos), rate)
            os._exit(1)
        return pid

    def _run(self, port, hellos, rate):
        start, count = time.monotonic(), 0
        for source in itertools.cycle(SOURCES):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                s.bind((source, 0))
                with contextlib.suppress(OSError):
                    s.connect(("127.0.0.1", port))
                    s.sendall(next(hellos))
                    s.shutdown(socket.SHUT_WR)
            count += 1
            if count % 50 == 0:
                os.write(self.write, bytes(50))
                time.sleep(max(0, start + count / rate - time.monotonic()))

    def stop(self):
        """Returns how many a second were sent."""
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        count, seconds = 0, time.monotonic() - self.began
        while octets := os.read(self.sent, 65536):
            count += len(octets)
        os.close(self.sent)
        return count / seconds


def first_stream(pair, origin):
    """Seconds from the start of local to the reply to its first stream."""
    host, port = origin.dest.split(":")
    start = time.monotonic()
    pair.start_local()
    pair.open(host, int(port), timeout=120).close()
    took = time.monotonic() - start
    pair.local.stop()
    return took


def floods(evil):
    answered = []
    for _ in range(100):
        session = evil.session()
        answered.append(session.hello)
        session.close()
    stranger = X25519PrivateKey.generate()
    return {
        "none": [],
        "recorded, and answered before": answered,
        "of a key that is not listed": [write_hello(stranger, evil.relay, evil.stamp())[0]
                                        for _ in range(STRANGERS)],
        "altered recordings": [hello[:60] + bytes([hello[60] ^ 1]) + hello[61:]
                               for hello in answered],
    }


def bench(t, options):
    pair = t.pair(relay={"linger": 1}, start=False)
    evil = Evil(t, pair, max_sessions=32)
    pair.start_relay()
    origin = t.origin()
    rows = []
    for what, hellos in floods(evil).items():
        flood = Flood(evil.port, hellos, options.rate) if hellos else None
        cpu, start = pair.relay.cpu_seconds(), time.monotonic()
        time.sleep(options.before)
        waits = [first_stream(pair, origin) for _ in range(options.rounds)]
        cpu = (pair.relay.cpu_seconds() - cpu) / (time.monotonic() - start)
        rows.append([what, flood.stop() if flood else 0, min(waits), median(waits), max(waits), cpu])
    peers.table(f"from the start of local to its first stream, {options.rounds} rounds each",
                ["handshakes that flood the relay", "a second", "least s", "median", "most",
                 "relay's CPU"], rows, "aim: 1 s beside 5,000 a second")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--rate", type=int, default=5000, help="handshakes a second")
    words.add_argument("--before", type=float, default=3, help="seconds of each flood before the client")
    peers.run(bench, words.parse_args())
