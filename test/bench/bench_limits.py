#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks that freeze or reset each connection after some kilobytes: the default configuration, which
has to learn that, beside one whose budgets were set by hand for the network. Both run at the same
time, each over a network of its own, so that a slow machine slows both. Needs root and TUN."""
import subprocess
import time

import peers
from peers import harness, median
from test_limits import FREEZES, FREEZES_DOWN, UNLIMITED, Side, pool

EARLY = 5  # seconds in which the limit is learned
KINDS = {
    "frozen after 20 kB": ("freeze=20000", FREEZES),
    "reset after 20 kB": ("reset=20000", {"budget": 8500, "pool": pool(32)}),
    "frozen after 16 kB down": ("freeze=16000/down", FREEZES_DOWN),
    "no limit": ("none", UNLIMITED),
}
DIRECTIONS = {"down": ("down",), "up": ("up",), "both": ("down", "up")}


class Transfer:
    """Bulk over one side, counted where it arrives, in the first seconds and later."""

    def __init__(self, side, directions):
        self.side, self.directions, self.early = side, directions, {}
        self.load = side.start("--cut", *(word for way in directions for word in (f"--{way}", "100G")))

    def note_early(self):
        self.early["up"] = self.side.origin.report()["received"]

    def end(self):
        """Bytes in the first seconds and later, of all directions together."""
        up = self.side.origin.report()["received"]
        self.load.popen.stdin.close()
        report = self.load.result()
        self.early["down"] = sum(report["down_samples"][:EARLY])
        whole = {"up": up, "down": report["down"]}
        early = sum(self.early[way] for way in self.directions)
        return early, sum(whole[way] for way in self.directions) - early


def measure(limit, by_hand, directions, seconds):
    t = harness.Test("limits")
    try:
        transfers = [Transfer(side, directions) for side in
                     (Side(t, limit, "learner"), Side(t, limit, "hand", by_hand))]
        time.sleep(EARLY)
        for transfer in transfers:
            transfer.note_early()
        time.sleep(seconds - EARLY)
        learner, hand = (transfer.end() for transfer in transfers)
        return (learner[0] / max(hand[0], 1), learner[1] / max(hand[1], 1),
                hand[1] * 8 / 1e6 / (seconds - EARLY), *(one.side.cut() for one in transfers))
    except (harness.Failure, subprocess.SubprocessError):
        t.logs()
        raise
    finally:
        t.finish()
        t.remove()


def bench(_, options):
    rows = []
    for name in options.kind or KINDS:
        for direction in options.direction or DIRECTIONS:
            results = [measure(*KINDS[name], DIRECTIONS[direction], options.seconds)
                       for _ in range(options.rounds)]
            rows.append([f"{name}, {direction}", *map(median, zip(*results))])
    peers.table(f"20 Mbit/s, 50 ms, {options.seconds} s, medians of {options.rounds}",
                ["", f"0-{EARLY} s / by hand", "later / by hand", "by hand Mbit/s", "cut", "cut by hand"],
                rows, "aim: 0.9 of by hand in the first seconds, and 0.95 later")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.set_defaults(rounds=3)
    words.add_argument("--kind", action="append", choices=KINDS)
    words.add_argument("--direction", action="append", choices=DIRECTIONS)
    words.add_argument("--seconds", type=int, default=15, help="of each transfer, more than 5")
    peers.run(bench, words.parse_args())
