#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""New connections a second, and the round trip of an echo, beside shadowsocks-libev."""
import peers
from peers import median


def connections(proxy, options):
    """(connections a second, CPU ms for each)."""
    before = proxy.cpu_seconds()
    report = peers.dial(proxy, "--count", options.count, "--parallel", options.parallel)
    cpu = proxy.cpu_seconds() - before
    if report["failed"] > 0:
        print(f"{proxy.name}: {report['failed']} of {options.count} connections failed")
    return options.count / report["seconds"], cpu / options.count * 1000


def echo(proxy, options):
    """(median, 99th percentile, CPU us) of a 100-byte echo, in ms."""
    before = proxy.cpu_seconds()
    report = peers.dial(proxy, "--echo", "--count", options.pings, "--bytes", 100)
    cpu = proxy.cpu_seconds() - before
    return report["p50_us"] / 1000, report["p99_us"] / 1000, cpu / options.pings * 1e6


def bench(t, options):
    # A client's own bound of 1,000 a second would be measured.
    unbounded = {"limits": {"dials_per_second": 1000000}}
    proxies = [peers.splitsocks(t, relay=unbounded), peers.shadowsocks(t)]
    for what, measure, columns, better in (
            (f"new connections, {options.parallel} at once, 1 KiB answers", connections,
             ["", "a second", "CPU ms each", "ours / its"], max),
            ("echo of 100 bytes", echo, ["", "p50 ms", "p99 ms", "CPU us each", "ours / its"], min)):
        results = {proxy.name: [] for proxy in proxies}
        for _ in range(options.rounds):
            for proxy in proxies:
                results[proxy.name].append(measure(proxy, options))
        ours = median([value[0] for value in results["splitsocks"]])
        rows = [[name, *(median(column) for column in zip(*values)),
                 ours / median([value[0] for value in values])]
                for name, values in results.items()]
        peers.table(f"{what}, medians of {options.rounds}", columns, rows,
                    f"aim: ours / its at {'least' if better is max else 'most'} 1")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--count", type=int, default=10000, help="connections of a round")
    words.add_argument("--parallel", type=int, default=64)
    words.add_argument("--pings", type=int, default=5000, help="of a round")
    peers.run(bench, words.parse_args())
