#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A relay that dies, subflows that are cut, a path that goes dark: streams go on, or end clearly."""
import re
import signal
import time

import harness
from harness import bulk, full, wait_until

OUTAGE = full(4, 30)


def streams_work(t, pair, origin):
    """Whether new streams work, without a restart of local."""
    report = pair.load(origin.dest, "--up", "100k", "--down", "100k", good=False)
    return report["good"] == 1


def test_relay_killed_in_mid_transfer(t):
    pair, origin = t.pair(), t.origin()
    load = pair.start_load(origin.dest, "--down", "100G", "--up", "100G", "--count", 3,
                           "--parallel", 3)
    wait_until(lambda: origin.report()["received"] > 1 << 20, what="the transfer to run")
    pair.relay.kill()
    time.sleep(1)
    pair.start_relay()
    start = time.monotonic()
    # The answer to resume is 'unknown': the old streams end, with a reset.
    report = load.result(60, good=False)
    t.note(f"old streams ended {time.monotonic() - start:.2f} s after the relay was back")
    t.equal((report["broken"], report["bad"]), (3, 0), "how the old streams ended")
    wait_until(lambda: streams_work(t, pair, origin), 30, "new streams to work")
    t.check(pair.local.running(), "local has ended")


def test_relay_restarted_while_idle(t):
    pair, origin = t.pair(), t.origin()
    for _ in range(3):
        t.check(streams_work(t, pair, origin), "no stream works")
        pair.relay.kill()
        pair.start_relay()
        wait_until(lambda: streams_work(t, pair, origin), 30, "new streams to work")


def test_relay_stopped_and_continued(t):
    pair, origin = t.pair(), t.origin()
    load = pair.start_load(origin.dest, "--down", bulk(300), "--up", bulk(300))
    wait_until(lambda: origin.report()["received"] > 1 << 20, what="the transfer to run")
    pair.relay.signal(signal.SIGSTOP)
    time.sleep(OUTAGE)
    pair.relay.signal(signal.SIGCONT)
    load.result(100)


def transfer(t):
    """A pair with a proxy between, an origin, and a transfer both ways that has begun to move."""
    pair, origin = t.pair(proxy=True), t.origin()
    load = pair.start_load(origin.dest, "--down", bulk(300), "--up", bulk(300))
    wait_until(lambda: origin.report()["received"] > 1 << 20, what="the transfer to run")
    return pair, origin, load


def test_every_subflow_reset_again_and_again(t):
    pair = t.pair({"budget": {"up": "1MiB", "down": "1MiB"}}, proxy=True)
    origin = t.origin()
    load = pair.start_load(origin.dest, "--down", bulk(150), "--up", bulk(150))
    resets = 0
    while load.running() and resets < 200:
        pair.proxy.command("reset")
        resets += 1
        time.sleep(0.05 * harness.SLOW)
    load.result(100)
    t.note(f"{resets} times all were reset: {pair.proxy.report()}")


def test_cut_and_refused_for_a_while(t):
    """Nothing gets through: connections are reset and new ones refused. Then the stream goes on."""
    pair, origin, load = transfer(t)
    pair.proxy.command("refuse")
    pair.proxy.command("reset")
    during = harness.rest(lambda: origin.report()["received"], what="the origin")
    time.sleep(OUTAGE)
    t.equal(origin.report()["received"], during, "bytes received during the outage")
    t.check(load.running(), "the stream ended during the outage")
    pair.proxy.command("accept")
    load.result(100)
    resumed = re.search(r"session (\w+) with the relay goes on", pair.local.log())
    t.check(resumed is not None, "the session did not go on")
    t.check(f"goes on with session {resumed.group(1)}" in pair.relay.log(),
            "the relay's log does not name the resumed session")


def test_stalled_subflows_are_replaced(t):
    """Those open now never move again; new ones work: nobody waits for the kernel to give up."""
    pair, origin, load = transfer(t)
    for _ in range(3):
        pair.proxy.command("stall open")
        time.sleep(0.5)
    load.result(100)


def test_everything_stalled_for_a_while(t):
    pair, origin, load = transfer(t)
    pair.proxy.command("stall all")
    time.sleep(OUTAGE)
    t.check(load.running(), "the stream ended during the outage")
    pair.proxy.command("resume")
    load.result(100)


def test_a_link_that_goes_dark(t):
    """The packets vanish: no reset, no FIN, no ICMP. Then the link is back."""
    a, b = t.netns("a"), t.netns("b")
    link = t.link(a, b, settings="delay=10ms rate=50Mbit limit=256k")
    origin = t.origin("10.77.0.2:5000", netns=b)
    pair = t.pair({"budget": {"up": "256KiB", "down": "256KiB"}},
                  {"destinations": {"allow": ["10.77.0.0/24"]}}, local_netns=a, relay_netns=b,
                  relay_address="10.77.0.2")
    load = pair.start_load(origin.dest, "--down", "12M", "--up", "12M")
    wait_until(lambda: origin.report()["received"] > 1 << 20, what="the transfer to run")
    link.set("off=1")
    time.sleep(OUTAGE)
    t.check(load.running(), "the stream ended during the outage")
    link.set("off=0")
    load.result(100)
    t.note(link.report())


def test_linger_has_an_end(t):
    """Both ends give a stream up when nothing was heard for the agreed time."""
    pair = t.pair({"linger": "3s"}, {"linger": "60s"}, proxy=True)
    origin = t.origin()
    load = pair.start_load(origin.dest, "--down", "100G")
    wait_until(lambda: origin.report()["sent"] > 1 << 20, what="the transfer to run")
    pair.proxy.command("refuse")
    pair.proxy.command("reset")
    report = load.result(30, good=False)
    t.equal(report["broken"], 1, "streams broken at local's end")
    wait_until(lambda: origin.report()["open"] == 0, 30, "the relay to give the stream up")
    pair.proxy.command("accept")
    wait_until(lambda: streams_work(t, pair, origin), 30, "new streams to work")


def test_several_ports_some_dead(t):
    """Relay ports that refuse or swallow connections are passed by."""
    pair = t.pair(relay_ports=3, start=False)
    silent = t.server(harness.recv_all)
    pair.local_config["relay"]["ports"] = [harness.free_port(), silent.port, *pair.relay_ports]
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    origin = t.origin()
    pair.load(origin.dest, "--down", "5M", "--up", "5M", "--count", 10, "--parallel", 3)


if __name__ == "__main__":
    harness.main(globals(), full(150, 900))
