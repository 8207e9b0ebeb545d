#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How sessions end, and how many there may be: each cause is told to those at local."""
import json
import os
import re
import signal
import subprocess

import harness
from harness import SPLITSOCKS, wait_until


class Connect:
    """`splitsocks connect` to an echo server, by a session of its own."""

    def __init__(self, t, pair, server, name="connect"):
        self.err_path = t.path(t.unique(name) + ".err")
        with open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(
                [SPLITSOCKS, "connect", "-c", pair.local_path, "127.0.0.1", str(server.port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, bufsize=0,
                env={**os.environ, "XDG_STATE_HOME": t.directory})
        t.stack.callback(self.kill)

    def log(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()

    def echoes(self, word):
        """Whether it comes back; no when the process has ended instead."""
        try:
            self.popen.stdin.write(word)
        except BrokenPipeError:
            return False
        found = b""
        while len(found) < len(word):
            part = self.popen.stdout.read(len(word) - len(found))
            if not part:
                return False
            found += part
        return found == word

    def wait(self, seconds=20):
        return self.popen.wait(seconds * harness.SLOW)


def limited(t, most):
    pair = t.pair(start=False)
    if most is not None:
        pair.relay_config["clients"][0]["max_sessions"] = most
    pair.write_configs()
    pair.start_relay()
    return pair, t.server()


def status(t, pair, *options):
    result = subprocess.run([SPLITSOCKS, "status", "-c", pair.local_path, *options], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "XDG_RUNTIME_DIR": t.directory,
                                 "RUNTIME_DIRECTORY": ""})
    t.equal(result.returncode, 0, f"status: {result.stderr}")
    return result.stdout


def test_one_session_more_ends_no_other(t):
    pair, server = limited(t, 3)
    held = [Connect(t, pair, server) for _ in range(3)]
    for connect in held:
        t.check(connect.echoes(b"hello"), f"no echo: {connect.log()}")
    for _ in range(3):
        refused = Connect(t, pair, server, "refused")
        t.check(refused.wait() not in (0, -signal.SIGKILL), "it was not refused")
        t.check("the relay already serves 3 sessions of this key (clients[].max_sessions)"
                in refused.log(), f"no reason: {refused.log()}")
    for connect in held:
        t.check(connect.echoes(b"still here"), f"it was ended: {connect.log()}")
        t.equal(connect.log(), "", "its log")
    t.equal(pair.relay.log().count("has taken its place"), 0, "sessions that gave way")
    # A session that ends makes room, however it ends.
    held[0].popen.stdin.close()
    t.equal(held[0].wait(), 0, "exit status")
    held[1].popen.send_signal(signal.SIGHUP)
    t.equal(held[1].wait(), 1, "exit status after SIGHUP")
    for _ in range(2):
        t.check(Connect(t, pair, server).echoes(b"hello"), "no place was free")


def test_seventeen_at_once(t):
    """By default a key may have 16: which of them comes too late is chance, but only one does."""
    pair, server = limited(t, None)
    all_of_them = [Connect(t, pair, server) for _ in range(17)]
    served = [connect for connect in all_of_them if connect.echoes(b"hello")]
    t.equal(len(served), 16, "sessions served")
    for connect in served:
        t.check(connect.echoes(b"still here"), f"it was ended: {connect.log()}")
    refused = next(connect for connect in all_of_them if connect not in served)
    t.check("16 sessions" in refused.log(), f"no reason: {refused.log()}")
    t.equal(pair.relay.log().count(" has ended: "), 0, "sessions that have ended")
    pair.relay.wait_output("a further session of test was refused: the relay already serves 16 ")


def test_through_a_running_local_it_takes_no_session(t):
    pair, server = limited(t, 1)
    pair.start_local()
    connects = [Connect(t, pair, server) for _ in range(5)]
    for connect in connects:
        t.check(connect.echoes(b"hello"), f"no echo: {connect.log()}")


def test_a_local_that_is_refused_waits_and_says_so(t):
    pair, server = limited(t, 1)
    held = Connect(t, pair, server)
    t.check(held.echoes(b"hello"), held.log())
    pair.start_local()
    t.equal(pair.reply("127.0.0.1", server.port), 1, "reply")
    why = "the relay already serves 1 session of this key (clients[].max_sessions)"
    pair.local.wait_output(r"the relay has closed the session: .*max_sessions\); the next is begun in")
    ending = json.loads(status(t, pair, "--json"))["session"]["ending"]
    t.equal(ending["code"], 3, "code of the ending")
    t.check(why in ending["reason"], f"ending {ending}")
    t.check(why in status(t, pair, "--explain"), "not explained")
    t.equal(pair.reply("127.0.0.1", server.port), 1, "reply while it waits")
    # No circle: the wait doubles from 2 s on.
    t.at_most(pair.relay.log().count(why), 4, "refusals")
    held.popen.stdin.close()
    t.equal(held.wait(), 0, "exit status")
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, 30, "the local to be served")
    t.equal(json.loads(status(t, pair, "--json"))["session"]["ending"], None, "ending")
    t.check(held.wait() == 0, "the first session was ended")


def test_a_key_that_is_removed(t):
    pair, server = t.pair(), t.server()
    s = pair.open("127.0.0.1", server.port)
    pair.relay_config["clients"] = []
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    why = "the relay does not list this key any more"
    pair.local.wait_output(f"the relay has closed the session: {why}; the next is begun in 2 s")
    t.check(why in status(t, pair, "--explain"), "not explained")
    t.equal(json.loads(status(t, pair, "--json"))["session"]["ending"]["code"], 2, "code")
    pair.relay.wait_output(rf"session [0-9a-f]+ of test has ended: {why}")
    s.close()
    # It goes on trying.
    pair.relay_config["clients"] = [{"name": "test", "public_key": pair.local_key}]
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 0, 40, "the local to be served again")


