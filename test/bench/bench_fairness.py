#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shares of clients of one relay whose processor, or rate of all clients, is the bottleneck:
one client has fifty streams, the others have one each; and a bystander's pings meanwhile.

Where a control group with a quota can be made (root), the relay gets a part of a processor;
elsewhere it runs at the lowest priority on a processor of its own."""
import contextlib
import json
import os
import subprocess

import peers
from pairs import clients_of_one_relay
from peers import bench_tool, harness
from statuses import ask

CLIENTS = 6
PINGS_RATE = "50kbit"  # a hundred a second
# Short periods, since the relay stands still for the rest of each.
PERIOD_US = 4000


class Group:
    """A control group of the relay's own, of version 1 or 2, with a bound on its processor time."""

    V1, V2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"

    def __init__(self, t, share, workers):
        quota = max(1000, int(PERIOD_US * share))
        name = f"splitsocks-bench-{os.getpid()}-{workers}"
        first = os.path.exists(f"{self.V1}/cpu.cfs_quota_us")
        self.path = os.path.join(self.V1 if first else self.V2, name)
        self.note = f"{quota} us of each {PERIOD_US} us of one processor"
        os.mkdir(self.path)
        t.stack.callback(self._remove)
        if first:
            self._write("cpu.cfs_period_us", PERIOD_US)
            self._write("cpu.cfs_quota_us", quota)
        else:
            self._write("cpu.max", f"{quota} {PERIOD_US}")

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(str(value))

    def _remove(self):
        with contextlib.suppress(OSError):
            os.rmdir(self.path)

    @property
    def under(self):
        return ("sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh")


class Priority:
    """The lowest priority, and one processor."""

    note = "one processor, at the lowest priority"
    under = ("nice", "-n", "19", "taskset", "-c", "0")


def bound(t, share, workers):
    try:
        return Group(t, share, workers)
    except OSError:
        return Priority()


def start_bulk(pair, dest, direction, streams, seconds):
    return subprocess.Popen([bench_tool("pump"), "run", "--proxy", f"127.0.0.1:{pair.socks_port}",
                             "--dest", dest, f"--{direction}", "1000G", "--parallel", str(streams),
                             "--for", f"{seconds}s"], stdout=subprocess.PIPE, text=True)


def held_streams(t, relay_path):
    return json.loads(ask(t, relay_path, "--json"))["process"]["held"]["streams"]


def shares(t, pairs, dest, origin, direction, streams, seconds):
    """Each client's part of all bytes, times their number; Mbit/s of all; the bystander's pings."""
    running = [start_bulk(pair, dest, direction, streams if i == 0 else 1, seconds)
               for i, pair in enumerate(pairs[:-1])]
    # One as often as it gets its answer would be one more busy client.
    pings = pairs[-1].start_load(origin.dest, "--ping", 10000 * seconds, "--size", 64, "--for",
                                 f"{seconds}s", "--read-rate", PINGS_RATE)
    moved = []
    for process in running:
        out, _ = process.communicate(timeout=seconds + 120)
        moved.append(json.loads(out)["bytes"])
    total = sum(moved)
    # The relay still delivers what it has of streams that were reset: not beside the next round.
    harness.wait_until(lambda: held_streams(t, pairs[0].relay_path) == 0, 60,
                       "the relay to deliver what it holds")
    return [CLIENTS * each / total for each in moved], total * 8e-6 / seconds, pings.result()


def measure(t, options, ends, relay, under, note):
    """A table for a relay with these members of its configuration, run under that program."""
    dest, origin = ends
    # The last one is the bystander's.
    pairs = clients_of_one_relay(t, CLIENTS + 1, relay, "-" + "-".join(map(str, relay.values())))
    pairs[0].start_relay(under=under)
    for pair in pairs:
        pair.start_local()
    rows = []
    for direction in ("down", "up"):
        quiet = pairs[-1].load(origin.dest, "--ping", 500, "--size", 64)
        for _ in range(options.rounds):
            parts, mbit, pings = shares(t, pairs, dest, origin, direction, options.streams,
                                        options.seconds)
            rows.append([direction, parts[0], min(parts), max(parts), mbit,
                         *(report["ping_us"][name] / 1000 for report, name in
                           ((quiet, "p99"), (pings, "p50"), (pings, "p99")))])
    peers.table(f"{CLIENTS} clients, the first with {options.streams} streams, the others with "
                f"one; {relay['workers']} worker(s); the relay has {note}",
                ["", "first's share", "least", "most", "Mbit/s", "quiet ping p99 ms",
                 "ping p50 ms", "p99 ms"], rows, "aims: shares 0.9 to 1.1, p99 10 ms")
    for pair in pairs:
        pair.local.stop()
    pairs[0].relay.stop()


def bench(t, options):
    ends = peers.pump_server(t), t.origin()
    for workers in options.workers:
        group = bound(t, options.processor, workers)
        measure(t, options, ends, {"workers": workers}, group.under, group.note)
        measure(t, options, ends, {"workers": workers, "rate": options.rate}, (),
                f"a rate of {options.rate}")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--streams", type=int, default=50, help="of the first client")
    words.add_argument("--seconds", type=int, default=10, help="of each round")
    words.add_argument("--processor", type=float, default=0.3, help="the relay's part of one")
    words.add_argument("--rate", default="200Mbit", help="the relay's, of all clients")
    words.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="of the relay")
    words.set_defaults(rounds=2)
    peers.run(bench, words.parse_args())
