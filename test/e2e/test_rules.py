#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listeners that forward, and rules: connections go through the relay, past it, or nowhere."""
import signal
import socket
import subprocess
import threading

import harness
from fakedns import FakeDns
from harness import (SPLITSOCKS, Failure, free_port, full, need, recv_all, recv_exactly, socks_dial,
                     socks_reply, socks_request, wait_until)
from test_curl import curl
from test_ssh import run, start_sshd
from test_status import document
from web import Web, sample

REFUSED, NOT_ALLOWED, HOST_UNREACHABLE = 5, 2, 4


def make_pair(t, rules=(), forwards=(), local=None, relay=None, **options):
    """A pair with these rules, and the listeners `forwards`, each but for protocol and port; their
    ports are pair.ports."""
    pair = t.pair(local, relay, start=False, **options)
    pair.ports = [free_port() for _ in forwards]
    pair.local_config["listen"] += [{"protocol": "forward", "port": port, **forward}
                                    for port, forward in zip(pair.ports, forwards)]
    pair.local_config["rules"] = list(rules)
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    return pair


# The relay refuses everything on this machine then: a connection that arrives has gone past it.
CLOSED = {"destinations": {"allow": []}}


def dial(port):
    return socks_dial(port)


def exchange(port, data):
    with dial(port) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return recv_all(s)


def expect_reset(t, port, what):
    """The connection is accepted and then reset, perhaps before connecting has returned."""
    try:
        with dial(port) as s:
            data = s.recv(1)
    except ConnectionResetError:
        return
    raise Failure(f"{what}: read {data!r} instead of a reset")


# ---- forward listeners ----

def test_forward_and_curl(t):
    web = Web(t, {"/": (sample(full(2, 20) << 20), "text/plain")})
    web6 = Web(t, {"/": (b"six", "text/plain")}, "::1")
    pair = make_pair(t, forwards=[{"to": f"127.0.0.1:{web.port}"}, {"to": f"[::1]:{web6.port}"},
                                  {"to": f"localhost:{web.port}", "address": "::1"}])
    t.check(curl(t, f"http://127.0.0.1:{pair.ports[0]}/") == sample(full(2, 20) << 20), "page differs")
    t.equal(curl(t, f"http://127.0.0.1:{pair.ports[1]}/"), b"six", "the page at ::1")
    t.check(curl(t, "-g", f"http://[::1]:{pair.ports[2]}/") == sample(full(2, 20) << 20), "page differs")
    t.check({pair.socks_port, *pair.ports} <= set(pair.local.ports()), pair.local.ready_line)


def test_forward_and_ssh(t):
    port, options = start_sshd(t)
    pair = make_pair(t, forwards=[{"to": f"127.0.0.1:{port}", "mode": "redundant"}])
    words = [need("ssh"), *options, "-o", f"HostKeyAlias=[127.0.0.1]:{port}", "-p", str(pair.ports[0]),
             "127.0.0.1"]
    t.equal(run(t, [*words, "echo", "$((6 * 7))"]), b"42\n", "output of a command")
    data = sample(full(1, 16) << 20)
    t.check(run(t, [*words, "cat"], input=data) == data, "data came back changed")


def test_forward_each_direction_ends_by_itself(t):
    def count(client):
        data = recv_all(client)
        client.sendall(f"{len(data)} bytes".encode())
    server = t.server(count)
    pair = make_pair(t, forwards=[{"to": f"127.0.0.1:{server.port}"}])
    t.equal(exchange(pair.ports[0], bytes(3000000)), b"3000000 bytes", "what came after the end")


def test_forward_when_the_server_speaks_first(t):
    server = t.server(lambda client: (client.sendall(b"220 hello\r\n"), client.recv(1)))
    pair = make_pair(t, forwards=[{"to": f"127.0.0.1:{server.port}"}])
    with dial(pair.ports[0]) as s:
        t.equal(recv_exactly(s, 11), b"220 hello\r\n", "greeting")


def test_forward_resets_when_it_cannot_connect(t):
    dns = FakeDns(t, {})
    pair = make_pair(t, forwards=[{"to": f"127.0.0.1:{free_port()}"}, {"to": "none.test:1"}],
                     local={"dns": {"servers": [dns.server]}})
    expect_reset(t, pair.ports[0], "a port that is closed")
    expect_reset(t, pair.ports[1], "a name that is not there")


