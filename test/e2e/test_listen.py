#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Addresses to listen on: those that move at a reload, and those that are not there yet."""
import contextlib
import json
import signal
import socket
import subprocess

import harness
from harness import SPLITSOCKS, free_port, wait_until

HERE = "192.0.2.77"
LATER = "192.0.2.78"
LATER6 = "2001:db8::78"


def reload(t, pair, word):
    pair.write_configs()
    lines = pair.local.log().count(word)
    pair.local.signal(signal.SIGHUP)
    wait_until(lambda: pair.local.log().count(word) > lines, what=f"'{word}' from local")


def socks_echo(address, port, server):
    """Whether a SOCKS client at this address of local is served."""
    try:
        s, code = harness.socks_connect(port, "127.0.0.1", server.port, proxy=address)
    except OSError:
        return False
    with s:
        s.sendall(b"x")
        return code == 0 and s.recv(1) == b"x"


def test_a_reload_changes_passwords(t):
    """They count for a client that has begun before, at whatever message it is; one whose names
    and passwords stay as they are, and open connections, go on."""
    def begin(port, name, password=None):
        s = harness.socks_dial(port)
        s.sendall(b"\5\1\2")
        t.equal(harness.recv_exactly(s, 2), b"\5\2", "method")
        if password is not None:
            give(s, name, password)
        return s

    def give(s, name, password):
        s.sendall(bytes([1, len(name)]) + name + bytes([len(password)]) + password)
        t.equal(harness.recv_exactly(s, 2), b"\1\0", "answer to a password")

    def echo(s):
        s.sendall(harness.socks_request("127.0.0.1", server.port))
        t.equal(harness.socks_reply(s)[0], 0, "reply")
        s.sendall(b"x")
        t.equal(s.recv(1), b"x", "echoed")

    server = t.server()
    changing, staying = free_port(), free_port()
    pair = t.pair({"listen": [{"port": changing, "users": {"ann": "old"}},
                              {"port": staying, "users": {"ann": "same"}}]})
    opened = begin(changing, b"ann", b"old")
    echo(opened)
    cut = [begin(changing, b"ann"), begin(changing, b"ann", b"old")]
    kept = [begin(staying, b"ann"), begin(staying, b"ann", b"same")]
    pair.local_config["listen"][0]["users"]["ann"] = "new"
    reload(t, pair, "read again")
    for s in cut:
        t.equal(s.recv(1), b"", "of a negotiation with other passwords")
    give(kept[0], b"ann", b"same")
    for s in kept:
        echo(s)
    opened.sendall(b"y")
    t.equal(opened.recv(1), b"y", "echoed on an open connection")
    echo(begin(changing, b"ann", b"new"))


def test_a_reload_moves_a_listener(t):
    """From loopback to one address of the machine, to all, and back; while streams go on."""
    netns = t.netns("n")
    netns.ip(f"addr add {HERE}/32 dev lo")
    with netns.inside():
        server = t.server()
        pair = t.pair(local_netns=netns, relay_netns=netns)
        held = pair.open("127.0.0.1", server.port)
        listener = pair.local_config["listen"][0]
        for address, served, refused in (
                ("0.0.0.0", ("127.0.0.1", HERE), ()), ("127.0.0.1", ("127.0.0.1",), (HERE,)),
                (HERE, (HERE,), ("127.0.0.1",)), ("0.0.0.0", ("127.0.0.1", HERE), ()),
                (HERE, (HERE,), ("127.0.0.1",))):
            listener["address"] = address
            reload(t, pair, "read again")
            for client in served:
                t.check(socks_echo(client, pair.socks_port, server), f"{client} with {address}")
            for client in refused:
                t.check(not socks_echo(client, pair.socks_port, server), f"{client} with {address}")
        # The same for IPv6.
        listener["address"] = "::1"
        reload(t, pair, "read again")
        listener["address"] = "::"
        reload(t, pair, "read again")
        t.check(socks_echo("::1", pair.socks_port, server), "::1 with ::")
        held.sendall(b"still here")
        t.equal(harness.recv_exactly(held, 10), b"still here", "a stream from before")
        held.close()


