#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Interfaces that go and come, change their address, lose their carrier, are made again: a download
and an echo go on, and what is back is used again soon.

"Soon" is a couple of seconds; it is printed, and only a multiple of it fails a test.
"""
import json
import os
import re
import signal
import subprocess
import time

import harness
from harness import Link, SLOW, Skip, full, wait_until

RELAY = "10.99.0.1"
DEST = f"{RELAY}:5000"
NOBODY = 65534
SOON = 10  # seconds, where one or two are meant


class Ways:
    """A has an interface for each way, w0 and so on: a veth, so that it can be taken away. Behind it
    a router of its own leads over an emulated link to B, where the relay is."""

    def __init__(self, t, count=2, settings="rate=20Mbit delay=10ms limit=128k"):
        self.t = t
        self.a, self.b = t.netns("a"), t.netns("b")
        self.routers = [t.netns(f"router{i}") for i in range(count)]
        self.link = Link(t, [(f"l{i}", router, self.b, f"10.7{i}.0")
                             for i, router in enumerate(self.routers)], settings)
        self.b.ip(f"addr add {RELAY}/32 dev lo")
        for i, router in enumerate(self.routers):
            router.sysctl("net.ipv4.ip_forward", 1)
            router.ip(f"route add default via 10.7{i}.0.2")
            self.b.ip(f"route add 10.8{i}.0.0/16 via 10.7{i}.0.1")

    def create(self, i):
        """Makes w{i}; it is not up, and has no address."""
        try:
            self.a.ip(f"link add w{i} type veth peer name p{i} netns {self.routers[i].holder.pid}")
        except subprocess.CalledProcessError:
            raise Skip("this kernel has no veth") from None
        self.routers[i].ip(f"addr add 10.8{i}.0.2/16 dev p{i}")
        self.routers[i].ip(f"link set p{i} up")

    def delete(self, i):
        self.a.ip(f"link del w{i}")

    def up(self, i, host=1):
        """Does the work of a DHCP client."""
        self.a.ip(f"link set w{i} up")
        self.a.ip(f"addr replace 10.8{i}.0.{host}/16 dev w{i}")
        self.route(i)

    def route(self, i):
        self.a.ip(f"route replace default via 10.8{i}.0.2 dev w{i} metric {10 + i}")

    def down(self, i):
        self.a.ip(f"link set w{i} down")

    def carrier(self, i, there):
        self.routers[i].ip(f"link set p{i} {'up' if there else 'down'}")

    def readdress(self, i, host):
        self.a.ip(f"addr flush dev w{i}")
        self.a.ip(f"addr add 10.8{i}.0.{host}/16 dev w{i}")
        self.route(i)

    def carried(self, i):
        """Bytes that came over the way so far, towards local."""
        return self.link.report(f"l{i}")["b2a"]["bytes"]

    def sources(self):
        """The addresses that established connections come from."""
        text = self.a.read("/proc/net/tcp")
        rows = [line.split() for line in text.splitlines()[1:]]
        return {".".join(str(b) for b in reversed(bytes.fromhex(row[1].partition(":")[0])))
                for row in rows if row[3] == "01"} - {"127.0.0.1"}

    def pair(self, **local):
        paths = [{"interface": f"w{i}"} for i in range(len(self.routers))]
        self.t.origin(DEST, netns=self.b)
        return self.t.pair({"paths": paths, "budget": {"up": "1MiB", "down": "1MiB"}, **local},
                           {"destinations": {"allow": [f"{RELAY}/32"]}}, local_netns=self.a,
                           relay_netns=self.b, relay_address=RELAY)

    def wait_used(self, i, what):
        """Until the way carries a good deal again."""
        start, before = time.monotonic(), self.carried(i)
        wait_until(lambda: self.carried(i) > before + 100_000, SOON, f"path w{i} to be used {what}")
        self.t.note(f"path w{i} is used {what} after {time.monotonic() - start:.2f} s")


def all_up(t, count=2):
    ways = Ways(t, count)
    for i in range(count):
        ways.create(i)
        ways.up(i)
    return ways


def begin(t, count=2, **local):
    """Both ways are there, and a download and an echo run over them."""
    ways = all_up(t, count)
    pair = ways.pair(**local)
    return ways, pair, *start_loads(ways, pair)


def start_loads(ways, pair):
    """A download and an echo that go on until finish()."""
    bulk = pair.start_load(DEST, "--down", "100G", "--cut", stdin=subprocess.PIPE)
    echo = pair.start_load(DEST, "--ping", 1_000_000, "--cut", stdin=subprocess.PIPE)
    ways.wait_used(0, "at first")
    return bulk, echo


def finish(t, bulk, echo):
    """Both still run, and all they have received is right."""
    for load in (bulk, echo):
        load.popen.stdin.close()
    reports = [load.result(60) for load in (bulk, echo)]
    t.equal([report["cut"] for report in reports], [1, 1], "streams that went on to the end")
    # None may have come back yet, where the machine is slow.
    ping = reports[1].get("ping_us", {"max": 0})
    t.note(f"{reports[0]['down']} bytes down; echo meanwhile: {ping}")
    t.check(ping["max"] < 5_000_000 * SLOW, f"the echo stood still for {ping['max']} us")


def status(t, pair):
    result = subprocess.run([harness.SPLITSOCKS, "status", "--json", "-c", pair.local_path],
                            stdout=subprocess.PIPE, check=True, timeout=60 * SLOW,
                            env={**os.environ, "XDG_RUNTIME_DIR": t.directory})
    return json.loads(result.stdout)


def count_lines(pair, pattern):
    return len(re.findall(pattern, pair.local.log()))


def test_an_interface_goes_down_and_comes_back(t):
    ways, pair, bulk, echo = begin(t)
    for i in (0, 1):
        ways.down(i)
        pair.local.wait_output(rf"path w{i} is down: interface w{i}: down")
        time.sleep(0.5)
        ways.up(i)
        ways.wait_used(i, "after it was down")
        pair.local.wait_output(rf"path w{i} is back")
    finish(t, bulk, echo)
    t.equal(count_lines(pair, "path w0 is (down|back)"), 2, "lines about w0")


def test_a_carrier_that_is_lost(t):
    ways, pair, bulk, echo = begin(t)
    ways.carrier(1, False)
    pair.local.wait_output("path w1 is down: interface w1: no carrier")
    time.sleep(0.5)
    ways.carrier(1, True)
    ways.wait_used(1, "with a carrier")
    finish(t, bulk, echo)


def test_an_address_that_changes(t):
    ways, pair, bulk, echo = begin(t)
    t.check(ways.sources() >= {"10.80.0.1", "10.81.0.1"}, f"connections from {ways.sources()}")
    ways.readdress(1, 7)
    wait_until(lambda: "10.81.0.7" in ways.sources(), SOON, "connections from the new address")
    ways.wait_used(1, "with another address")
    # Nothing is left to be given up by the kernel.
    wait_until(lambda: "10.81.0.1" not in ways.sources(), SOON, "connections of the old to end")
    finish(t, bulk, echo)


def test_an_interface_that_is_made_again(t):
    ways, pair, bulk, echo = begin(t)
    ways.delete(1)
    pair.local.wait_output("path w1 is down: there is no interface w1")
    time.sleep(0.5)
    ways.create(1)
    ways.up(1)
    ways.wait_used(1, "after it was made again")
    finish(t, bulk, echo)


def test_all_interfaces_are_down_for_a_while(t):
    ways, pair, bulk, echo = begin(t)
    for i in (0, 1):
        ways.down(i)
    time.sleep(2)
    ways.up(1)
    ways.wait_used(1, "when nothing else works")
    ways.up(0)
    ways.wait_used(0, "too")
    finish(t, bulk, echo)


def test_what_a_reload_has_replaced_follows_too(t):
    ways, pair, bulk, echo = begin(t)
    pair.local.signal(signal.SIGHUP)
    pair.local.wait_output("the configuration was read again")
    ways.down(1)
    pair.local.wait_output("warning: path w1 is down: interface w1: down")
    time.sleep(0.5)
    ways.up(1)
    ways.wait_used(1, "by what was replaced")
    finish(t, bulk, echo)
    t.equal(count_lines(pair, "warning: path w1 is down"), 1, "lines about w1")


def test_paths_by_source(t):
    """A source address that moves to another interface takes its path with it."""
    ways, pair, bulk, echo = begin(
        t, paths=[{"source": "10.80.0.1"}, {"name": "second", "source": "10.81.0.1"}])
    ways.a.ip("rule add from 10.81.0.1 table 101")
    ways.a.ip("route add default via 10.81.0.2 dev w1 table 101")
    ways.wait_used(1, "by its source")
    ways.a.ip("addr flush dev w1")
    pair.local.wait_output("path second is down: this machine does not have the address 10.81.0.1")
    ways.up(1)
    ways.a.ip("route replace default via 10.81.0.2 dev w1 table 101")
    ways.wait_used(1, "with its source back")
    finish(t, bulk, echo)


def test_automatic_paths_come_and_go(t):
    ways = Ways(t)
    ways.create(0)
    ways.up(0)
    pair = ways.pair(paths="auto")
    bulk, echo = start_loads(ways, pair)
    t.check(ways.carried(1) < 10_000, "there is nothing yet to carry anything")
    ways.create(1)
    ways.up(1)
    ways.wait_used(1, "when it appears")
    ways.a.ip("route del default dev w1")
    pair.local.wait_output("path w1 is down: interface w1: no default route")
    ways.route(1)
    ways.wait_used(1, "when its route is back")
    ways.delete(0)
    pair.local.wait_output("path w0 is down: there is no interface w0")
    finish(t, bulk, echo)


def test_automatic_paths_when_there_is_none_at_first(t):
    ways = Ways(t)
    pair = ways.pair(paths="auto")
    ways.create(0)
    ways.up(0)
    t.equal(pair.load(DEST, "--down", "100k")["good"], 1, "downloads that came through")


def test_the_one_path_that_the_kernel_routes(t):
    """Without paths: a machine that moves from one network to another goes on."""
    ways, pair, bulk, echo = begin(t, paths=None)
    ways.a.ip("route replace default via 10.81.0.2 dev w1 metric 5")
    ways.wait_used(1, "when the default route is another")
    ways.a.ip("route del default dev w1 metric 5")
    ways.wait_used(0, "when it is back")
    ways.down(0)
    ways.wait_used(1, "when the other has gone")
    finish(t, bulk, echo)


def test_hosts_of_which_one_is_dead(t):
    """One is silent, one refuses: the stream does not wait for them, and the log names them."""
    ways = Ways(t, 1)
    ways.create(0)
    ways.up(0)
    ways.b.ip("addr add 10.99.0.2/32 dev lo")  # nobody listens there
    ways.b.ip("route add blackhole 10.99.0.3/32")
    pair = ways.pair()
    pair.load(DEST, "--down", "1M")
    alone = pair.load(DEST, "--down", "10M")
    pair.local.stop()
    pair.local_config["relay"]["host"] = ["10.99.0.3", "10.99.0.2", RELAY]
    pair.write_configs()
    pair.start_local()
    start = time.monotonic()
    pair.load(DEST, "--down", "1M")
    t.note(f"first stream, with two dead hosts before the third: {time.monotonic() - start:.2f} s")
    among = pair.load(DEST, "--down", "10M")
    t.note(f"10 MB in {alone['seconds']:.2f} s by the one host, in {among['seconds']:.2f} s beside "
           "two that are dead")
    t.check("path w0 to 10.99.0.2 does not work: connections are refused" in pair.local.log(),
            pair.local.log())


def test_hosts_take_over_from_each_other(t):
    ways = Ways(t, 1)
    ways.create(0)
    ways.up(0)
    ways.b.ip("addr add 10.99.0.2/32 dev lo")
    ways.t.origin(DEST, netns=ways.b)
    pair = t.pair({"paths": [{"interface": "w0"}]},
                  {"destinations": {"allow": [f"{RELAY}/32"]}}, local_netns=ways.a,
                  relay_netns=ways.b, relay_address="0.0.0.0", dial_address=[RELAY, "10.99.0.2"])
    bulk, echo = start_loads(ways, pair)
    for dead, other in (("10.99.0.2", RELAY), (RELAY, "10.99.0.2")):
        ways.routers[0].ip(f"route add blackhole {dead}/32")
        time.sleep(1)
        ways.wait_used(0, f"by {other} alone")
        ways.routers[0].ip(f"route del blackhole {dead}/32")
        time.sleep(1)
    finish(t, bulk, echo)


def test_paths_of_one_family_each(t):
    """A relay with both: w0 has IPv4 alone, w1 IPv6. Then w1 gets the other address, and w0 loses its."""
    if not os.path.exists("/proc/sys/net/ipv6"):
        raise Skip("this kernel has no IPv6")
    ways = Ways(t)
    for i in (0, 1):
        ways.create(i)
    ways.up(0)
    ways.b.ip("addr add fd00:99::1/128 dev lo nodad")
    for i, router in enumerate(ways.routers):
        router.sysctl("net.ipv6.conf.all.forwarding", 1)
        router.ip(f"addr add fd00:7{i}::1/64 dev ta{i} nodad")
        router.ip(f"route add default via fd00:7{i}::2")
        router.ip(f"addr add fd00:8{i}::2/64 dev p{i} nodad")
        ways.b.ip(f"addr add fd00:7{i}::2/64 dev tb{i} nodad")
        ways.b.ip(f"route add fd00:8{i}::/64 via fd00:7{i}::1")
    ways.a.ip("link set w1 up")
    ways.a.ip("addr add fd00:81::1/64 dev w1")  # tentative for a while
    ways.a.ip("route replace default via fd00:81::2 dev w1")
    pair = ways.pair(paths="auto", relay={"host": [RELAY, "fd00:99::1"]})
    pair.relay_config["listen"].append({"address": "fd00:99::1", "ports": pair.relay_ports})
    pair.write_configs()
    pair.relay.stop()
    pair.start_relay()
    bulk, echo = start_loads(ways, pair)
    ways.wait_used(1, "by IPv6")
    ways.up(1)
    ways.a.ip("addr del fd00:81::1/64 dev w1")
    ways.wait_used(1, "by IPv4")
    ways.a.ip("addr flush dev w0")
    pair.local.wait_output("path w0 is down: interface w0: no (address|default route)")
    ways.wait_used(1, "alone")
    finish(t, bulk, echo)


def test_without_privileges(t):
    """An ordinary user binds to interfaces and sees them change."""
    ways = all_up(t)
    pair = ways.pair()
    pair.local.stop()
    os.chmod(t.directory, 0o755)
    os.chown(t.path("local.key"), NOBODY, NOBODY)
    command = [harness.need("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
               "--inh-caps=-all", "--bounding-set=-all"]
    program = [harness.SPLITSOCKS, "local", "-v", "-c", pair.local_path]
    if subprocess.run([*command, "test", "-x", harness.SPLITSOCKS]).returncode != 0:
        raise Skip("an ordinary user cannot reach the program")
    pair.local = t.process("ordinary", command + program, netns=ways.a)
    pair.local.wait_output("^ready")
    if "takes CAP_NET_RAW" in pair.local.log():
        raise Skip("before Linux 5.7")
    bulk, echo = start_loads(ways, pair)
    ways.down(1)
    pair.local.wait_output("path w1 is down: interface w1: down")
    ways.up(1)
    ways.wait_used(1, "after it was down")
    finish(t, bulk, echo)


def test_a_quota(t):
    """A metered path carries its quota in a month and no more, also over a restart."""
    ways = all_up(t)
    paths = [{"interface": "w0"}, {"interface": "w1", "quota": "2MiB"}]
    pair = ways.pair(paths=paths, state_file="state/usage")
    used_up = "path w1 is down: its quota is used up"
    for _ in range(10):
        pair.load(DEST, "--down", "3M")
        if used_up in pair.local.log():
            break
    pair.local.wait_output(used_up)
    t.note(f"{ways.carried(1)} bytes down over the metered path, with headers")
    path = status(t, pair)["paths"][1]
    t.equal((path["state"], path["detail"], path["limits"]["quota_bytes"]),
            ("down", "its quota is used up", 2 << 20), "the path's status")
    t.check(path["limits"]["quota_used_bytes"] >= 2 << 20, f"limits {path['limits']}")
    # A second of the path at most, beyond the quota.
    t.check(ways.carried(1) < 20e6, "the quota was no bound")
    pair.local.stop()
    with open(t.path("state/usage")) as f:
        usage = json.load(f)["usage"]
    t.check(usage["bytes"][usage["month"]]["w1"] >= 2 << 20, repr(usage))
    before = ways.carried(1)
    pair.start_local()
    pair.local.wait_output(used_up)
    pair.load(DEST, "--down", "2M")
    t.check(ways.carried(1) - before < 100_000, "the quota was forgotten")
    pair.local.stop()
    t.write("state/usage", "splitsocks usage 1\nmonth 2026-11\n99999")
    pair.start_local()
    pair.local.wait_output("cannot use the state file .*usage: ")
    pair.load(DEST, "--down", "3M")
    t.check(ways.carried(1) - before > 100_000, "a damaged file keeps the path from being used")


if __name__ == "__main__":
    harness.main(globals(), full(150, 900))
