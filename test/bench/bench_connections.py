#!/usr/bin/env python3
"""New connections a second, and the round trip of an echo, beside shadowsocks-libev."""
import peers
from peers import median


def connections(proxy, dest, options):
    """(connections a second, CPU ms for each)."""
    before = proxy.cpu_seconds()
    report = peers.socksload(proxy, dest, "--count", options.count, "--parallel", options.parallel,
                             "--down", 1024)
    cpu = proxy.cpu_seconds() - before
    return options.count / report["seconds"], cpu / options.count * 1000


def echo(proxy, dest, options):
    """(median, 99th percentile) in ms of a 100-byte echo."""
    report = peers.socksload(proxy, dest, "--ping", options.pings)["ping_us"]
    return report["p50"] / 1000, report["p99"] / 1000


def bench(t, options):
    dest = t.origin().dest
    proxies = [peers.splitsocks(t), peers.shadowsocks(t)]
    for what, measure, columns, better in (
            (f"new connections, {options.parallel} at once, 1 KiB answers", connections,
             ["", "a second", "CPU ms each", "ours / its"], max),
            ("echo of 100 bytes", echo, ["", "p50 ms", "p99 ms", "ours / its"], min)):
        results = {proxy.name: [] for proxy in proxies}
        for _ in range(options.rounds):
            for proxy in proxies:
                results[proxy.name].append(measure(proxy, dest, options))
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