def test_a_reload_that_cannot_have_all(t):
    """Whatever has made way is listened on again."""
    netns = t.netns("n")
    with netns.inside():
        server, taken = t.server(), t.server()
        pair = t.pair(local_netns=netns, relay_netns=netns)
        first = pair.local_config["listen"][0]
        for second in ({"address": "127.0.0.1", "port": taken.port},  # another program's
                       {"address": "127.0.0.1", "port": pair.socks_port}):  # excludes the first
            pair.local_config["listen"] = [{**first, "address": "0.0.0.0"}, second]
            reload(t, pair, "stays as it was")
            t.check(socks_echo("127.0.0.1", pair.socks_port, server), "the old listener")
        pair.local_config["listen"] = [{**first, "address": "0.0.0.0"}]
        reload(t, pair, "read again")
        t.check(socks_echo("127.0.0.1", pair.socks_port, server), "the new listener")


def test_listeners_that_exclude_each_other(t):
    """The start says that the configuration itself has the port twice, and not another program."""
    pair, port = t.pair(start=False), free_port()
    for one, other in (("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "::1")):
        pair.local_config["listen"] = [{"address": one, "port": port}, {"address": other, "port": port}]
        pair.relay_config["listen"] = [{"address": one, "ports": [port]},
                                       {"address": other, "ports": [port]}]
        pair.write_configs()
        for role, path in (("local", pair.local_path), ("relay", pair.relay_path)):
            result = subprocess.run([SPLITSOCKS, role, "-c", path], text=True,
                                    stderr=subprocess.PIPE, timeout=20 * harness.SLOW)
            t.equal(result.returncode, 1, f"status of {role} ({result.stderr})")
            t.check("this configuration listens on too" in result.stderr, result.stderr)


def listens(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port)):
        return True
    return False


def status(t, pair, *words):
    result = subprocess.run([SPLITSOCKS, "status", "-c", pair.local_path, *words], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={"XDG_RUNTIME_DIR": t.directory})
    t.equal(result.returncode, 0, f"status of status ({result.stderr})")
    return result.stdout


def test_the_queue_is_as_long_as_the_machine_allows(t):
    """Thousands of connections at once wait in it; where it overflows, clients wait for seconds."""
    netns = t.netns("n")
    netns.sysctl("net.core.somaxconn", 23456)
    pair = t.pair(local_netns=netns, relay_netns=netns)
    lines = netns.run([harness.need("ss"), "-ltnH"]).splitlines()
    queues = {int(line.split()[3].rpartition(":")[2]): int(line.split()[2]) for line in lines}
    for port in (pair.socks_port, pair.relay_ports[0]):
        t.equal(queues.get(port), 23456, f"the queue of port {port}")


def test_addresses_that_are_not_there_yet(t):
    """Of both sides; they serve there as soon as the machine has the address."""
    netns = t.netns("n")
    port = free_port()
    with netns.inside():
        server = t.server()
        pair = t.pair({"relay": {"host": LATER}}, {"listen": ...}, start=False, local_netns=netns,
                      relay_netns=netns)
        pair.relay_config["listen"] = [{"address": LATER, "ports": pair.relay_ports},
                                       {"address": LATER6, "ports": pair.relay_ports}]
        pair.local_config["listen"] += [{"address": LATER, "port": port},
                                        {"address": LATER6, "port": port}]
        pair.write_configs()
        for daemon in (pair.start_relay(), pair.start_local()):
            for address in (LATER, LATER6):
                daemon.wait_output(f"{address}.* is no address of this machine now")
        document = json.loads(status(t, pair, "--json"))
        t.equal([listener["absent"] for listener in document["listeners"]], [False, True, True],
                "the listeners that are absent")
        t.check(f"Nobody can connect to {LATER}:{port}" in status(t, pair, "--explain"), "words")
        t.check(listens("127.0.0.1", pair.socks_port), "the other listener is not served")
        t.check(not listens(LATER, port), "an address that is not there")
        netns.ip(f"addr add {LATER}/32 dev lo")
        netns.ip(f"addr add {LATER6}/128 dev lo nodad")
        for address in ("127.0.0.1", LATER, LATER6):
            wait_until(lambda: socks_echo(address, pair.socks_port if address == "127.0.0.1"
                                          else port, server), 30, f"{address} to be served")
        pair.local.wait_output(f"{LATER}:{port} is there now")
        t.check("Nobody" not in status(t, pair, "--explain"), "words about what is there")


if __name__ == "__main__":
    harness.main(globals())
