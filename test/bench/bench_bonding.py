#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several paths: splitsocks beside kernel MPTCP, and single TCP on each path alone, over the same
emulated paths in one run. `--scenario` and `--shape` choose, `--quick` is short."""
import subprocess
import sys
import time

import peers
from peers import harness, median
from lab import RELAY, Lab, budget

SHAPES = {
    "equal": ["rate=20Mbit delay=10ms limit=128k"] * 2,
    "unequal": ["rate=50Mbit delay=7.5ms limit=256k", "rate=10Mbit delay=30ms limit=128k"],
    "lossy": ["rate=20Mbit delay=10ms limit=128k loss=0.01"] * 3,
    "long": ["rate=44Mbit delay=50ms limit=600k", "rate=10Mbit delay=10ms limit=128k"],
    "fat": ["rate=150Mbit delay=50ms limit=2000k"],
}
GOOD = "rate=20Mbit delay=10ms limit=128k"
SECOND = {
    "a bad path": "rate=1Mbit delay=150ms limit=64k loss=0.05",
    "a black hole": f"{GOOD} off=1",
    "one that flaps": f"{GOOD} flap=3s/3s",
}
BUDGETS = {"unlimited": None, "1 MiB": "1MiB", "64 KiB": "64KiB"}
PROBE = [sys.executable, peers.os.path.join(peers.os.path.dirname(peers.os.path.abspath(__file__)),
                                            "probe.py")]
DIRECTIONS = ("down", "up")


class Way:
    """How a connection gets from A to B: a name, and the probe's words."""

    def __init__(self, name, *words, pair=None):
        self.name, self.words, self.pair = name, words, pair


class Course:
    """A lab with a server for each way."""

    def __init__(self, t, options, settings):
        self.t = t
        self.lab = Lab(t, settings, options.congestion_control, mptcp=True)
        self.ports = {}
        for kind in ("tcp", "mptcp"):
            self.ports[kind] = harness.free_port()
            words = ["serve", RELAY, str(self.ports[kind])] + (["--mptcp"] if kind == "mptcp" else [])
            t.process(f"probe-{kind}", PROBE + words, netns=self.lab.b).wait_output("^ready")
        self.mptcp = Way("MPTCP", "--way", "mptcp", "--source", f"{self.lab.networks[0]}.1")
        self.single = [Way(f"TCP on path {i + 1}", "--way", "tcp", "--source", f"{network}.1")
                       for i, network in enumerate(self.lab.networks)]

    def splitsocks(self, name="splitsocks", **changes):
        """A session of its own, which has been used once."""
        pair = self.lab.pair(self.t, changes, name=f"-{len(self.t.names)}")
        way = Way(name, "--way", f"socks:{pair.socks_port}", pair=pair)
        self.run(way, "down", 100000)
        return way

    def start(self, way, *work):
        port = self.ports["mptcp" if way is self.mptcp else "tcp"]
        words = ["run", *way.words, "--dest", RELAY, str(port), *map(str, work)]
        return subprocess.Popen(self.lab.a.enter(PROBE + words), stdout=subprocess.PIPE, text=True)

    def result(self, process, seconds=200):
        out, _ = process.communicate(timeout=seconds)
        if process.returncode != 0:
            raise harness.Failure(f"the probe ended with {process.returncode}")
        return peers.json.loads(out)

    def run(self, way, *work):
        return self.result(self.start(way, *work))

    def mbit(self, way, direction, size):
        report = self.run(way, direction, size)
        return report["bytes"] * 8e-6 / report["seconds"]

    def end(self, way):
        """Stops the way's daemons: an idle session still has its subflows."""
        for daemon in (way.pair.local, way.pair.relay):
            daemon.stop()


def spread(values):
    return f"{min(values):.3g}..{max(values):.3g}"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def rounds_of(options, course, ways, directions, size):
    """{(way's name, direction): [Mbit/s of each round]}; the ways take turns."""
    results = {}
    for _ in range(options.rounds):
        for way in ways:
            for direction in directions:
                results.setdefault((way.name, direction), []).append(
                    course.mbit(way, direction, size))
    return results


