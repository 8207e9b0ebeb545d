#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Paths on which large packets vanish without a word (no ICMP message comes, as behind many tunnels
and firewalls), while the kernel's TCP does not probe for it: transfers go on with smaller packets,
soon, little is sent in vain, and it is told and remembered.

"Soon" is three seconds or so; it is printed, and only a multiple of it fails a test.
"""
import json
import os
import subprocess
import time

import harness
from harness import SLOW
from lab import Lab, RELAY

DEST = f"{RELAY}:5000"
LINK = "rate=20Mbit delay=10ms limit=128k"
HOLE = LINK + " mtu=1400"
SOON = 20
# Some initial windows for each size that is tried, on each connection of a pool, both ways.
VAIN_MAX = 1500
# And where the hole opens under connections that are open, the windows of these, which have grown,
# and those of the connections that take their place before it is known: 260 to 1550 were seen. A
# path that is flooded loses as many in a second.
VAIN_OPEN_MAX = 2 * VAIN_MAX
TOLD = r"path 10\.77\.0\.1 loses packets of more than {} bytes"


def setup(t, settings, **local):
    lab = Lab(t, settings)
    for netns in (lab.a, lab.b):
        netns.sysctl("net.ipv4.tcp_mtu_probing", 0)
    t.origin(DEST, netns=lab.b)
    return lab, lab.pair(t, local)


def status(t, pair, *words):
    return subprocess.run([harness.SPLITSOCKS, "status", *words, "-c", pair.local_path],
                          stdout=subprocess.PIPE, check=True, timeout=60 * SLOW, text=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": t.directory}).stdout


def mtu(t, pair, index=0):
    return json.loads(status(t, pair, "--json"))["paths"][index]["mtu"]


def vain(lab):
    return sum(counters["oversize"] for direction in ("up", "down")
               for counters in lab.counters(direction))


def transfer(t, lab, pair, *words, vain_max=VAIN_MAX):
    """Both ways at once unless told otherwise; it must come to its end soon."""
    before, start = vain(lab), time.monotonic()
    pair.load(DEST, *(words or ("--up", "1M", "--down", "1M")), seconds=SOON)
    t.note(f"transferred in {time.monotonic() - start:.2f} s")
    t.at_most(vain(lab) - before, vain_max, "packets that were too large")


def test_a_hole_in_both_directions(t):
    """It is told in words and in JSON, and a local that is started again knows it."""
    lab, pair = setup(t, [HOLE], state_file="state")
    transfer(t, lab, pair)
    pair.local.wait_output(TOLD.format(1280))
    t.equal(mtu(t, pair), {"bytes": 1280, "source": "found", "large_lost": False}, "the path's MTU")
    explained = status(t, pair, "--explain")
    t.check("it loses packets of more than 1280 bytes" in explained, explained)
    pair.local.stop()
    with open(t.path("state")) as f:
        t.equal(json.load(f)["mtu"], {"10.77.0.1": 1280}, "what is remembered")
    pair.start_local()
    before = vain(lab)
    pair.load(DEST, "--up", "1M", "--down", "1M", seconds=SOON)
    t.equal(vain(lab) - before, 0, "packets that were too large after a restart")


def test_a_hole_on_the_way_up(t):
    lab, pair = setup(t, [(HOLE, LINK)])
    transfer(t, lab, pair, "--up", "1M")
    pair.local.wait_output(TOLD.format(1280))


def test_a_hole_on_the_way_down(t):
    """Only the relay can see it, and only local can do something about it."""
    lab, pair = setup(t, [(LINK, HOLE)])
    transfer(t, lab, pair, "--down", "1M")
    pair.local.wait_output(TOLD.format(1280))


def test_a_hole_that_takes_nearly_everything(t):
    lab, pair = setup(t, [LINK + " mtu=600"])
    transfer(t, lab, pair, "--up", "300k", "--down", "300k")
    pair.local.wait_output(TOLD.format(576))


def test_a_hole_that_opens_later(t):
    """As when a route begins to lead through a tunnel."""
    lab, pair = setup(t, [LINK])
    transfer(t, lab, pair)
    t.equal(mtu(t, pair), {"bytes": None, "source": None, "large_lost": False}, "the path's MTU")
    lab.set(0, "mtu=1400")
    transfer(t, lab, pair, vain_max=VAIN_OPEN_MAX)
    t.equal(mtu(t, pair)["bytes"], 1280, "the path's MTU")


def test_one_path_of_two(t):
    lab, pair = setup(t, [LINK, HOLE])
    transfer(t, lab, pair, "--up", "3M", "--down", "3M")
    found = [mtu(t, pair, i)["bytes"] for i in (0, 1)]
    t.note(f"found {found}")
    t.equal(found[0], None, "the MTU of the path without a hole")


def test_larger_packets_are_tried_again(t):
    lab, pair = setup(t, [HOLE], mtu_retry=1)
    transfer(t, lab, pair)
    lab.set(0, "mtu=0")
    harness.wait_until(lambda: pair.load(DEST, "--up", "2M", "--down", "2M", seconds=SOON) and
                       mtu(t, pair)["bytes"] is None, 60, "the link's full size")
    pair.local.wait_output("path 10.77.0.1 lets packets of the link's full size through again")


def test_no_size_helps(t):
    """Packets that do not arrive do not flood the path."""
    lab, pair = setup(t, [LINK + " mtu=540"])
    load = pair.start_load(DEST, "--up", "1M", "--down", "1M")
    pair.local.wait_output("smaller packets, down to 576 bytes, do not help", 60)
    time.sleep(1)
    before = vain(lab)
    time.sleep(2)
    # A few connections one after the other at each side, an initial window of TCP each.
    t.at_most(vain(lab) - before, 200, "packets that were too large in two seconds")
    t.check(mtu(t, pair)["large_lost"], "it is not told")
    load.kill()


def test_a_size_that_is_configured(t):
    lab, pair = setup(t, [HOLE], paths=[{"source": "10.77.0.1", "mtu": 1400}])
    transfer(t, lab, pair)
    t.equal(vain(lab), 0, "packets that were too large")
    t.equal(mtu(t, pair), {"bytes": 1400, "source": "configured", "large_lost": False},
            "the path's MTU")


if __name__ == "__main__":
    harness.main(globals())
