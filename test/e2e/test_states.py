#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""State files that cannot be written for a while: the log says so once, nothing is lost that the
process knows, and all is written when that is possible again."""
import json
import os
import time

import harness
from pairs import two_clients

QUOTA = 1 << 30
SAVED = 6  # seconds between two times when a count is saved, and a bit


def in_the_way(path):
    """A folder in the place of a file: what no user can write, nor replace."""
    if os.path.exists(path):
        os.unlink(path)
    os.mkdir(path)


def move(pair, port, count=100_000):
    """Both ways, so that it counts for a quota."""
    pair.fetch("127.0.0.1", port, bytes(count))


def used_in(path, name):
    try:
        with open(path, encoding="utf-8") as file:
            return sum(month.get(name, 0) for month in json.load(file)["usage"]["bytes"].values())
    except (OSError, ValueError, KeyError):
        return 0


def move_until(pair, port, condition, what):
    def step():
        move(pair, port)
        return condition()
    harness.wait_until(step, 60, what)


def lines(process, text):
    return [line for line in process.log().splitlines() if text in line]


def check_quota(t, process, pair, port, path, name):
    """The count of a quota in the file of a process, while the file cannot be written."""
    move_until(pair, port, lambda: used_in(path, name) > 0, "a count in the file")
    before = used_in(path, name)
    in_the_way(path)
    trouble = f"cannot write the state file {path}"
    move_until(pair, port, lambda: lines(process, trouble), "a word in the log")
    end = time.monotonic() + 2 * SAVED
    move_until(pair, port, lambda: time.monotonic() > end, "two more times")
    t.equal(len(lines(process, trouble)), 1, f"words of {process.name}")
    os.rmdir(path)
    move_until(pair, port, lambda: used_in(path, name) > before + 200_000, "all of the count")
    t.equal(process.stop(), 0, "exit status")
    t.check(used_in(path, name) > before, "the count is lost")


def test_the_relays_quotas(t):
    server = t.server()
    pair, guest = two_clients(t, {"quota": QUOTA}, {"state_file": "relay.state"})
    check_quota(t, pair.relay, guest, server.port, t.path("relay.state"), "guest")


def test_the_quotas_of_local(t):
    server = t.server()
    pair = t.pair({"paths": [{"source": "127.0.0.1", "name": "main", "quota": QUOTA}],
                   "state_file": "local.state"})
    check_quota(t, pair.local, pair, server.port, t.path("local.state"), "main")


def test_the_stamps(t):
    """Those that are accepted meanwhile are in the file later, by the next HELLO or at the end."""
    def begin_again():
        t.equal(pair.local.stop(), 0, "local's exit status")
        pair.start_local()
        move(pair, server.port, 100)

    def stamps():
        with open(path, encoding="ascii") as file:
            return [int(line.split()[1]) for line in file]

    server, pair = t.server(), t.pair()
    path = t.path("splitsocks/relay.stamps")
    trouble, again = f"cannot write {path}", f"{path} is written again"
    move(pair, server.port, 100)
    known = stamps()
    for i in range(2):
        in_the_way(path)
        for _ in range(3):
            begin_again()
        t.equal(len(lines(pair.relay, trouble)), i + 1, "words of the trouble")
        os.rmdir(path)
        if i == 0:
            time.sleep(1.1)  # it is tried again once a second
            begin_again()
            t.equal(len(lines(pair.relay, again)), 1, "words of its end")
        else:
            t.equal(pair.relay.stop(), 0, "relay's exit status")
        t.check(set(known) < set(stamps()), f"{known} are not in {stamps()}")
        known = stamps()
    t.check(len(known) >= 8, f"only {len(known)} stamps")


if __name__ == "__main__":
    harness.main(globals(), 200)
