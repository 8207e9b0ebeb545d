#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""UDP at local: associations of SOCKS clients, forward listeners, rules for flows."""
import contextlib
import json
import os
import signal
import socket
import subprocess

import harness
from datagrams import (HEADER_4, HEADER_6, HEADER_NAME, LARGEST, Association, DatagramClient,
                       DatagramServer, forward, is_bound)
from fakedns import FakeDns
from harness import LOOPBACK, SPLITSOCKS, free_port, socks_dial, wait_until

NOT_SUPPORTED = 7


def with_listeners(t, *listeners, local=None, relay=None, **options):
    """A pair with more listeners than the usual one."""
    pair = t.pair(local, relay, start=False, **options)
    pair.local_config["listen"] += listeners
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    return pair


# Associations.

def test_associations_of_each_kind(t):
    pair, server = t.pair(), DatagramServer(t)
    to = ("127.0.0.1", server.port)
    for request in (("0.0.0.0", 0), ("127.0.0.1", "mine"), ("0.0.0.0", "mine"), ("::", 0),
                    ("", 0), ("192.0.2.1", 0)):
        association = Association(t, pair.socks_port, to, request=request)
        t.equal(association.code, 0, f"reply to {request}")
        t.equal(association.bound[0], "127.0.0.1", "bound address")
        t.equal(association.ask(b"hello"), to, f"source of the answer to {request}")
        association.control.close()


def test_destinations_of_each_kind(t):
    pair, v4, v6 = t.pair(), DatagramServer(t), DatagramServer(t, "::1")
    association = Association(t, pair.socks_port)
    for host, server, source in (("127.0.0.1", v4, "127.0.0.1"), ("::1", v6, "::1"),
                                 ("localhost", v4, "127.0.0.1"), ("127.1", v4, "127.0.0.1"),
                                 ("::ffff:127.0.0.1", v4, "127.0.0.1")):
        association.destination = (host, server.port)
        t.equal(association.ask(b"to " + host.encode()), (source, server.port), host)


def test_names_at_either_side(t):
    server = DatagramServer(t)
    for where in ("local", "relay"):
        dns = FakeDns(t, {"here.test": ["127.0.0.1"]})
        sides = {"local": {}, "relay": {}}
        sides[where] = {"dns": {"servers": [dns.server]}}
        sides["local"].setdefault("dns", {})["resolve"] = where
        pair = t.pair(sides["local"], sides["relay"], name=where)
        association = Association(t, pair.socks_port, ("here.test", server.port))
        t.equal(association.ask(b"x"), ("127.0.0.1", server.port), "source")
        association.destination = ("nobody.test", server.port)
        association.send(b"to nobody")
        association.destination = ("here.test", server.port)
        association.ask(b"y", what="an answer beside a name that does not exist")
        t.check(dns.queries["udp"] > 0, "the name was not looked up there")


def test_sizes(t):
    servers = DatagramServer(t), DatagramServer(t, "::1")
    pair = t.pair()
    for server, header in zip(servers, (HEADER_4, HEADER_6)):
        association = Association(t, pair.socks_port, (server.host, server.port))
        for size in (0, 1, 1200, 1472, 9000, 40000, LARGEST - header):
            association.ask(bytes(range(256)) * 256 and (b"%05d" % size * 13108)[:size],
                            what=f"{size} bytes by {server.host}")


def test_a_large_answer_comes_first(t):
    """In front of which stands its source, as long as local has not confirmed that."""
    server = DatagramServer(t, "::1", lambda data, _: b"x" * 30000)
    Association(t, t.pair().socks_port, (server.host, server.port)).ask(b"?", b"x" * 30000)


def test_the_longest_name(t):
    """Its header takes most of all; the answer's has the address instead."""
    name = ".".join(("a" * 61, "b" * 61, "c" * 61, "d" * 61, "test"))
    server, dns = DatagramServer(t), FakeDns(t, {name: ["127.0.0.1"]})
    pair = t.pair({"dns": {"resolve": "relay"}}, {"dns": {"servers": [dns.server]}})
    association = Association(t, pair.socks_port, (name, server.port))
    for size in (0, 1200, LARGEST - HEADER_NAME - len(name)):
        t.equal(association.ask(b"x" * size, what=f"{size} bytes"), ("127.0.0.1", server.port),
                "source")


