#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Paths that this machine itself keeps from working: the fault and its remedy are told, by
the log, by status --explain and by check."""
import os
import re
import subprocess

import harness
from harness import SLOW, wait_until
from test_path_changes import DEST, Ways


def splitsocks(t, ways, pair, *words):
    result = subprocess.run(ways.a.enter([harness.SPLITSOCKS, *words]), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW,
                            env={**os.environ, "XDG_RUNTIME_DIR": t.directory})
    t.equal(result.returncode, 0, f"{words}: {result.stdout}")
    return result.stdout


def filtered(t, **local):
    """The second of two ways answers by an interface that the main route does not use, and the
    filter is strict, as several distributions have it."""
    ways = Ways(t)
    for i in (0, 1):
        ways.create(i)
        ways.up(i)
    for name in ("all", "w0", "w1"):
        ways.a.sysctl(f"net.ipv4.conf.{name}.rp_filter", 1)
    return ways, ways.pair(**local)


MENDS = "sysctl -w net.ipv4.conf.w1.rp_filter=2"


def explained(t, ways, pair, name):
    text = splitsocks(t, ways, pair, "status", "--explain", "-c", pair.local_path)
    return re.search(rf"^{name}: .*$", text, re.M).group(0)


def test_a_strict_reverse_path_filter(t):
    ways, pair = filtered(t)
    bulk = pair.start_load(DEST, "--down", "100G")
    pair.local.wait_output(f"path w1: this machine drops the answers that come in on w1, .*{MENDS}")
    wait_until(lambda: MENDS in explained(t, ways, pair, "w1"), 10, "the explanation")
    t.check("rp_filter" not in explained(t, ways, pair, "w0"), "w0 is blamed")
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check(re.search(f"warning: path w1: .*{MENDS}", checked), checked)
    t.check("path w0" not in checked, checked)
    # The advice mends the path.
    ways.a.sysctl("net.ipv4.conf.w1.rp_filter", 2)
    ways.wait_used(1, "with a loose filter")
    bulk.kill()
    t.check("rp_filter" not in explained(t, ways, pair, "w1"), "it is still blamed")
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check("rp_filter" not in checked, checked)
    t.equal(len(re.findall("rp_filter is strict", pair.local.log())), 1, "lines in the log")


def test_a_strict_filter_with_automatic_paths(t):
    ways, pair = filtered(t, paths="auto", relay={"host": ["relay.invalid", "10.99.0.1"]})
    bulk = pair.start_load(DEST, "--down", "100G")
    pair.local.wait_output(f"path w1 to 10.99.0.1: this machine drops .*{MENDS}")
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check(re.search(f"warning: path w1: .*{MENDS}", checked), checked)
    bulk.kill()


def test_a_rule_makes_a_strict_filter_right(t):
    """Where packets from the second address have a way of their own, the filter lets them in."""
    ways, pair = filtered(t)
    ways.a.ip("route add default via 10.81.0.2 dev w1 table 100")
    ways.a.ip("rule add from 10.81.0.1 table 100")
    bulk = pair.start_load(DEST, "--down", "100G")
    ways.wait_used(1, "with a rule")
    bulk.kill()
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check("rp_filter" not in checked and "rp_filter" not in pair.local.log(), checked)


def test_a_source_without_a_rule(t):
    """Its packets leave by the other way, whose provider does not let its address through."""
    ways = Ways(t)
    for i in (0, 1):
        ways.create(i)
        ways.up(i)
    for name in ("all", "p0"):
        ways.routers[0].sysctl(f"net.ipv4.conf.{name}.rp_filter", 1)
    pair = ways.pair(paths=[{"source": "10.80.0.1"}, {"source": "10.81.0.1"}])
    bulk = pair.start_load(DEST, "--down", "100G")
    told = r"path 10\.81\.0\.1: packets from 10\.81\.0\.1 leave by w0, and not by w1"
    pair.local.wait_output(told)
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check(re.search(f"warning: {told}", checked), checked)
    bulk.kill()


def test_an_interface_under_another_name(t):
    """A modem that comes back as w1 when w0 is what the configuration has."""
    ways = Ways(t)
    ways.create(0)
    ways.up(0)
    pair = ways.pair(paths=[{"interface": "w0"}])
    pair.load(DEST, "--down", "100k")
    ways.delete(0)
    pair.local.wait_output("path w0 is down: there is no interface w0$")
    ways.create(1)
    ways.up(1)
    told = "there is no interface w0; w1, which is no path's, has a default route"
    pair.local.wait_output(f"path w0 is still down: {told}")
    wait_until(lambda: told in explained(t, ways, pair, "w0"), 10, "the explanation")


def test_two_paths_that_are_one_link(t):
    """The file does not tell: one by the interface, one by its address; and an alternative name."""
    ways = Ways(t, 1)
    ways.create(0)
    ways.up(0)
    pair = ways.pair(paths=[{"interface": "w0"}, {"name": "b", "source": "10.80.0.1"}])
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check("warning: paths w0 and b both leave by w0" in checked, checked)
    if subprocess.run(ways.a.enter([harness.need("ip"), "link", "property", "add", "dev", "w0",
                                    "altname", "wide-area"]), stderr=subprocess.PIPE).returncode:
        return  # before Linux 5.5
    pair.local_config["paths"] = [{"interface": "w0"}, {"interface": "wide-area"}]
    pair.write_configs()
    checked = splitsocks(t, ways, pair, "check", "local", pair.local_path)
    t.check("warning: paths w0 and wide-area both leave by w0" in checked, checked)


if __name__ == "__main__":
    harness.main(globals())
