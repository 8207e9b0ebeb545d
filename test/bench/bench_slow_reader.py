#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fast download beside readers that have stopped reading: its speed, and the memory it takes."""
import peers
from peers import median


def bench(t, options):
    dest = peers.pump_server(t)
    # A pair for each, so that what the stalled ones leave behind does not count for the other.
    alone, beside = peers.splitsocks(t, name="alone"), peers.splitsocks(t, name="beside")
    results = {"alone": [], "beside stalled readers": []}
    for proxy in (alone, beside):
        peers.pump(proxy, dest, "--down", "64M")
    for _ in range(options.rounds):
        for name, proxy, stalled in (("alone", alone, 0),
                                     ("beside stalled readers", beside, options.stalled)):
            before = proxy.cpu_seconds()
            report = peers.pump(proxy, dest, "--down", f"{options.mebibytes}M", "--stall", stalled)
            results[name].append((report["bytes"] * 8 / report["seconds"] / 1e6,
                                  (proxy.cpu_seconds() - before) * peers.GIB / report["bytes"]))
    speed = median([mbit for mbit, _ in results["alone"]])
    rows = []
    for (name, values), proxy in zip(results.items(), (alone, beside)):
        mbit, cpu = (median(column) for column in zip(*values))
        rows.append([name, mbit, mbit / speed, cpu,
                     *(process.peak_kib() / 1024 for process in proxy.processes)])
    peers.table(f"download beside {options.stalled} readers that read nothing, "
                f"{options.rounds} x {options.mebibytes} MiB, medians",
                ["", "Mbit/s", "of alone", "CPU s/GiB", "local's peak MiB", "relay's peak MiB"], rows,
                "aim: 0.95 of its speed alone; memory bounded")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--mebibytes", type=int, default=512, help="of each download")
    words.add_argument("--stalled", type=int, default=1, help="readers that read nothing")
    peers.run(bench, words.parse_args())