def test_users(t):
    pair, server = t.pair({"listen": [{"users": {"ann": "secret"}, "port": (port := free_port())}]},
                          ), DatagramServer(t)
    association = Association(t, port, ("127.0.0.1", server.port), users=("ann", "secret"))
    association.ask(b"x")
    t.check(pair.local.running(), "local has ended")


def test_listeners_on_all_addresses(t):
    """The reply names the address that the client can use."""
    server = DatagramServer(t)
    for address, reached in (("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.2"), ("::", "::1")):
        port = free_port()
        pair = t.pair({"listen": [{"address": address, "port": port, "users": {"a": "b"}}]},
                      name=t.unique("all"))
        association = Association(t, port, ("127.0.0.1", server.port), reached, ("a", "b"))
        t.equal(association.bound[0], reached, f"bound address behind {address}")
        association.ask(b"x")
        t.check(pair.local.running(), "local has ended")


def test_advertised_address_and_ports(t):
    """`udp.advertise` is for clients elsewhere; `udp.ports` is for the firewall."""
    a, b = t.netns("a"), t.netns("b")
    t.link(a, b)
    first = free_port(socket.SOCK_DGRAM)
    pair = t.pair({"listen": [{"address": "0.0.0.0", "port": 1080, "users": {"u": "p"}}],
                   "udp": {"advertise": "192.0.2.7", "ports": f"{first}-{first + 1}"}},
                  local_netns=a, relay_netns=a)
    with a.inside():
        near = Association(t, 1080, users=("u", "p"))
    with b.inside():
        far = Association(t, 1080, proxy="10.77.0.1", users=("u", "p"))
        third = Association(t, 1080, proxy="10.77.0.1", users=("u", "p"))
        fourth = Association(t, 1080, proxy="10.77.0.1", users=("u", "p"))
    t.equal(near.bound, ("127.0.0.1", first), "bound address for a client on this machine")
    t.equal(far.bound, ("192.0.2.7", first), "bound address for a client elsewhere")
    t.equal(third.bound, ("192.0.2.7", first + 1), "the next one")
    t.equal(fourth.code, 1, "reply when no port is left")
    t.check(pair.local.running(), "local has ended")


def test_an_advertised_address_is_for_its_family(t):
    """A client that reaches us by IPv6 could not send to an IPv4 address: its socket is of IPv6."""
    a, b = t.netns("a"), t.netns("b")
    t.link(a, b)
    a.ip("addr add 2001:db8:7::a/64 dev ta0 nodad")
    b.ip("addr add 2001:db8:7::b/64 dev tb0 nodad")
    users = {"users": {"u": "p"}}
    pair = t.pair({"listen": [{"address": "0.0.0.0", "port": 1080, **users},
                              {"address": "::", "port": 1081, **users}],
                   "udp": {"advertise": "192.0.2.7"}}, local_netns=a, relay_netns=a)
    with a.inside():
        server = DatagramServer(t)
    with b.inside():
        four = Association(t, 1080, proxy="10.77.0.1", users=("u", "p"))
        six = Association(t, 1081, ("127.0.0.1", server.port), "2001:db8:7::a", ("u", "p"))
    t.equal(four.bound[0], "192.0.2.7", "bound address for a client of IPv4")
    t.equal(six.bound[0], "2001:db8:7::a", "bound address for a client of IPv6")
    six.ask(b"x")
    t.check(pair.local.running(), "local has ended")


def test_a_client_on_a_link_local_address(t):
    """The reply has no room for the interface, which the client knows."""
    a, b = t.netns("a"), t.netns("b")
    t.link(a, b)
    a.ip("addr add fe80::a/64 dev ta0 nodad")
    b.ip("addr add fe80::b/64 dev tb0 nodad")
    pair = t.pair({"listen": [{"address": "::", "port": 1080, "users": {"u": "p"}}]},
                  local_netns=a, relay_netns=a)
    with a.inside():
        server = DatagramServer(t)
    with b.inside():
        association = Association(t, 1080, ("127.0.0.1", server.port), "fe80::a%tb0", ("u", "p"))
        association.to += (0, socket.if_nametoindex("tb0"))
    t.equal(association.bound[0], "fe80::a", "bound address")
    association.ask(b"x")
    t.check(pair.local.running(), "local has ended")


def test_clients_that_change_their_port(t):
    pair, server = t.pair(), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    association.ask(b"one")
    association.renew()
    association.ask(b"two", what="an answer at the new port")
    t.equal(len(set(server.peers)), 1, "ports of the relay")