def test_forward_names_are_looked_up_each_time(t):
    server = t.server()
    for where in ("local", "relay"):
        dns = FakeDns(t, {"here.test": ["127.0.0.1"]})
        servers = {"servers": [dns.server]}
        pair = make_pair(t, forwards=[{"to": f"here.test:{server.port}"}],
                         local={"dns": {"resolve": where, **(servers if where == "local" else {})}},
                         relay={"dns": servers} if where == "relay" else None, name=where)
        t.equal(exchange(pair.ports[0], b"hello"), b"hello", where)
        dns.table["here.test"] = []
        expect_reset(t, pair.ports[0], f"{where}: a name without addresses")


# ---- actions ----

def test_direct_goes_past_the_relay(t):
    dns = FakeDns(t, {"direct.test": ["127.0.0.1"], "proxied.test": ["127.0.0.1"]})
    server, server6 = t.server(), t.server(host="::1")
    pair = make_pair(t, [{"host": "direct.test", "action": "direct"}, {"cidr": "::1", "action": "direct"}],
                     local={"dns": {"servers": [dns.server]}}, relay=CLOSED)
    t.equal(pair.fetch("direct.test", server.port, b"hello"), b"hello", "by name")
    t.equal(pair.fetch("Direct.TEST.", server.port, b"hello"), b"hello", "by name, in another spelling")
    t.equal(pair.fetch("::1", server6.port, b"hello"), b"hello", "by address")
    t.equal(pair.connect("proxied.test", server.port)[1], NOT_ALLOWED, "reply through the relay")
    t.equal(pair.connect("127.0.0.1", server.port)[1], NOT_ALLOWED, "reply through the relay")
    t.equal(pair.connect("direct.test", free_port())[1], REFUSED, "reply of a closed port")
    data = sample(full(8, 100) << 20)
    with pair.open("direct.test", server.port) as s:
        t.check(both_ways(s, data) == data, "data came back changed")


def both_ways(s, data):
    """Writes all and reads all at the same time."""
    def write():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    back = recv_all(s)
    writer.join(60 * harness.SLOW)
    return back


def test_direct_needs_no_relay(t):
    server = t.server()
    pair = t.pair({"rules": [{"cidr": "127.0.0.0/8", "action": "direct"}]}, start=False)
    pair.start_local()
    t.equal(pair.fetch("127.0.0.1", server.port, b"hello"), b"hello", "without a relay")
    # A client that does not wait for the reply before it sends.
    with dial(pair.socks_port) as s:
        s.sendall(b"\5\1\0" + socks_request("127.0.0.1", server.port) + b"early")
        s.shutdown(socket.SHUT_WR)
        recv_exactly(s, 2)
        t.equal(socks_reply(s)[0], 0, "reply")
        t.equal(recv_all(s), b"early", "what came back")


def test_direct_looks_names_up_here_even_if_the_relay_does(t):
    dns = FakeDns(t, {"direct.test": ["127.0.0.1"]})
    server = t.server()
    pair = make_pair(t, [{"host": "*.test", "action": "direct"}], relay=CLOSED,
                     local={"dns": {"resolve": "relay", "servers": [dns.server]}})
    t.equal(pair.fetch("direct.test", server.port, b"hello"), b"hello", "by name")
    t.equal(pair.connect("none.test", server.port)[1], HOST_UNREACHABLE, "reply for no such name")


def test_block(t):
    dns = FakeDns(t, {"ads.test": ["127.0.0.1"], "good.test": ["127.0.0.1"]})
    server, other = t.server(), t.server()
    pair = make_pair(t, [{"host": ["*.ads.test", "ads.test"], "action": "block"},
                         {"port": other.port, "action": "block"},
                         {"listener": "closed", "action": "block"}],
                     [{"name": "closed", "to": f"127.0.0.1:{server.port}"}],
                     local={"dns": {"servers": [dns.server]}})
    for host in ("ads.test", "x.ADS.test"):
        t.equal(pair.connect(host, server.port)[1], NOT_ALLOWED, f"reply for {host}")
    t.equal(dns.queries["udp"], 0, "questions about blocked names")
    for host in ("127.0.0.1", "good.test"):
        t.equal(pair.connect(host, other.port)[1], NOT_ALLOWED, f"reply for a blocked port of {host}")
    expect_reset(t, pair.ports[0], "a forward listener that is blocked")
    t.equal(server.accepted + other.accepted, 0, "connections")
    t.equal(pair.fetch("good.test", server.port, b"hello"), b"hello", "what is not blocked")