def refuse_key(t, pair):
    """Starts both sides, with a relay that does not list local's key, and asks for a stream."""
    pair.relay_config["clients"] = []
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    t.equal(pair.reply("127.0.0.1", 9), 1, "reply")
    t.check("does not answer (keys, clock, or another machine)" in pair.local.log(),
            "the stream's failure is not explained")


def test_a_key_that_is_not_listed(t):
    """When the application is told, the log and the status say the same, and go on saying it."""
    pair = t.pair(start=False)
    refuse_key(t, pair)
    words = f"{pair.dial_ports[0]} takes connections but does not answer"
    t.check(words in pair.local.log(), "the log does not say so")
    for _ in range(30):
        path = json.loads(status(t, pair, "--json"))["paths"][0]
        t.equal((path["state"], path["reason"], path["use"]), ("down", "unanswered", "down"), "path")
        text = status(t, pair, "--explain")
        t.check(words in text, f"not explained: {text}")
        t.check("being connected" not in text and "no connection was needed" not in text, text)
    pair.local.stop()
    refused = Connect(t, pair, t.server())
    t.equal(refused.wait(), 1, "exit status of connect")
    t.check(words in refused.log(), f"connect does not say so: {refused.log()}")
    pair.relay.wait_output("no answer to a client at 127.0.0.1:[0-9]+: its public key is not listed")


def test_a_key_that_is_not_listed_at_one_of_several_hosts(t):
    """Another host that refuses connections neither delays the explanation nor hides it."""
    pair = t.pair({"relay": {"host": ["127.0.0.1", "127.0.0.2"]}}, start=False)
    refuse_key(t, pair)
    for _ in range(30):
        text = status(t, pair, "--explain")
        t.check(f"default to 127.0.0.1: 127.0.0.1:{pair.dial_ports[0]} takes connections but does not answer"
                in text, text)
        t.check("default to 127.0.0.2: the relay's machine refuses connections" in text, text)


def test_nothing_fails_in_the_log_when_nothing_fails(t):
    """At a start, with streams, at reloads and stops: neither a warning nor a word of failure."""
    pair, server = t.pair(), t.server()
    for _ in range(3):
        t.equal(pair.fetch("127.0.0.1", server.port, b"x" * 100000), b"x" * 100000, "echo")
        for daemon in (pair.relay, pair.local):
            lines = daemon.log().count("\n")
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: daemon.log().count("\n") > lines, what="the reload")
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "after the reloads")
    pair.local.stop()
    pair.relay.stop()
    for daemon in (pair.local, pair.relay):
        for line in daemon.log().splitlines():
            t.check(not re.search(r"warning|error|cannot|does not|timed out|fail|reset|no contact", line),
                    f"{daemon.name}: {line}")


def test_a_relay_that_stops(t):
    pair, server = t.pair(), t.server()
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "before")
    pair.relay.stop()
    pair.local.wait_output("the relay has closed the session: the relay is being stopped$")
    pair.start_relay()
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "after the restart")


if __name__ == "__main__":
    harness.main(globals())
