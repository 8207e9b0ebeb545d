#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kernels that lack socket options: the program warns, and does without those that only tune."""
import re
import signal
import socket
import subprocess

import harness

TUNE = ["SO_REUSEADDR", "SO_KEEPALIVE", "SO_RCVBUF", "IP_BIND_ADDRESS_NO_PORT", "IPV6_V6ONLY", "TCP_NODELAY",
        "TCP_DEFER_ACCEPT", "TCP_NOTSENT_LOWAT", "TCP_USER_TIMEOUT", "TCP_CONGESTION",
        "TCP_INFO", "SIOCOUTQ"]
OTHERS = ["SO_LINGER", "TCP_MAXSEG", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT",
          "SIOCOUTQNSD"]
DATA = bytes(range(256)) * 4096


def lacking(words):
    """The program that hides these from another; skips the test where that cannot be done."""
    under = [harness.tool("lacking"), ",".join(words)]
    if subprocess.run([*under, "true"], stderr=subprocess.DEVNULL).returncode == 77:
        raise harness.Skip("system calls cannot be filtered here")
    return under


def make_pair(t, words, name, local=None, relay=None):
    """Both sides on such a kernel, with a source address and a wished congestion control."""
    under = lacking(words)
    pair = t.pair({"paths": [{"source": "127.0.0.1"}], "congestion_control": "reno",
                   "rules": [{"cidr": "127.0.0.2", "action": "direct"}], **(local or {})},
                  {"congestion_control": "reno", **(relay or {})}, name=name, start=False)
    pair.relay = t.daemon("relay", pair.relay_path, name=f"relay{name}", under=under)
    pair.local = t.daemon("local", pair.local_path, name=f"local{name}", under=under)
    return pair


def warnings(daemon, word):
    return len(re.findall(rf"warning: the kernel does not take .*\b{word}\b", daemon.log()))


def transfer(t, pair, name):
    servers = t.server(), t.server(host="127.0.0.2")  # the second one is connected to directly
    for server, host in zip(servers, ("127.0.0.1", "127.0.0.2")):
        t.check(pair.fetch(host, server.port, DATA) == DATA, f"{name}: {host}")


def test_each_option_can_be_missing(t):
    for number, word in enumerate(TUNE + OTHERS):
        # The relay listens on :: too where that option is missed.
        pair = make_pair(t, [word], str(number),
                         relay={"listen": [{"ports": [harness.free_port()]}]}
                         if word == "IPV6_V6ONLY" else None)
        if word == "IPV6_V6ONLY":
            continue  # started, which is what could fail; see below
        transfer(t, pair, word)
        if word == "SO_KEEPALIVE":  # only connections that last get it
            with pair.open("127.0.0.1", t.server().port):
                harness.wait_until(lambda: warnings(pair.local, word) and warnings(pair.relay, word),
                                   20, "the warnings of a connection that lasts")
        told = max(warnings(pair.local, word), warnings(pair.relay, word))
        t.check(told == 1 or (word in OTHERS and told == 0), f"{told} warnings of {word}")
        for daemon in (pair.local, pair.relay):
            daemon.stop()


def test_all_options_can_be_missing(t):
    pair = make_pair(t, TUNE + OTHERS, "")
    for _ in range(2):
        transfer(t, pair, "everything")
    for daemon in (pair.local, pair.relay):
        for word in TUNE + OTHERS:
            t.check(warnings(daemon, word) <= 1, f"{word} is warned of more than once")


def test_a_path_that_asks_for_an_interface_gets_it_or_nothing(t):
    server = t.server()
    pair = make_pair(t, ["SO_BINDTODEVICE"], "", {"paths": [{"interface": "lo"}], "linger": "2s"})
    pair.local.wait_output(r"\blo\b.*(cannot|not )", 10)
    s = harness.socks_dial(pair.socks_port)
    s.sendall(b"\5\1\0" + harness.socks_request("127.0.0.1", server.port))
    s.settimeout(1)
    try:
        t.check(len(s.recv(64)) <= 2, "the stream went another way")
    except socket.timeout:
        pass
    t.equal(server.accepted, 0, "connections that went another way")