def goodput(t, options):
    """Shares of the sum of the goodputs of single TCP on each path alone."""
    for shape in options.shape or SHAPES:
        course = Course(t, options, SHAPES[shape])
        ours = [course.splitsocks(f"splitsocks, {name}", **budget(BUDGETS[name]))
                for name in options.budget or BUDGETS]
        results = rounds_of(options, course, [*course.single, course.mptcp, *ours], DIRECTIONS,
                            options.size)
        sums = {direction: sum(median(results[way.name, direction]) for way in course.single)
                for direction in DIRECTIONS}
        rows = [[name, direction, median(values), spread(values), median(values) / sums[direction]]
                for (name, direction), values in results.items()]
        peers.table(f"{shape} paths, {options.congestion_control}, {options.size >> 20} MiB",
                    ["", "", "Mbit/s", "least..most", "of the sum"], rows,
                    "aims: 0.98 unlimited and with 1 MiB, 0.95 with 64 KiB")
        for way in ours:
            course.end(way)


def worse(t, options):
    """A good path with a second that is of little use, beside the good one alone."""
    for name in options.second or SECOND:
        course = Course(t, options, [GOOD, SECOND[name]])
        alone = course.splitsocks("splitsocks, good path", paths=course.lab.sources[:1])
        both = course.splitsocks("splitsocks, both")
        ways = [course.single[0], course.mptcp, alone, both]
        results = rounds_of(options, course, ways, DIRECTIONS, options.size)
        latencies = {way.name: [] for way in ways}
        for _ in range(options.rounds):
            for way in ways:
                latencies[way.name] += course.run(way, "request", options.requests, 10000, 30)["times"]
        rows = []
        for way in ways:
            row = [way.name]
            for direction in DIRECTIONS:
                value = median(results[way.name, direction])
                row += [value, value / median(results[course.single[0].name, direction])]
            p99 = percentile(latencies[way.name], 0.99)
            rows.append([*row, percentile(latencies[way.name], 0.5) * 1e3, p99 * 1e3,
                         p99 / percentile(latencies[alone.name], 0.99)])
        peers.table(f"a good path and {name}, {options.congestion_control}",
                    ["", "Mbit/s down", "of TCP's", "up", "of TCP's", "request p50 ms", "p99",
                     "of good path's"], rows, "aims: 0.98 of TCP's on the good path; p99 within 1.1")
        course.end(alone)
        course.end(both)


def cut_and_mend(course, way, index, size, dark):
    """(longest gap in ms around the cut, ms after the return until the path has its share back)."""
    process = course.start(way, "down", size)
    time.sleep(2)
    cut = time.monotonic()
    course.lab.cut(index)
    time.sleep(dark)
    course.lab.mend(index)
    back, seen = time.monotonic(), []
    while process.poll() is None and time.monotonic() < back + 6:
        seen.append((time.monotonic(), course.lab.carried("down")[index]))
        time.sleep(0.05)
    report = course.result(process)
    share = next((when - back for i, (when, count) in enumerate(seen[5:], 5)
                  if (count - seen[i - 5][1]) * 8 / (when - seen[i - 5][0]) >= 0.8 * 20e6), None)
    around = report["begin"] + report["gap_at"] - cut
    gap = report["gap"] * 1e3
    if not -0.1 < around < dark + 1:
        gap = longest_gap(report, cut - report["begin"], dark)
    return gap, float("nan") if share is None else share * 1e3


def longest_gap(report, begin, length):
    """In ms, to the bucket, when the longest of all was elsewhere."""
    longest = run = 0
    for i, count in enumerate(report["arrivals"]):
        run = 0 if count else run + 1
        if begin - 0.1 < i * 0.01 < begin + length + 1:
            longest = max(longest, run)
    return longest * 10


def failover(t, options):
    """A path is a black hole for 3 s in mid-download, and returns."""
    course = Course(t, options, SHAPES["equal"])
    ours = [course.splitsocks(f"splitsocks, {name}", **budget(BUDGETS[name]))
            for name in options.budget or BUDGETS]
    rows, size = [], max(options.size, 30 << 20)
    for way in [course.mptcp, *ours]:
        for index in range(2):
            found = [cut_and_mend(course, way, index, size, 3) for _ in range(options.rounds)]
            gaps, shares = [f[0] for f in found], [f[1] for f in found]
            rows.append([way.name, index + 1, median(gaps), spread(gaps), median(shares),
                         spread(shares)])
    peers.table(f"failover on equal paths, {options.congestion_control}",
                ["", "path cut", "longest gap ms", "least..most", "share back ms", "least..most"],
                rows, "aims: 250 ms and 2000 ms; nan: the share was not back when the download ended")
    for way in ours:
        course.end(way)


