#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wall clocks that are wrong, and machines that share a key: the relay takes no HELLO that is older
than those it has seen of the same key."""
import calendar
import json
import os
import signal
import subprocess
import time

import harness
from harness import SPLITSOCKS, wait_until
from statuses import ask

STAMPS = 64  # that the relay keeps for each client


class Machine:
    """A machine with a wall clock of its own, and a memory from one run to the next."""

    def __init__(self, t, pair, name):
        self.t, self.pair = t, pair
        self.clock = t.path(f"{name}.clock")
        self.state = t.path(f"{name}.state")
        os.mkdir(self.state)
        self.set_clock(0)
        # AddressSanitizer wants to be loaded first, and need not be.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": harness.tool("wrongclock.so"), "WRONG_CLOCK": self.clock,
                    "ASAN_OPTIONS": options, "XDG_STATE_HOME": self.state}

    def set_clock(self, seconds):
        with open(self.clock, "w") as f:
            f.write(str(seconds))

    def forget(self):
        os.unlink(os.path.join(self.state, "splitsocks", "state"))

    def start_connect(self, server):
        return subprocess.Popen(
            [SPLITSOCKS, "connect", "-c", self.pair.local_path, "127.0.0.1", str(server.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **self.env})

    def connect(self, server):
        """Makes a session, and carries a word; returns the complaint, or None."""
        process = self.start_connect(server)
        out, err = process.communicate(b"hello", timeout=60 * harness.SLOW)
        return None if out == b"hello" else f"{process.returncode}: {err.decode()}"

    def use_stamps(self, server):
        """Sends as many HELLOs as the relay keeps stamps."""
        for _ in range(0, STAMPS, 16):
            group = [self.start_connect(server) for _ in range(16)]
            for process in group:
                out, err = process.communicate(b"hello", timeout=60 * harness.SLOW)
                self.t.equal(out, b"hello", f"echo, with {err}")


def scene(t, *names):
    if not os.path.exists(harness.tool("wrongclock.so")):
        raise harness.Skip("the clock cannot be replaced here")
    pair = t.pair(relay={"linger": "5s"}, start=False)
    pair.relay_config["clients"][0]["max_sessions"] = 1000
    pair.write_configs()
    pair.start_relay()
    return pair, t.server(), [Machine(t, pair, name) for name in names]


def test_a_clock_that_is_set_back(t):
    pair, server, (machine,) = scene(t, "laptop")
    machine.use_stamps(server)
    machine.set_clock(-600)
    t.equal(machine.connect(server), None, "after ten minutes back")
    # A local that began before it was set back, and one that begins after.
    for _ in range(2):
        local = t.daemon("local", pair.local_path, env=machine.env)
        s = pair.open("127.0.0.1", server.port)
        s.close()
        local.wait_output("this machine's clock is \\d+ s behind the last stamp for the relay")
        local.stop()
        machine.set_clock(-86400)
    t.check("no answer to" not in pair.relay.log(), "a HELLO was refused")


def test_a_clock_that_is_set_back_and_nothing_remembered(t):
    """Local tries later stamps, and both logs name the cause."""
    pair, server, (machine,) = scene(t, "laptop")
    machine.use_stamps(server)
    machine.set_clock(-600)
    machine.forget()
    local = t.daemon("local", pair.local_path, env=machine.env)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, 40, "the local to be served")
    pair.relay.wait_output("no answer to test at 127.0.0.1:[0-9]+: the stamp of its HELLO .* clock was "
                           "set back, two machines share its key")
    local.wait_output("takes connections but does not answer: .* is this machine's clock right")
    # Now it is remembered.
    local.stop()
    t.equal(machine.connect(server), None, "in the next run")


def test_two_machines_with_one_key(t):
    pair, server, (ahead, behind) = scene(t, "ahead", "behind")
    ahead.set_clock(600)
    ahead.use_stamps(server)
    local = t.daemon("local", pair.local_path, env=behind.env)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, 40, "the machine behind to be served")
    local.stop()
    t.equal(behind.connect(server), None, "in the next run")
    t.equal(ahead.connect(server), None, "the machine ahead")


def month(months_ahead):
    """The name of a month, and the seconds from now to its middle."""
    now = time.gmtime()
    year, index = divmod(now.tm_year * 12 + now.tm_mon - 1 + months_ahead, 12)
    return f"{year:04}-{index + 1:02}", calendar.timegm((year, index + 1, 15, 0, 0, 0)) - int(time.time())


def metered(t):
    """A pair with one path that has a quota of 1 MiB a month, and its machine."""
    pair, server, (machine,) = scene(t, "laptop")
    pair.local_config.update(state_file="state",
                             paths=[{"name": "metered", "source": "127.0.0.1", "quota": "1MiB"}])
    pair.write_configs()
    return pair, server, machine


def used_up_in(t, name):
    t.write_json("state", {"splitsocks_state": 1, "later": {"kept": True}, "usage": {
        "month": name, "bytes": {name: {"metered": 2 << 20}}}})


def test_a_month_that_a_wrong_clock_began_ends(t):
    """A year ahead. What was used in it counts, but only until another month begins."""
    pair, server, machine = metered(t)
    used_up_in(t, month(12)[0])
    local = t.daemon("local", pair.local_path, env=machine.env)
    local.wait_output("path metered is down: its quota is used up")
    machine.set_clock(month(1)[1])
    local.wait_output("path metered is back")
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "in the next month")
    local.stop()
    with open(t.path("state")) as f:
        state = json.load(f)
    t.equal(state["usage"]["month"], month(1)[0], "the month")
    t.check(month(12)[0] not in state["usage"]["bytes"], f"still there: {state}")
    t.equal(state["later"], {"kept": True}, "a section that is not known")


def test_a_clock_that_is_not_set_yet_frees_no_quota(t):
    pair, _, machine = metered(t)
    for seconds in (-int(time.time()), -365 * 86400):
        used_up_in(t, month(0)[0])
        machine.set_clock(seconds)
        local = t.daemon("local", pair.local_path, env=machine.env)
        local.wait_output("path metered is down: its quota is used up")
        machine.set_clock(0)
        time.sleep(1.5)  # it looks once a second
        t.check("path metered is back" not in local.log(), "the quota was freed")
        local.stop()


def relay_with_a_clock(t, **terms):
    """A pair whose relay has a wall clock of its own, and terms for its client."""
    pair, server, (machine,) = scene(t, "vps")
    pair.relay.stop()
    pair.relay_config["state_file"] = "relay.state"
    pair.relay_config["clients"][0].update(terms)
    pair.write_configs()
    pair.start_relay(env=machine.env)
    pair.start_local()
    return pair, server, machine


def reload(pair):
    lines = pair.relay.log().count("read again")
    pair.relay.signal(signal.SIGHUP)
    wait_until(lambda: pair.relay.log().count("read again") > lines, what="the reload")


def test_a_quota_begins_anew_while_a_stream_goes_on(t):
    quota = 1 << 20
    pair, server, machine = relay_with_a_clock(t, quota=quota)
    stream = pair.open("127.0.0.1", server.port)

    def echo(count):
        stream.sendall(bytes(count))
        harness.recv_exactly(stream, count)

    def move(count):
        for _ in range(int(count) // 8192):
            echo(4096)

    def in_month(name):
        echo(1)  # the relay looks while something moves
        document = json.loads(ask(t, pair.relay_path, "--json"))
        return document["clients"][0]["quota"]["renews"].startswith(name)

    move(0.7 * quota)
    reload(pair)  # counts what has moved in this month
    machine.set_clock(month(1)[1])
    wait_until(lambda: in_month(month(2)[0]), what="the next month")
    move(0.7 * quota)
    # What is used up is free in the month behind that, too.
    try:
        move(quota)
    except OSError:
        pass
    pair.relay.wait_output("has ended: this key's quota of")
    machine.set_clock(month(2)[1])
    reload(pair)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, what="the month behind that")
    t.equal(pair.relay.stop(), 0, "exit status")
    with open(t.path("relay.state"), encoding="utf-8") as f:
        usage = json.load(f)["usage"]
    t.equal(usage["month"], month(2)[0], "the month in the file")
    t.check(0 < usage["bytes"][month(2)[0]]["test"] < quota // 2, f"used in it: {usage['bytes']}")


def test_a_client_expires_by_the_clock_of_the_relay(t):
    day = 86400
    moment = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 2 * day))
    pair, server, machine = relay_with_a_clock(t, expires=moment)
    stream = pair.open("127.0.0.1", server.port)
    machine.set_clock(3 * day)
    reload(pair)
    try:
        t.equal(stream.recv(1), b"", "the end of a stream")
    except ConnectionResetError:
        pass
    t.check(pair.reply("127.0.0.1", server.port) != 0, "it is served on")
    # A clock that was wrong ends nothing for ever.
    machine.set_clock(0)
    reload(pair)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, what="the right clock")


if __name__ == "__main__":
    harness.main(globals())