def test_answers_after_a_change_of_port(t):
    """What was asked from the old port is answered at the new one; an ICMP message about the old
    one ends nothing."""
    pair, server = t.pair({"udp": {"max_age": "10s"}}), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    association.ask(b"one")
    old, flow = association.socket, server.peers[0]
    t.stack.callback(old.close)
    association.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    association.ask(b"two")
    missing = {b"late %d" % i for i in range(20)}
    for text in missing:
        server.send(text, flow)
    while missing:
        answer = association.receive(20 * harness.SLOW)
        t.check(answer, f"{len(missing)} of 20 answers did not come to the new port")
        missing.discard(answer[0])
    old.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            t.check(b"late" not in (text := old.recv(100)), f"at the old port: {text!r}")
    association.socket.close()
    for i in range(20):
        server.send(b"lost %d" % i, flow)
    association.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.stack.callback(association.socket.close)
    association.ask(b"three")
    t.equal(len(set(server.peers)), 1, "ports of the relay")


def test_a_port_that_was_named(t):
    """Then no other port of the client's is served."""
    pair, server = t.pair(), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port),
                              request=("0.0.0.0", "mine"))
    other = DatagramClient(t, association.bound)
    other.send(association.wrap(b"foreign"))
    association.ask(b"mine")
    t.check(b"foreign" not in server.seen, "a datagram from another port was sent on")


def test_foreign_senders(t):
    pair, server = t.pair(), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    stranger = DatagramClient(t, association.bound, "127.0.0.3")
    stranger.send(association.wrap(b"foreign"))
    association.ask(b"mine")
    stranger.send(association.wrap(b"foreign"))
    association.ask(b"mine too")
    t.check(b"foreign" not in server.seen, "a stranger's datagram was sent on")


def test_what_is_no_good_datagram(t):
    pair, server = t.pair(), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    for bad in (b"", b"\0\0\0", b"\0\0\0\1\x7f\0\0\1\0", b"\0\0\0\7\x7f\0\0\1\0\1x", b"\0\0\0\3\0\0\1x"):
        association.socket.sendto(bad, association.bound)
    association.fragment = 1
    association.send(b"a fragment")
    association.fragment = 0
    association.ask(b"whole")
    t.equal([data for data in server.seen if data != b"whole"], [], "datagrams at the server")


def test_the_end_of_the_connection(t):
    """It ends the association, and nothing else does."""
    pair, server = t.pair({"udp": {"idle": 1}}), DatagramServer(t)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    association.ask(b"one")
    association.control.sendall(b"bytes without a meaning")
    # Its flow ends with idleness, and the association goes on with another.
    wait_until(lambda: not flows(pair), 20, "the flow to end")
    association.ask(b"two")
    association.control.shutdown(socket.SHUT_WR)
    wait_until(lambda: not is_bound(association.bound), what="the association's socket to be closed")
    t.equal(association.control.recv(1), b"", "after the end")
    other = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    other.ask(b"three")


def test_several_destinations_and_sources(t):
    """One port of the relay for all destinations, and answers with their true sources."""
    pair = t.pair()
    one, two = DatagramServer(t), DatagramServer(t, "127.0.0.2")
    association = Association(t, pair.socks_port)
    for server in (one, two, one):
        association.destination = (server.host, server.port)
        t.equal(association.ask(b"x"), (server.host, server.port), "source")
    t.equal(len(set(one.peers + two.peers)), 1, "ports of the relay")


def test_udp_is_switched_off(t):
    for name, local, relay in (("local", {"udp": {"enabled": False}}, {}),
                               ("relay", {}, {"udp": False})):
        pair = t.pair(local, relay, name=name)
        with socks_dial(pair.socks_port):  # the session is up, or comes up
            association = Association(t, pair.socks_port)
        t.equal(association.code, NOT_SUPPORTED, f"reply when {name} has no UDP")
        t.equal(association.control.recv(1), b"", "after the reply")


def test_associations_wait_for_the_first_session(t):
    pair, server = t.pair(start=False), DatagramServer(t)
    pair.start_local()
    s = socks_dial(pair.socks_port)
    s.sendall(b"\5\1\0\5\3\0\1\0\0\0\0\0\0")
    t.equal(s.recv(2), b"\5\0", "method")
    s.settimeout(0.3)
    try:
        t.check(False, f"an answer without a relay: {s.recv(10)!r}")
    except socket.timeout:
        pass
    pair.start_relay()
    s.settimeout(30 * harness.SLOW)
    t.equal(s.recv(10)[:2], b"\5\0", "reply")
    t.check(server.open, "the server has ended")


