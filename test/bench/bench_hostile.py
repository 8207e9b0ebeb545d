#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A bystander's echoes beside one hostile pattern after the other (test/e2e/foes.py), what each
pattern costs the relay, and what the relay's memory grows by. The enemy and its destination run
at the lowest priority, and the relay on a processor of its own: so they take no processor from
the bystander, and what the bystander waits for is the relay's loop."""
import os
import random
import signal
import time

import peers
from evil import Evil
from fakedns import FakeDns
from foes import Foes
from peers import median

LINGER = 1
PROCESSORS = sorted(os.sched_getaffinity(0))


def give_way(pid):
    """To all others, also where the bench runs by a real-time policy."""
    os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, pid, 19)


class Enemy:
    """A process that repeats a pattern."""

    def __init__(self, foes, pattern):
        ready, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            give_way(0)
            try:
                while True:
                    foes.do(pattern)
                    os.write(write, b"x")
            finally:
                os._exit(1)
        os.close(write)
        self.done = ready

    def stop(self):
        """Returns how often the pattern ran; 0 where it failed at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        count = 0
        while octets := os.read(self.done, 65536):
            count += len(octets)
        os.close(self.done)
        return count


def setting(t):
    dns = {"servers": [FakeDns(t, mode="silent").server]}
    pair = t.pair(relay={"linger": LINGER, "dns": dns}, start=False)
    evil = Evil(t, pair, max_sessions=32)
    under = ()
    if len(PROCESSORS) > 1:
        under = ("taskset", "-c", str(PROCESSORS[-1]))
        os.sched_setaffinity(0, PROCESSORS[:-1])
    pair.start_relay(under=under)
    pair.start_local()
    return pair, evil


def pings(pair, origin, seconds):
    report = pair.load(origin.dest, "--ping", 100000 * seconds, "--size", 64, "--for", f"{seconds}s")
    return report["ping_us"]["p50"] / 1000, report["ping_us"]["p99"] / 1000


def bench(t, options):
    pair, evil = setting(t)
    origin = t.origin()
    # The enemy's destination is another one, whose queue of connections may overflow.
    theirs = t.origin()
    give_way(theirs.pid)
    foes = Foes(pair, evil, theirs.dest, random.Random(1))
    foes.do("sessions")  # a HELLO to record
    pings(pair, origin, 1)
    rows, ratios = [], []
    for pattern in options.patterns or Foes.names():
        quiet = pings(pair, origin, options.seconds)
        memory, cpu = pair.relay.rss_kib(), pair.relay.cpu_seconds()
        enemy = Enemy(foes, pattern)
        beside = pings(pair, origin, options.seconds)
        count = enemy.stop()
        grown = pair.relay.rss_kib() - memory
        cpu = pair.relay.cpu_seconds() - cpu
        ratios.append(beside[1] / quiet[1])
        rows.append([pattern.replace("_", " "), *quiet, *beside, ratios[-1], count / options.seconds,
                     cpu / options.seconds, grown / 1024])
        time.sleep(2 * LINGER)
    peers.table(f"echoes one after the other beside each pattern, {options.seconds} s each",
                ["", "quiet p50 ms", "p99", "beside p50", "p99", "ratio of p99", "patterns/s",
                 "relay's CPU", "grown MiB"], rows,
                f"median of the ratios {median(ratios):.3g}; aim: at most 2 each")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.add_argument("--seconds", type=int, default=2, help="of each measure")
    words.add_argument("--patterns", nargs="+", choices=Foes.names(), help="some of them only")
    peers.run(bench, words.parse_args())