def echo_row(name, values, *more):
    return [name, *(percentile(values, share) * 1e3 for share in (0.5, 0.99)), max(values) * 1e3,
            *more]


def on_the_wire(course, way, size):
    """TCP payload that crossed the links for each byte of a download."""
    before = course.lab.counters("down")
    course.run(way, "down", size)
    time.sleep(0.5)
    payload = sum(after["bytes"] - b["bytes"] - 52 * (after["packets"] - b["packets"])
                  for after, b in zip(course.lab.counters("down"), before))
    return payload / size


def longest_echo(course, process):
    """In seconds; without end for a peer whose SYN was lost, and the next when its path was cut."""
    try:
        return max(course.result(process)["times"])
    except harness.Failure:
        return float("inf")


def redundant(t, options):
    """Echoes over two lossy paths, then with one of them a black hole."""
    course = Course(t, options, ["rate=20Mbit delay=20ms limit=128k loss=0.02"] * 2)
    ours = course.splitsocks("splitsocks, redundant", mode="redundant")
    split = course.splitsocks("splitsocks, split")
    rows = []
    for way in (course.single[0], course.mptcp, split, ours):
        times = [x for _ in range(options.rounds)
                 for x in course.run(way, "echo", 200, 100, 20)["times"]]
        cost = on_the_wire(course, way, 2 << 20)
        holes = []
        for _ in range(options.rounds):
            process = course.start(way, "echo", 150, 100, 10)
            time.sleep(1.5)
            course.lab.cut(0)
            holes.append(longest_echo(course, process) if way is not course.single[0]
                         or process.kill() else float("nan"))
            course.lab.mend(0)
            time.sleep(1)
        rows.append(echo_row(way.name, times, median(holes) * 1e3, cost))
    peers.table(f"100-byte echoes, two paths of 2% loss and 40 ms, {options.congestion_control}",
                ["", "p50 ms", "p99", "most", "longest with a path cut", "wire / payload"], rows,
                "aims for redundant: p99 50 ms, no gap above 60 ms, 2.1 times the payload")
    course.end(ours)
    course.end(split)


def latency(t, options):
    """100-byte echoes beside a bulk download."""
    course = Course(t, options, ["rate=20Mbit delay=18ms limit=128k"])
    ours = [course.splitsocks(f"splitsocks, {name}", **budget(BUDGETS[name]))
            for name in options.budget or BUDGETS]
    rows = []
    for way in [course.single[0], course.mptcp, *ours]:
        idle, busy = [], []
        for _ in range(options.rounds):
            idle += course.run(way, "echo", 50, 100, 20)["times"]
            process = course.start(way, "down", 20 << 20)
            time.sleep(2)
            busy += course.run(way, "echo", 100, 100, 20)["times"]
            course.result(process)
        p99 = percentile(idle, 0.99)
        rows.append(echo_row(way.name, busy, p99 * 1e3, percentile(busy, 0.99) / p99))
    peers.table(f"100-byte echoes beside a download, 20 Mbit/s, 36 ms, {options.congestion_control}",
                ["", "p50 ms", "p99", "most", "idle p99", "p99 / idle p99"], rows, "aim: 2")
    for way in ours:
        course.end(way)


SCENARIOS = {"goodput": goodput, "worse": worse, "failover": failover, "redundant": redundant,
             "latency": latency}


def bench(t, options):
    if options.quick:
        options.rounds, options.size, options.requests = 1, 10 << 20, 50
    for name in options.scenario or SCENARIOS:
        try:
            SCENARIOS[name](t, options)
        except harness.Skip as reason:
            print(f"{name}: skipped: {reason}")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.set_defaults(rounds=3)
    words.add_argument("--scenario", action="append", choices=SCENARIOS)
    words.add_argument("--shape", action="append", choices=SHAPES, help="of goodput")
    words.add_argument("--second", action="append", choices=SECOND, help="of worse")
    words.add_argument("--budget", action="append", choices=BUDGETS)
    words.add_argument("--size", type=int, default=30 << 20, help="bytes of each transfer")
    words.add_argument("--requests", type=int, default=200, help="small ones in each round")
    words.add_argument("--quick", action="store_true", help="one round, small sizes")
    peers.run(bench, words.parse_args())