def test_the_relay_starts_again(t):
    """Associations and clients of forwards go on, with flows of the new session."""
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, listener)
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    client = DatagramClient(t, address)
    association.ask(b"one")
    client.ask(b"two")
    pair.relay.kill()
    pair.start_relay()
    association.ask(b"three", seconds=60, what="an answer from the new relay")
    client.ask(b"four", seconds=60, what="an answer to the forward's client")


def test_own_addresses_are_refused(t):
    """Neither an association nor a forward listener leads back to this program."""
    listener, address = forward(("127.0.0.1", 9))
    for name, rules in (("proxy", []), ("direct", [{"action": "direct"}])):
        pair = with_listeners(t, listener, local={"rules": rules}, name=name)
        association = Association(t, pair.socks_port)
        for destination in (association.bound, address, ("localhost", address[1])):
            association.destination = destination
            association.send(b"x")
        wait_until(lambda: document(pair)["datagrams_dropped"]["blocked"] == 3,
                   what="the refusals")
        t.check("listener of this program" in pair.local.log(), "the log tells no reason")
        pair.local.stop()


# Forward listeners.

def test_forwards(t):
    v4, v6 = DatagramServer(t), DatagramServer(t, "::1")
    one, at_one = forward(("127.0.0.1", v4.port))
    two, at_two = forward(("::1", v6.port), "::1")
    name, at_name = forward(("localhost", v4.port), "0.0.0.0")
    pair = with_listeners(t, one, two, name)
    for address in (at_one, at_two, ("127.0.0.1", at_name[1]), ("127.0.0.5", at_name[1])):
        client, other = DatagramClient(t, address), DatagramClient(t, address)
        for size in (5, 0, 1400, LARGEST):
            t.equal(client.ask(b"%05d" % size * (size // 5) if size else b"", what=f"{size} bytes"),
                    address, "source of the answer")
        other.ask(b"other")
    t.equal(len(set(v4.peers + v6.peers)), 8, "ports of the relay")
    t.check(pair.local.running(), "local has ended")


def test_two_forwards_on_one_port(t):
    """An IPv6 listener on all addresses leaves the port's IPv4 clients to another one."""
    servers = DatagramServer(t), DatagramServer(t)
    listeners = [forward(("127.0.0.1", server.port), host)[0]
                 for server, host in zip(servers, ("::", "0.0.0.0"))]
    listeners[1]["port"] = listeners[0]["port"]
    with_listeners(t, *listeners)
    for server, host in zip(servers, ("::1", "127.0.0.1")):
        client = DatagramClient(t, (host, listeners[0]["port"]))
        t.equal(client.ask(host.encode()), client.to, "source of the answer")
        t.equal(set(server.seen), {host.encode()}, f"datagrams of clients at {host}")


def test_a_forward_of_both_networks(t):
    datagrams, streams = DatagramServer(t), t.server()
    streams.close()
    both = harness.Server(harness.echo, port=datagrams.port)
    t.stack.callback(both.close)
    listener, address = forward(("127.0.0.1", datagrams.port), network="both")
    with_listeners(t, listener)
    DatagramClient(t, address).ask(b"datagram")
    with socket.create_connection(address, timeout=20 * harness.SLOW) as s:
        s.sendall(b"stream")
        t.equal(harness.recv_exactly(s, 6), b"stream", "echo")


def test_idle_clients_of_a_forward(t):
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, listener, local={"udp": {"idle": 1}})
    client = DatagramClient(t, address)
    client.ask(b"one")
    wait_until(lambda: not flows(pair), 20, "the flow to end")
    client.ask(b"two")
    t.check(len(set(server.peers)) >= 2, "the relay's port is the same after a pause")


def test_the_oldest_client_gives_way(t):
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, listener, local={"udp": {"max_flows": 2}})
    clients = [DatagramClient(t, address) for _ in range(4)]
    for client in clients:
        client.ask(b"x")
    t.at_most(len(flows(pair)), 2, "flows")
    t.check("udp.max_flows" in pair.local.log(), "the log does not name the bound")
    clients[0].ask(b"y", what="an answer to the oldest")


