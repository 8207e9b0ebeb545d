#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Subflows recycled a second with budgets of 1000 bytes, beside a bare loop of connect and reset."""
import json
import subprocess

import peers
from peers import median

NONE = 0


def bare(size, options):
    """(cycles a second, CPU us for each) of the loop that only does the system calls."""
    result = subprocess.run([peers.bench_tool("bare_recycle"), "--for", f"{options.seconds}s",
                             "--bytes", str(size), "--parallel", str(options.pool)],
                            check=True, text=True, stdout=subprocess.PIPE)
    report = json.loads(result.stdout)
    return (report["cycles"] / report["seconds"], report["cpu_seconds"] / report["cycles"] * 1e6)


def recycle(proxy, dest, direction, options):
    """The same of the proxy, by the passive opens that the kernel counts in our namespace."""
    before, cpu = passive_opens(), proxy.cpu_seconds()
    report = peers.pump(proxy, dest, f"--{direction}", "1000G", "--for", f"{options.seconds}s")
    cycles = passive_opens() - before
    cpu = proxy.cpu_seconds() - cpu
    return cycles / report["seconds"], cpu / cycles * 1e6


def passive_opens():
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f if line.startswith("Tcp:")]
    return int(dict(zip(names, values))["PassiveOpens"])


def bench(t, options):
    dest = peers.pump_server(t)
    budget = options.budget
    proxy = peers.splitsocks(t, {"budget": {"up": budget, "down": budget},
                                 "pool": {"size": options.pool, "idle": 2, "burst": options.pool}})
    measures = {
        "bare, connect and reset alone": lambda: bare(NONE, options),
        f"bare, {budget} bytes each way": lambda: bare(budget, options),
        "splitsocks, bulk down": lambda: recycle(proxy, dest, "down", options),
        "splitsocks, bulk up": lambda: recycle(proxy, dest, "up", options),
    }
    results = {name: [] for name in measures}
    for _ in range(options.rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    medians = {name: [median(column) for column in zip(*values)] for name, values in results.items()}
    reset, exchange = list(medians.values())[:2]
    rows = [[name, rate, cpu, rate / reset[0], rate / exchange[0], cpu / exchange[1]]
            for name, (rate, cpu) in medians.items()]
    peers.table(f"recycling, pool of {options.pool}, {budget} bytes each way, medians of {options.rounds}",
                ["", "cycles/s", "CPU us each", "rate / reset alone", "rate / bare", "CPU / bare"],
                rows, "aim: half of the bare loop's rate")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--budget", type=int, default=1000, help="bytes, each direction")
    words.add_argument("--pool", type=int, default=8)
    words.add_argument("--seconds", type=int, default=5, help="of each measure")
    peers.run(bench, words.parse_args())
