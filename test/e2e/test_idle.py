#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Idle streams, flows and processes: their cost in memory and in wake-ups (counted, not timed)."""
import resource
import subprocess
import time

import harness
from datagrams import DatagramClient, DatagramServer, forward
from harness import full, wait_until

QUIET_SECONDS = full(4, 40)
# A keepalive may fall into the window, or the retirement of up to eight spare subflows 5 s after
# a stream, whose ENDs and ACKs wake each side twice for each. On a busy machine the kernel's
# own switches count as well. A timer that runs ten times a second would show as 40.
WAKE_UPS = 24
# Half as much again as 1.9 MB, which both hold after a stream. Pages of libraries (6 MB) are no
# memory of the process: the kernel maps as many of them as it likes.
OWN_KIB = 3072
# For each idle flow. Tables double, so that their empty halves weigh more where flows are few.
FLOW_BYTES = full(3072, 2048)
# After many streams at once more spares retire than eight: a later window has none of them.
WINDOWS = 3


def wake_ups(process):
    return process.status("voluntary_ctxt_switches") + process.status("nonvoluntary_ctxt_switches")


def settle(*processes):
    """Waits until the processes have slept through a whole second."""
    def asleep():
        before = [wake_ups(p) for p in processes]
        time.sleep(1)
        return [wake_ups(p) for p in processes] == before
    wait_until(asleep, 60, "the processes to fall asleep")


def count_wake_ups(t, processes, what):
    for _ in range(WINDOWS):
        settle(*processes)
        before = [wake_ups(p) for p in processes]
        time.sleep(QUIET_SECONDS)
        counts = [wake_ups(p) - then for p, then in zip(processes, before)]
        if max(counts) <= WAKE_UPS:
            break
        t.note(f"wake-ups {what}: {counts}")
    for process, count in zip(processes, counts):
        t.at_most(count, WAKE_UPS, f"wake-ups of {process.name} in {QUIET_SECONDS} s {what}")


def test_no_streams(t):
    pair, origin = t.pair(start=False), t.origin()
    # A client with bounds that is idle costs nothing either.
    pair.relay_config["clients"][0].update(quota="1GiB", rate="10Gbit", expires=None)
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    processes = (pair.local, pair.relay)
    pair.local.wait_output("session .* begins")
    count_wake_ups(t, processes, "before any stream")
    pair.load(origin.dest, "--down", "1M", "--up", "1M")
    count_wake_ups(t, processes, "after a stream")
    for process in processes:
        if t.sanitized:
            t.note(f"{process.name}: {process.rss_kib()} KiB")
        else:
            own = process.status("RssAnon")
            t.note(f"{process.name}: {process.rss_kib()} KiB with the pages of libraries")
            t.at_most(own, OWN_KIB, f"KiB that {process.name} holds itself without streams")


def test_idle_streams(t):
    count = full(500, 10000)
    pair, origin = t.pair(), t.origin()
    pair.load(origin.dest, "--count", 20, "--parallel", 20, "--down", 1000)
    processes = (pair.local, pair.relay)
    settle(*processes)
    before = [process.rss_kib() for process in processes]
    load = pair.start_load(origin.dest, "--hold", "--count", count, stdin=subprocess.PIPE)
    load.wait_output(f"^open {count}", 60)
    count_wake_ups(t, processes, f"with {count} idle streams")
    for process, then in zip(processes, before):
        each = (process.rss_kib() - then) * 1024 / count
        t.note(f"{process.name}: {each:.0f} bytes for each idle stream")
        if not t.sanitized:
            t.at_most(each, 4096, f"bytes of {process.name} for each idle stream")
    load.popen.stdin.close()
    report = load.result()
    t.equal(report["cut"], count, "streams still open at the end")
    wait_until(lambda: origin.report()["open"] == 0, 60, "the origin's connections to end")


def test_idle_flows(t):
    """Each of a client of its own, which has asked once."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Each takes a socket of the relay's, which leaves a part to other clients and to streams.
    count, first = min(full(800, 2000), most // 8), 100
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    flows = count + first
    pair = t.pair({"listen": [listener], "udp": {"max_flows": flows}},
                  {"limits": {"flows": 2 * flows}}, start=False)  # a part is for other clients
    pair.relay_config["clients"][0]["max_flows"] = flows
    pair.write_configs()
    pair.start_relay()
    pair.start_local()

    def ask(more):
        for _ in range(more):
            DatagramClient(t, address).ask(b"x")
    ask(first)
    processes = (pair.local, pair.relay)
    settle(*processes)
    before = [process.rss_kib() for process in processes]
    ask(count)
    count_wake_ups(t, processes, f"with {flows} idle flows")
    for process, then in zip(processes, before):
        each = (process.rss_kib() - then) * 1024 / count
        t.note(f"{process.name}: {each:.0f} bytes for each idle flow")
        if not t.sanitized:
            t.at_most(each, FLOW_BYTES, f"bytes of {process.name} for each idle flow")
    t.equal(len(set(server.peers)), flows, "ports of the relay: no flow was opened twice")


if __name__ == "__main__":
    harness.main(globals(), full(150, 600))
