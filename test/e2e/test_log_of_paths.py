#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The log tells of paths that come and go: a state that lasts, and not each hiccup."""
import re
import time

import harness
from harness import SLOW

# Without the lines of -v.
LINES = (r"(?:info|warning): ((?:no contact with|path default |session \w+ with the relay goes on|"
         r"test goes on).*)")


def lines_of(*daemons):
    return [line for daemon in daemons for line in re.findall(LINES, daemon.log())]


def test_a_nat_that_forgets_idle_connections(t):
    """An idle stream: time and again nothing passes on the connections that are open, and new ones
    are made at once. Nothing is wrong that anybody should look at."""
    server = t.server()
    pair = t.pair({"linger": "3s"}, {"linger": "3s"}, proxy=True)
    with pair.open("127.0.0.1", server.port) as s:
        for _ in range(6):
            pair.proxy.command("stall open")
            time.sleep(2)
        s.sendall(b"still here")
        s.settimeout(20 * SLOW)
        t.equal(harness.recv_exactly(s, 10), b"still here", "the echo")
    t.check(len(re.findall("does not work", pair.local.log())) >= 3, "nothing was forgotten")
    told = lines_of(pair.local, pair.relay)
    t.note("\n".join(told))
    t.equal(told[0], "path default works", "the first line")
    # A machine that has too much to do may be slow to make new ones.
    t.at_most(len(told) - 1, 4, "further lines about six hiccups")


def test_an_outage_that_lasts_is_told_with_its_end(t):
    server = t.server()
    pair = t.pair(proxy=True)
    with pair.open("127.0.0.1", server.port) as s:
        pair.proxy.command("stall all")
        s.sendall(b"x")
        for line in ("path default does not work: ", "no contact with the relay"):
            pair.local.wait_output(f"warning: {line}")
        pair.proxy.command("stall open")
        s.settimeout(30 * SLOW)
        t.equal(harness.recv_exactly(s, 1), b"x", "the echo")
    for line in ("path default works again", r"session \w+ with the relay goes on"):
        pair.local.wait_output(f"info: {line}")
    pair.relay.wait_output("info: test goes on with session")


if __name__ == "__main__":
    harness.main(globals())