def test_listeners_of_both_families_without_v6only(t):
    """In either order; each client gets the listener of its own family, with its terms."""
    server = t.server()
    for first in ("0.0.0.0", "::"):
        second = "::" if first == "0.0.0.0" else "0.0.0.0"
        port, relay_port = harness.free_port(), harness.free_port()
        users = {"0.0.0.0": None, "::": {"ann": "secret"}}
        pair = make_pair(t, ["IPV6_V6ONLY"], "6" if first == "::" else "4",
                         {"listen": [{"address": address, "port": port, "users": users[address]}
                                     for address in (first, second)],
                          "relay": {"host": ["::1", "127.0.0.1"], "ports": [relay_port]},
                          "paths": None},
                         {"listen": [{"ports": [relay_port]}]})
        pair.socks_port = port
        t.check(pair.fetch("127.0.0.1", server.port, DATA) == DATA, "over IPv4")
        with harness.socks_dial(port, proxy="::1") as s:
            s.sendall(b"\5\1\0")
            t.equal(harness.recv_exactly(s, 2), b"\5\xff", "the method of the listener on ::")
        for daemon in (pair.local, pair.relay):
            daemon.stop()


def test_reloads_without_v6only(t):
    """A listener moves to :: and back, and gets 0.0.0.0 beside it."""
    server = t.server()
    pair = make_pair(t, ["IPV6_V6ONLY"], "")
    port = pair.socks_port
    for addresses in (["127.0.0.1"], ["::"], ["::", "0.0.0.0"], ["::1", "127.0.0.1"], ["::"],
                      ["127.0.0.1"]):
        pair.local_config["listen"] = [{"address": address, "port": port} for address in addresses]
        pair.write_configs()
        lines = pair.local.log().count("was read again")
        pair.local.signal(signal.SIGHUP)
        harness.wait_until(lambda: pair.local.log().count("was read again") > lines, 10,
                           f"a reload with {addresses}")
        for address in {"::": ["::1"], "0.0.0.0": ["127.0.0.1"]}.get(addresses[-1], addresses):
            s, code = harness.socks_connect(port, "127.0.0.1", server.port, proxy=address)
            s.close()
            t.equal(code, 0, f"reply at {address} with {addresses}")


def test_a_lone_listener_on_ipv6_stays_closed_to_ipv4(t):
    port = harness.free_port()
    pair = make_pair(t, ["IPV6_V6ONLY"], "", {"listen": [{"address": "::", "port": port}]})
    with harness.socks_dial(port) as s:
        s.sendall(b"\5\1\0")
        try:
            t.equal(s.recv(2), b"", "an answer over IPv4")
        except ConnectionResetError:
            pass
    with harness.socks_dial(port, proxy="::1") as s:
        s.sendall(b"\5\1\0")
        t.equal(harness.recv_exactly(s, 2), b"\5\0", "the answer over IPv6")
    t.check(pair.local.running(), "local has ended")


def test_an_absent_address_that_the_kernel_cannot_wait_for(t):
    pair = t.pair({"listen": [{"address": "192.0.2.77", "port": harness.free_port()}]}, start=False)
    result = subprocess.run([*lacking(["IP_FREEBIND"]), harness.SPLITSOCKS, "local", "-c",
                             pair.local_path], text=True, stderr=subprocess.PIPE,
                            timeout=20 * harness.SLOW)
    t.equal(result.returncode, 1, f"exit status ({result.stderr})")
    t.check("does not have that address now" in result.stderr, result.stderr)


def test_netlink_that_is_forbidden_after_it_was_bound(t):
    """As in some containers and on Android: nothing is known of interfaces, and paths are used all
    the same; automatic ones are what the kernel routes."""
    server = t.server()
    number = 0
    for word in ("netlink_send", "netlink_receive"):
        for paths in ("auto", [{"interface": "lo"}], [{"source": "127.0.0.1"}], None):
            number += 1
            pair = t.pair({"paths": paths}, name=str(number), start=False)
            pair.start_relay()
            pair.local = t.daemon("local", pair.local_path, name=f"local{number}",
                                  under=lacking([word]))
            t.check(pair.fetch("127.0.0.1", server.port, DATA) == DATA, f"{word}, paths {paths}")
            pair.local.wait_output("cannot watch the network's interfaces")
            if paths == "auto":
                pair.local.wait_output('"auto" finds no interfaces here')
            for daemon in (pair.local, pair.relay):
                daemon.stop()


if __name__ == "__main__":
    harness.main(globals())