def test_addresses_of_names(t):
    """A rule that looks at addresses sees those of a name only where it is looked up here, and
    never reopens what an earlier rule has decided by the name."""
    dns = FakeDns(t, {"inside.test": ["127.0.0.1"], "first.test": ["127.0.0.1"]})
    server = t.server()
    rules = [{"host": "first.test", "action": "direct"}, {"cidr": "127.0.0.0/8", "action": "block"},
             {"host": "*.test", "action": "direct"}]
    for where, code in (("local", NOT_ALLOWED), ("relay", 0)):
        pair = make_pair(t, rules, relay=CLOSED, name=where,
                         local={"dns": {"resolve": where, "servers": [dns.server]}})
        t.equal(pair.connect("inside.test", server.port)[1], code, f"reply for inside.test, {where}")
        t.equal(pair.connect("127.0.0.1", server.port)[1], NOT_ALLOWED, f"reply for the address, {where}")
        t.equal(pair.connect("first.test", server.port)[1], 0, f"reply for first.test, {where}")


# ---- policies ----

def test_modes_copies_and_paths(t):
    """The rule's word counts before the listener's, and that before the file's."""
    origin = t.server()
    other = t.server()
    pair = make_pair(
        t, [{"port": other.port, "mode": "redundant", "paths": "b"}, {"listener": "l", "copies": 2}],
        [{"name": "l", "to": f"127.0.0.1:{origin.port}", "mode": "split", "paths": ["a", "b"]},
         {"to": f"127.0.0.1:{origin.port}", "copies": 3}],
        local={"mode": "auto", "paths": [{"name": "a", "source": "127.0.0.1"},
                                         {"name": "b", "source": "127.0.0.2"}]})
    t.equal(pair.fetch("127.0.0.1", origin.port, b"1"), b"1", "without a rule")
    t.equal(pair.fetch("127.0.0.1", other.port, b"2"), b"2", "by a rule")
    t.equal(exchange(pair.ports[0], b"3"), b"3", "by a listener and a rule")
    t.equal(exchange(pair.ports[1], b"4"), b"4", "by a listener")
    chosen = [line.partition(": ")[2] for line in pair.local.log().splitlines() if ", mode " in line]
    t.note("\n".join(chosen))
    wanted = [f"127.0.0.1:{origin.port}: no rule: proxy, mode auto",
              f"127.0.0.1:{other.port}: rules[0]: proxy, mode redundant, path 1",
              f"127.0.0.1:{origin.port}: rules[1]: proxy, mode split, 2 copies, path 0, path 1",
              f"127.0.0.1:{origin.port}: no rule: proxy, mode auto, 3 copies"]
    for line, text in zip(chosen, wanted, strict=True):
        t.check(line.endswith(text), f"the log says {line!r}, not {text!r}")


def test_status_tells_what_rules_have_chosen(t):
    server, other = t.server(), t.server()
    pair = make_pair(t, [{"port": other.port, "mode": "redundant", "copies": 2, "paths": ["b"]}],
                     local={"control": "control.sock",
                            "paths": [{"name": "a", "source": "127.0.0.1"},
                                      {"name": "b", "source": "127.0.0.2"}]})
    with pair.open("127.0.0.1", server.port), pair.open("127.0.0.1", other.port):
        streams = {stream["destination"]: (stream["mode"], stream["copies"], stream["paths"])
                   for stream in document(t, pair)["streams"]}
    t.equal(streams, {f"127.0.0.1:{server.port}": ("split", None, None),
                      f"127.0.0.1:{other.port}": ("redundant", 2, ["b"])}, "streams")


# ---- life ----

