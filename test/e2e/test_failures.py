#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stream that fails says why: to the SOCKS client, to the user of connect, and in both logs."""
import json
import os
import re
import signal
import socket
import subprocess

import harness
from fakedns import FakeDns
from harness import SPLITSOCKS


def connect(pair, host, port):
    return subprocess.run([SPLITSOCKS, "connect", "-c", pair.local_path, host, str(port)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60 * harness.SLOW)


def refused(pair, host, port):
    """The reply's code, and the address of the client that got it."""
    s, code = pair.connect(host, port, timeout=40)
    client = "%s:%d" % s.getsockname()
    s.close()
    return code, client


def test_a_relay_that_refuses_names_its_rule(t):
    pair = t.pair(relay={"destinations": {"allow": ..., "deny": ["192.0.32.0/24"]}})
    for host, block, kind in (("192.168.1.5", "192.168.0.0/16", "private use"),
                              ("127.0.0.1", "127.0.0.0/8", "loopback"),
                              ("::ffff:10.0.0.1", "10.0.0.0/8", "private use"),
                              ("fd12::1", "fc00::/7", "private use"),
                              ("fe80::1", "fe80::/10", "link-local"),
                              ("::1", "::1/128", "loopback")):
        code, client = refused(pair, host, 80)
        t.equal(code, 2, f"reply for {host}")
        allow = rf'\(.*{kind}.*"allow": \[ "{block}" \]'
        pair.local.wait_output(rf"from {client} to .*:80 failed: .*{block} {allow}")
        pair.relay.wait_output(rf"test: the stream to .*:80 was not opened: .*{block} {allow}")
    # Its own rules are the relay's secret; the local's log tells where to look.
    t.equal(refused(pair, "192.0.32.7", 80)[0], 2, "reply for what `deny` lists")
    pair.relay.wait_output(r'192\.0\.32\.7 is in 192\.0\.32\.0/24, which .*"destinations\.deny" lists')
    pair.local.wait_output(r"to 192\.0\.32\.7:80 failed: not allowed by the relay's rules .*its log names")


def test_the_line_that_the_logs_name_opens_the_way(t):
    server = t.server()
    pair = t.pair(relay={"destinations": ...})
    t.equal(refused(pair, "127.0.0.1", server.port)[0], 2, "reply before")
    line = pair.relay.wait_output(r'"destinations": (\{.*?\})')
    pair.relay_config["destinations"] = json.loads(line.group(1))
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    harness.wait_until(lambda: refused(pair, "127.0.0.1", server.port)[0] == 0,
                       what="the reload to open the way")


def test_a_refused_name_is_explained_where_it_is_resolved(t):
    """By the first of its addresses, at both ends."""
    dns = FakeDns(t, {"nas.test": ["10.1.2.3", "192.168.4.5"]})
    for where, words in (("local", r"10\.1\.2\.3 is in 10\.0\.0\.0/8"), ("relay", "its log names the rule")):
        pair = t.pair({"dns": {"resolve": where, "servers": [dns.server]}},
                      {"destinations": ..., "dns": {"servers": [dns.server]}}, name=where)
        t.equal(refused(pair, "nas.test", 80)[0], 2, f"reply, resolved at {where}")
        pair.local.wait_output(r"to nas\.test:80 failed: not allowed by the relay's rules.*" + words)
        pair.relay.wait_output(r"the stream to .* was not opened: 10\.1\.2\.3 is in 10\.0\.0\.0/8")


def test_replies_follow_rfc_1928(t):
    dns = FakeDns(t, {"gone.test": []})
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", harness.free_port()))
    closed = harness.free_port()
    for where in ("local", "relay"):
        pair = t.pair({"dns": {"resolve": where, "servers": [dns.server]},
                       "rules": [{"host": "blocked.test", "action": "block"},
                                 {"cidr": "127.0.0.3", "action": "direct"}]},
                      {"dns": {"servers": [dns.server]}}, name=where)
        for host, port, code, words in (
                ("127.0.0.1", closed, 5, "connection refused"),
                ("127.0.0.3", closed, 5, "connection refused"),
                ("no-such.test", 80, 4, "name not found"),
                ("blocked.test", 80, 2, r"not allowed by rules\[0\]")):
            found, client = refused(pair, host, port)
            t.equal(found, code, f"reply for {host}:{port}, resolved at {where}")
            pair.local.wait_output(rf"the stream from {client} to {host}:{port} failed: {words}")
    broken = "127.0.0.1:%d" % silent.getsockname()[1]
    pair = t.pair({"dns": {"servers": [broken]}}, name="broken")
    t.equal(refused(pair, "any.test", 80)[0], 4, "reply when no server answers")
    silent.close()


def test_connect_says_whose_fault_it_is(t):
    pair = t.pair(local={"rules": [{"port": 81, "action": "block"}]}, relay={"destinations": ...})
    relayless = t.pair(start=False, name="relayless")
    relayless.start_local()
    for side, host, port, words in (
            (pair, "192.168.1.5", 22, "not allowed by the relay's rules for destinations: "
             "192.168.1.5 is in 192.168.0.0/16 (private use"),
            (pair, "192.0.32.7", 81, "not allowed by a rule of local's configuration"),
            (relayless, "192.0.32.7", 22, "the relay cannot be reached")):
        result = connect(side, host, port)
        t.equal(result.returncode, 1, f"exit status for {host}")
        t.check(f"cannot connect to {host} port {port}: {words}" in result.stderr, result.stderr)


def test_a_relay_that_has_gone(t):
    """Killed, or stopped in good order, after it was there: a stream that is asked for fails in
    seconds, the first one too, which nothing had told yet; one that is open waits."""
    server, waiting = t.server(), []
    for end in "kill", "stop":
        pair = t.pair(name=end)
        pair.open("127.0.0.1", server.port).close()
        if end == "kill":
            opened = pair.open("127.0.0.1", server.port)
            pair.relay.kill()
        else:
            pair.relay.stop()
        for _ in range(2):
            client = harness.socks_dial(pair.socks_port, 40)
            client.sendall(b"\5\1\0" + harness.socks_request("127.0.0.1", server.port))
            harness.recv_exactly(client, 2)
            waiting.append((end, pair, client))
    for end, pair, client in waiting:
        t.equal(harness.socks_reply(client)[0], 1, f"reply after {end}")
        pair.local.wait_output("failed: the relay cannot be reached")
        client.close()
    with opened:
        opened.settimeout(0.1)
        try:
            t.check(opened.recv(1), "the stream that was open has ended")
        except TimeoutError:
            pass


def test_a_relay_whose_name_cannot_be_resolved(t):
    """It is told once, however often it is tried, and explained."""
    dns = FakeDns(t, {"gone.test": []})
    pair = t.pair({"relay": {"host": "gone.test"}, "dns": {"servers": [dns.server]}}, start=False)
    pair.start_local()
    words = "cannot resolve the relay's name gone.test: not found"
    t.equal(refused(pair, "192.0.32.7", 80)[0], 1, "reply")
    t.equal(pair.local.log().count(f"warning: {words}"), 1, "warnings")
    t.check(pair.local.log().count(words) > 1, "it was tried once only")
    explained = subprocess.run([SPLITSOCKS, "status", "--explain", "-c", pair.local_path], text=True,
                               env={**os.environ, "XDG_RUNTIME_DIR": t.directory},
                               stdout=subprocess.PIPE).stdout
    t.check(f"default: connections fail at once: {words}" in explained, explained)


def test_log_lines_carry_a_time_outside_the_journal(t):
    """The journal notes the time by itself; a terminal reads none of connect's few words."""
    pair = t.pair()
    for daemon in pair.local, pair.relay:
        daemon.wait_output(r"session [0-9a-f]{16}")
        for line in daemon.log().splitlines():
            t.check(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d splitsocks: \w+: ", line), line)
    t.check("\nsplitsocks: error: cannot connect" in "\n" + connect(pair, "127.0.0.1", 1).stderr,
            "connect's line")
    with open(t.path("journal"), "w") as journal:
        status = os.fstat(journal.fileno())
        done = subprocess.run([SPLITSOCKS, "relay", "-c", t.path("none.json")], stderr=journal,
                              env=dict(os.environ, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}"))
    t.equal(done.returncode, 2, "exit status without a configuration")
    with open(t.path("journal")) as journal:
        lines = journal.read().splitlines()
    t.check(lines and all(line.startswith("splitsocks: ") for line in lines), lines)


if __name__ == "__main__":
    harness.main(globals())