def test_many_clients_one_after_the_other(t):
    """Each client asks once, as resolvers do, and more of them than may be in use at once."""
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, listener)
    for _ in range(1400):
        client = DatagramClient(t, address)
        client.ask(b"x")
        client.socket.close()
    t.at_most(len(flows(pair)), 1024, "flows")


def test_a_reload_ends_the_flows_of_a_forward(t):
    """Those of a listener that is gone, on both sides. The clients of one that stays go on with flows
    of the new session, and associations with their own."""
    server, other = DatagramServer(t), DatagramServer(t)
    gone, at_gone = forward(("127.0.0.1", server.port))
    kept, at_kept = forward(("127.0.0.1", other.port))
    pair = with_listeners(t, gone, kept)
    clients = [DatagramClient(t, at_gone) for _ in range(100)]
    stays = DatagramClient(t, at_kept)
    association = Association(t, pair.socks_port, ("127.0.0.1", other.port))
    for client in (*clients, stays):
        client.ask(b"x")
    association.ask(b"before")
    t.equal(len(flows(pair)), 102, "flows before")
    pair.local_config["listen"] = [pair.local_config["listen"][0], kept]
    pair.write_configs()
    pair.local.signal(signal.SIGHUP)
    wait_until(lambda: not any(is_bound(peer) for peer in server.peers), 20,
               "the relay to close its ports")
    stays.ask(b"y")
    association.ask(b"after")
    ports = {peer for data, peer in zip(other.seen, other.peers) if data in (b"before", b"after")}
    t.equal(len(ports), 1, "ports of the relay for the association")


def test_a_reload_keeps_the_sockets(t):
    server, other = DatagramServer(t), DatagramServer(t)
    kept, at_kept = forward(("127.0.0.1", server.port))
    gone, at_gone = forward(("127.0.0.1", server.port))
    new, at_new = forward(("127.0.0.1", other.port))
    pair = with_listeners(t, kept, gone)
    client = DatagramClient(t, at_kept)
    client.ask(b"one")
    pair.local_config["listen"] = [pair.local_config["listen"][0], kept, new]
    pair.write_configs()
    pair.local.signal(signal.SIGHUP)
    wait_until(lambda: "was read again" in pair.local.log(), what="the reload")
    client.ask(b"two", what="an answer at the same port after a reload")
    DatagramClient(t, at_new).ask(b"three")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(at_gone)


def test_status_of_flows(t):
    server, blocked = DatagramServer(t), DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port), mode="redundant")
    pair = with_listeners(t, listener, local={"rules": [
        {"network": "udp", "port": blocked.port, "action": "block"}]})
    association = Association(t, pair.socks_port, ("127.0.0.1", server.port))
    client = DatagramClient(t, address)
    association.ask(b"12345")
    client.ask(b"123")
    association.destination = ("127.0.0.1", blocked.port)
    association.send(b"blocked")
    association.fragment = 1
    association.send(b"a fragment")
    wait_until(lambda: document(pair)["datagrams_dropped"]["malformed"] == 1, what="the fragment")
    told = document(pair)
    t.equal(told["datagrams_dropped"]["blocked"], 1, "blocked datagrams")
    t.equal([listener["network"] for listener in told["listeners"]], ["tcp", "udp"], "networks")
    one, two = sorted(told["flows"], key=lambda flow: flow["mode"])
    for flow, mode, size, source in ((one, "auto", 5, association.socket),
                                     (two, "redundant", 3, client.socket)):
        t.equal((flow["mode"], flow["destination"]), (mode, f"127.0.0.1:{server.port}"), "flow")
        t.equal(flow["client"], f"127.0.0.1:{source.getsockname()[1]}", "client")
        t.check(flow["up_bytes"] >= size and flow["up_bytes"] == size * flow["up_datagrams"] and
                flow["down_datagrams"] >= 1, f"counts: {flow}")
    table = status(pair)
    t.check("CLIENT" in table and table.count(f"127.0.0.1:{server.port}") == 2, table)


def test_a_reload_moves_a_socket(t):
    """From loopback to all addresses and back; a reload that fails changes nothing."""
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, listener)
    taken = DatagramServer(t)
    other, _ = forward(("127.0.0.1", server.port))
    for listeners, answer in (([{**listener, "address": "0.0.0.0"}], "was read again"),
                              ([listener], "was read again"),
                              ([{**listener, "address": "0.0.0.0"}, {**other, "port": taken.port}],
                               "stays as it was")):
        before = pair.local.log().count(answer)
        pair.local_config["listen"][1:] = listeners
        pair.write_configs()
        pair.local.signal(signal.SIGHUP)
        wait_until(lambda: pair.local.log().count(answer) > before, what=f"'{answer}'")
        DatagramClient(t, address).ask(b"x", what=f"an answer after '{answer}'")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.2", address[1]))  # the socket is on loopback's first address again