def reload(pair):
    count = pair.local.log().count("the configuration was read again")
    pair.write_configs()
    pair.local.signal(signal.SIGHUP)
    wait_until(lambda: pair.local.log().count("the configuration was read again") > count, what="a reload")


def test_reload(t):
    """New connections follow the new rules, old ones go on, and a port changes its protocol."""
    server = t.server()
    pair = make_pair(t, [{"cidr": "127.0.0.1", "action": "direct"}],
                     [{"to": f"127.0.0.1:{server.port}"}], relay=CLOSED)
    with pair.open("127.0.0.1", server.port) as old, dial(pair.ports[0]) as forwarded:
        for s in (old, forwarded):
            s.sendall(b"before")
            t.equal(recv_exactly(s, 6), b"before", "a stream before the reload")
        pair.local_config["rules"] = [{"listener": "second", "action": "direct"}]
        pair.local_config["listen"][0].update(protocol="forward", to=f"127.0.0.1:{server.port}")
        pair.local_config["listen"][1] = {"name": "second", "port": pair.ports[0]}
        reload(pair)
        # The listener that forwards now has no rule, and the relay refuses.
        expect_reset(t, pair.socks_port, "a forward listener without a rule")
        with dial(pair.ports[0]) as s:
            s.sendall(b"\5\1\0" + socks_request("127.0.0.1", server.port) + b"after")
            recv_exactly(s, 2)
            t.equal(socks_reply(s)[0], 0, "reply of the listener that speaks SOCKS now")
            t.equal(recv_exactly(s, 5), b"after", "a stream after the reload")
        pair.local_config["rules"].append({"listener": "third"})
        pair.write_configs()
        pair.local.signal(signal.SIGHUP)
        wait_until(lambda: "the configuration stays as it was" in pair.local.log(), what="a refusal")
        t.check('found "third", which is the name of no listener; allowed: "second"' in pair.local.log(),
                "the log does not say what is wrong")
        for s in (old, forwarded):
            s.sendall(b"still")
            t.equal(recv_exactly(s, 5), b"still", "a stream after the reload")
            s.shutdown(socket.SHUT_WR)
            t.equal(recv_all(s), b"", "the end")


def test_sigterm_waits_for_direct_streams(t):
    server = t.server()
    pair = make_pair(t, [{"action": "direct"}])
    with pair.open("127.0.0.1", server.port) as s:
        s.sendall(b"before")
        recv_exactly(s, 6)
        pair.local.signal(signal.SIGTERM)
        pair.local.wait_output("stopping")
        s.sendall(b"after")
        t.equal(recv_exactly(s, 5), b"after", "a stream after SIGTERM")
    t.equal(pair.local.wait(), 0, "exit status")


def connect(t, pair, port, *, good=True):
    result = subprocess.run([SPLITSOCKS, "connect", "-c", pair.local_path, "127.0.0.1", str(port)],
                            input=b"hello", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=60 * harness.SLOW)
    t.equal(result.returncode == 0, good, f"success of connect ({result.stderr.decode()})")
    return result


def test_connect_obeys_the_rules(t):
    """By a session of its own, where rules of a listener do not count; and through a local, whose
    listeners that forward are none for it."""
    server, closed = t.server(), t.server()
    pair = t.pair({"rules": [{"port": closed.port, "action": "block"},
                             {"listener": "never", "action": "block"}, {"action": "direct"}]},
                  CLOSED, start=False)
    pair.local_config["listen"] = [{"protocol": "forward", "port": free_port(), "name": "never",
                                    "to": f"127.0.0.1:{closed.port}"}]
    pair.write_configs()
    t.equal(connect(t, pair, server.port).stdout, b"hello", "by itself")
    t.check(b"not allowed" in connect(t, pair, closed.port, good=False).stderr, "no word of the rules")
    pair.local_config["listen"].append({"port": pair.socks_port})
    pair.write_configs()
    pair.start_local()
    t.equal(connect(t, pair, server.port).stdout, b"hello", "through a local")
    t.check(b"not allowed" in connect(t, pair, closed.port, good=False).stderr, "no word of the rules")
    t.check("rules[2]: direct" in pair.local.log(), "the running local was not used")
    t.equal(closed.accepted, 0, "connections to what is blocked")


if __name__ == "__main__":
    harness.main(globals())
