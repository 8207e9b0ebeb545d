#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A backup, and a path that costs more, while the good one stalls for moments, and when it is gone."""
import time

import harness
from lab import Lab, RELAY, budget

SIZE = 6_000_000
DEST = f"{RELAY}:5000"
EQUAL = ["rate=20Mbit delay=10ms limit=128k"] * 2
# 32 KiB in each direction may go, and connections and signs of life, with all headers.
SPARED_MOST = 250_000
BACKUP, DEAR = {"backup": True}, {"cost": 1}


def start(t, kind, **properties):
    lab = Lab(t, EQUAL)
    first, second = lab.interfaces
    t.origin(DEST, netns=lab.b)
    pair = lab.pair(t, {**budget("1MiB"), "paths": [first, {**second, **kind, **properties}]})
    pair.load(DEST, "--down", 2000)
    return lab, pair


def on_the_second(lab):
    return lab.carried("up")[1] + lab.carried("down")[1]


def moments(t, kind):
    lab, pair = start(t, kind, bulk_after="1h")
    for direction in ("down", "up"):
        before = on_the_second(lab)
        load = pair.start_load(DEST, f"--{direction}", SIZE)
        for _ in range(3):
            time.sleep(0.4)
            lab.cut(0)
            time.sleep(0.4)
            lab.mend(0)
        load.result(120)
        carried = on_the_second(lab) - before
        t.note(f"{direction}: {carried} bytes of {SIZE} on the second path")
        t.at_most(carried, SPARED_MOST, "bytes on the path to be spared")


def test_moments_move_no_bulk_to_a_backup(t):
    moments(t, BACKUP)


def test_moments_move_no_bulk_to_a_dear_path(t):
    moments(t, DEAR)


def stays_away(t, kind):
    lab, pair = start(t, kind, bulk_after="1s")
    for direction in ("down", "up"):
        load = pair.start_load(DEST, f"--{direction}", SIZE)
        time.sleep(0.4)
        lab.cut(0)
        load.result(120)
        lab.mend(0)
    t.check(on_the_second(lab) > SIZE / 2, "the second path was not used")


def test_bulk_moves_to_a_backup_when_the_good_path_stays_away(t):
    stays_away(t, BACKUP)


def test_bulk_moves_to_a_dear_path_when_the_good_one_stays_away(t):
    stays_away(t, DEAR)


def test_bulk_does_not_wait_for_an_interface_that_is_gone(t):
    lab, pair = start(t, BACKUP, bulk_after="1h")
    load = pair.start_load(DEST, "--down", SIZE)
    time.sleep(0.4)
    lab.a.ip("link set ta0 down")
    load.result(120)
    t.check(on_the_second(lab) > SIZE / 4, "the second path was not used")


if __name__ == "__main__":
    harness.main(globals())
