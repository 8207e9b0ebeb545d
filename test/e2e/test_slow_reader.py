#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One reader that stops reading: it stalls its own stream alone, and memory stays bounded."""
import contextlib
import socket
import threading
import time

import harness
from harness import bulk, full, recv_all, wait_until

# The session's credit (64 MiB at most) may be parked on either side, in queues and in sockets;
# for each stream whose reader has stopped, up to its own (1 MiB) beyond that.
BOUND_KIB = 96 << 10
STREAM_KIB = 1100
SIZE = bulk(full(150, 1024))


def exercise(t, pair, origin, count, slow):
    """Runs a fast load alone and beside the `count` slow streams that `slow()` starts."""
    alone = pair.load(origin.dest, "--down", SIZE, "--up", SIZE)
    slow_loads = slow()
    time.sleep(1.5)
    beside = pair.load(origin.dest, "--down", SIZE, "--up", SIZE)
    t.note(f"alone {alone['seconds']:.2f} s, beside slow ones {beside['seconds']:.2f} s")
    ping = pair.load(origin.dest, "--ping", 50)["ping_us"]
    t.note(f"echo beside them: {ping}")
    for process in (pair.local, pair.relay):
        peak = process.peak_kib()
        if t.sanitized:
            t.note(f"{process.name}: {peak} KiB")
        else:
            t.at_most(peak, BOUND_KIB + count * STREAM_KIB, f"KiB of {process.name} at its peak")
    t.check(all(load.running() for load in slow_loads), "a slow stream has ended")


def test_a_destination_that_reads_nothing(t):
    pair, origin = t.pair(), t.origin()
    exercise(t, pair, origin, 2, lambda: [
        pair.start_load(origin.dest, "--up", "10G", "--mode", "deaf") for _ in range(2)])


def test_a_client_that_reads_little(t):
    pair, origin = t.pair(), t.origin()
    exercise(t, pair, origin, 2, lambda: [
        pair.start_load(origin.dest, "--down", "10G", "--read-rate", "80kbit") for _ in range(2)])


def test_many_clients_that_read_nothing(t):
    """Each asks for much and reads none of it."""
    pair, origin = t.pair(), t.origin()
    count = full(30, 200)
    exercise(t, pair, origin, count, lambda: [
        pair.start_load(origin.dest, "--down", "1G", "--read-rate", "1kbit", "--count", count,
                        "--parallel", count)])


def test_a_slow_reader_gets_everything(t):
    pair, origin = t.pair(), t.origin()
    slow = pair.start_load(origin.dest, "--down", "12M", "--read-rate", "40Mbit")
    pair.load(origin.dest, "--down", bulk(50), "--up", bulk(50), "--count", 3, "--parallel", 3)
    slow.result(60)
    wait_until(lambda: origin.report()["open"] == 0, what="the origin's connections to end")


def endless(client):
    """Sends what it is asked for: a number of bytes, as a line."""
    length = int(client.makefile().readline())
    client.sendall(b"x" * length)
    client.shutdown(socket.SHUT_WR)
    client.recv(1)


def test_a_paused_download_outlives_other_connections(t):
    """A client that pauses, one that connects and says nothing, and another that works."""
    pair, origin = t.pair(), t.server(endless)
    length = 40 << 20
    paused = pair.open("127.0.0.1", origin.port)
    paused.sendall(b"%d\n" % length)
    first = paused.recv(1000)
    silent = pair.open("127.0.0.1", origin.port)
    for _ in range(2):
        time.sleep(1.5)
        t.equal(len(pair.fetch("127.0.0.1", origin.port, b"5000\n")), 5000, "another answer")
    silent.sendall(b"7\n")
    t.equal(recv_all(silent), b"xxxxxxx", "what the silent one gets in the end")
    t.equal(len(first) + len(recv_all(paused)), length, "bytes of the paused download")
    for process in (pair.local, pair.relay):
        t.check("reset the stream" not in process.log(), f"{process.name} has shed a stream")


def test_what_gives_way_is_told(t):
    """With little memory at the relay, the log says which bound was met, and whose."""
    def deaf(client):
        stop.wait(60 * harness.SLOW)
    stop = threading.Event()
    t.stack.callback(stop.set)
    pair = t.pair(relay={"limits": {"buffered_bytes": "1MiB"}})
    origin = t.server(deaf)
    clients = [pair.open("127.0.0.1", origin.port) for _ in range(4)]
    for client in clients:
        client.setblocking(False)

    def told():
        for client in clients:
            with contextlib.suppress(OSError):
                while client.send(b"x" * 65536):
                    pass
        return "limits.buffered_bytes" in pair.relay.log()
    wait_until(told, 30, "the relay to tell of its bound")
    line = next(line for line in pair.relay.log().splitlines() if "limits.buffered_bytes" in line)
    t.note(line)
    for word in ("warning", "test", f"127.0.0.1:{origin.port}", "(1.0 MiB)"):
        t.check(word in line, f"the line does not name {word}")


if __name__ == "__main__":
    harness.main(globals(), full(150, 900))
