#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bulk on loopback beside `ssh -D` and shadowsocks-libev: goodput and CPU seconds per GiB."""
import peers
from peers import GIB, median


def measure(proxy, dest, direction, size):
    """(Mbit/s, CPU seconds per GiB) of one transfer."""
    before = proxy.cpu_seconds()
    report = peers.pump(proxy, dest, f"--{direction}", size)
    cpu = proxy.cpu_seconds() - before
    if report["bytes"] != size:
        raise peers.harness.Failure(f"{proxy.name} moved {report['bytes']} of {size} bytes")
    return report["bytes"] * 8 / report["seconds"] / 1e6, cpu * GIB / size


def bench(t, options):
    dest = peers.pump_server(t)
    control = options.congestion_control
    proxies = [peers.splitsocks(t, {"congestion_control": control}, {"congestion_control": control})]
    if not options.alone:
        proxies += [peers.ssh(t), peers.shadowsocks(t)]
    size = options.mebibytes << 20
    for direction in ("down", "up"):
        results = {proxy.name: [] for proxy in proxies}
        direct = []
        for proxy in proxies:
            measure(proxy, dest, direction, 64 << 20)  # warms up, opens the pool
        for _ in range(options.rounds):
            for proxy in proxies:
                results[proxy.name].append(measure(proxy, dest, direction, size))
            report = peers.pump(None, dest, f"--{direction}", size)
            direct.append(report["bytes"] * 8 / report["seconds"] / 1e6)
        ours = median([cpu for _, cpu in results["splitsocks"]])
        ours_mbit = median([mbit for mbit, _ in results["splitsocks"]])
        rows = []
        for name, values in results.items():
            cpu = median([value[1] for value in values])
            mbit = median([value[0] for value in values])
            rows.append([name, mbit, cpu, min(v[1] for v in values), max(v[1] for v in values),
                         ours / cpu, ours_mbit / mbit])
        rows.append(["without a proxy", median(direct), "", "", "", "", ours_mbit / median(direct)])
        peers.table(f"bulk {direction}, {control}, {options.rounds} x {options.mebibytes} MiB, medians",
                    ["", "Mbit/s", "CPU s/GiB", "least", "most", "our CPU / its", "our Mbit/s / its"],
                    rows, "aims: our CPU at most 0.75 x ssh's and 0.5 x shadowsocks'")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--mebibytes", type=int, default=512, help="of each transfer")
    words.add_argument("--alone", action="store_true", help="without the peers")
    peers.run(bench, words.parse_args())
