#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The cost of idle streams and idle processes: memory, CPU and wake-ups of both processes."""
import subprocess
import time

import peers


def wake_ups(process):
    return process.status("voluntary_ctxt_switches") + process.status("nonvoluntary_ctxt_switches")


def watch(processes, seconds):
    """Of each process: (wake-ups, CPU ms) in so many seconds."""
    before = [(wake_ups(p), p.cpu_seconds()) for p in processes]
    time.sleep(seconds)
    return [(wake_ups(p) - wakes, (p.cpu_seconds() - cpu) * 1000)
            for p, (wakes, cpu) in zip(processes, before)]


def bench(t, options):
    origin = t.origin()
    pair = peers.splitsocks(t).pair
    processes = (pair.local, pair.relay)
    peers.settle(processes)
    rows = [[p.name, p.rss_kib(), p.peak_kib(), wakes, cpu]
            for p, (wakes, cpu) in zip(processes, watch(processes, options.seconds))]
    peers.table(f"no streams, {options.seconds} s", ["", "RSS KiB", "peak KiB", "wake-ups", "CPU ms"], rows,
                "aims: under 8192 KiB; no wake-ups but the keepalive (every 45 s on each idle subflow)")

    pair.load(origin.dest, "--count", 20, "--parallel", 20, "--down", 1000)
    peers.settle(processes)
    before = [p.rss_kib() for p in processes]
    load = pair.start_load(origin.dest, "--hold", "--count", options.streams, stdin=subprocess.PIPE)
    load.wait_output(f"^open {options.streams}", 120)
    peers.settle(processes)
    rows = []
    for p, rss, (wakes, cpu) in zip(processes, before, watch(processes, options.seconds)):
        rows.append([p.name, p.rss_kib(), (p.rss_kib() - rss) * 1024 / options.streams, wakes, cpu])
    peers.table(f"{options.streams} idle streams, {options.seconds} s",
                ["", "RSS KiB", "bytes a stream", "wake-ups", "CPU ms"], rows,
                "aims: under 2048 bytes a stream; no CPU")
    load.popen.stdin.close()
    load.result(good=False)
    peers.settle(processes)
    peers.table("after they have ended", ["", "RSS KiB"], [[p.name, p.rss_kib()] for p in processes])


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--streams", type=int, default=10000)
    words.add_argument("--seconds", type=int, default=30, help="of each watch")
    peers.run(bench, words.parse_args())