def test_check_looks_at_the_sockets(t):
    """`check` tells of a port that another program has, for each network by itself."""
    taken, streams = DatagramServer(t), t.server()
    pair = t.pair(start=False)
    for network, port, warned in (("udp", taken.port, True), ("tcp", taken.port, False),
                                  ("udp", streams.port, False), ("both", streams.port, True)):
        listener, _ = forward(("127.0.0.1", 9), network=network, port=port)
        pair.local_config["listen"][1:] = [listener]
        pair.write_configs()
        result = subprocess.run([SPLITSOCKS, "check", "local", pair.local_path], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        t.equal(result.returncode, 0, f"status ({result.stdout})")
        t.equal(f"cannot listen on 127.0.0.1:{port}" in result.stdout, warned,
                f"a warning of {network} ({result.stdout})")


# Rules.

def test_rules_for_datagrams(t):
    """`network` is a condition; `direct` leaves from here; `block` drops."""
    server, beside = DatagramServer(t), t.server()
    blocked, direct = DatagramServer(t), DatagramServer(t, "127.0.0.2")
    pair = t.pair({"rules": [{"network": "udp", "port": blocked.port, "action": "block"},
                             {"network": "tcp", "action": "block"},
                             {"cidr": "127.0.0.2", "action": "direct"}]},
                  {"destinations": {"allow": LOOPBACK, "deny": ["127.0.0.2"]}})
    association = Association(t, pair.socks_port, ("127.0.0.1", blocked.port))
    association.send(b"blocked")
    association.destination = ("127.0.0.1", server.port)
    association.ask(b"relayed")
    association.destination = ("127.0.0.2", direct.port)
    t.equal(association.ask(b"direct"), ("127.0.0.2", direct.port), "source")
    t.equal(blocked.seen, [], "blocked datagrams at the server")
    t.equal(pair.reply("127.0.0.1", beside.port), 2, "reply to a stream")


def test_rules_for_a_forward(t):
    """They come before the listener's destination."""
    server = DatagramServer(t)
    blocked, at_blocked = forward(("127.0.0.1", server.port), name="blocked")
    passed, at_passed = forward(("127.0.0.1", server.port))
    pair = with_listeners(t, blocked, passed, local={"rules": [
        {"listener": "blocked", "network": "udp", "action": "block"}]})
    client = DatagramClient(t, at_blocked)
    for _ in range(3):
        client.send(b"blocked")
    wait_until(lambda: document(pair)["datagrams_dropped"]["blocked"] == 3, what="the drops")
    DatagramClient(t, at_passed).ask(b"passed")
    t.check(b"blocked" not in server.seen, "what was blocked was sent")


def test_direct_names_and_families(t):
    pair = t.pair({"rules": [{"network": "udp", "action": "direct"}]})
    v4, v6 = DatagramServer(t), DatagramServer(t, "::1")
    association = Association(t, pair.socks_port)
    for host, server in (("localhost", v4), ("::1", v6), ("127.0.0.1", v4)):
        association.destination = (host, server.port)
        t.equal(association.ask(host.encode())[1], server.port, host)
        association.ask(b"", what="an empty answer")


def test_answers_to_a_direct_forward(t):
    """Only from where its datagrams go."""
    server = DatagramServer(t)
    listener, address = forward(("127.0.0.1", server.port))
    with_listeners(t, listener, local={"rules": [{"action": "direct"}]})
    client = DatagramClient(t, address)
    client.ask(b"one")
    stranger = DatagramServer(t)
    stranger.send(b"foreign", server.peers[0])
    server.send(b"known", server.peers[0])
    t.equal(client.receive(20)[0], b"known", "the next datagram")


def status(pair, *arguments):
    return subprocess.run([SPLITSOCKS, "status", "-c", pair.local_path, *arguments], text=True,
                          stdout=subprocess.PIPE, check=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": pair.directory}).stdout


def document(pair):
    return json.loads(status(pair, "--json"))


def flows(pair):
    return document(pair)["flows"]


if __name__ == "__main__":
    harness.main(globals())
