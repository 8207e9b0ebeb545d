#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SOCKS5 byte by byte: replies that tell the truth, pipelining, half-closes, refusals."""
import socket
import struct
import time

import harness
from harness import (Failure, free_port, recv_all, recv_exactly, socks_dial, socks_reply,
                     socks_request, wait_until)

REFUSED, NOT_ALLOWED, HOST_UNREACHABLE, NET_UNREACHABLE = 5, 2, 4, 3


def test_addresses_of_each_kind(t):
    pair = t.pair()
    v4, v6 = t.server(), t.server(host="::1")
    for host, server in (("127.0.0.1", v4), ("::1", v6), ("::ffff:127.0.0.1", v4),
                         ("localhost", v4), ("127.0.0.1", v4)):
        with pair.open(host, server.port) as s:
            s.sendall(b"hello " + host.encode())
            t.equal(recv_exactly(s, 6 + len(host)), b"hello " + host.encode(), host)


def test_an_address_as_a_name(t):
    pair, server = t.pair(), t.server()
    with socks_dial(pair.socks_port) as s:
        s.sendall(b"\5\1\0" + b"\5\1\0\3\x09127.0.0.1" + struct.pack(">H", server.port))
        recv_exactly(s, 2)
        t.equal(socks_reply(s)[0], 0, "reply")


def test_refused(t):
    pair = t.pair()
    s, code = pair.connect("127.0.0.1", free_port())
    t.equal(code, REFUSED, "reply")
    t.equal(recv_all(s), b"", "after the refusal")


def test_denied_by_the_relay(t):
    pair = t.pair(relay={"destinations": {"allow": ["127.0.0.1"]}})
    server = t.server(host="127.0.0.2")
    t.equal(pair.connect("127.0.0.2", server.port)[1], NOT_ALLOWED, "reply")
    t.equal(server.accepted, 0, "connections to a denied address")


def test_name_not_found(t):
    pair = t.pair()
    t.equal(pair.connect("no-such-host.invalid", 80, timeout=40)[1], HOST_UNREACHABLE, "reply")


def test_unreachable_destinations(t):
    a = t.netns("a")
    a.ip("route add unreachable 198.51.100.0/24")
    a.ip("-6 route add unreachable 2001:db8::/32")
    pair = t.pair(relay={"destinations": {"allow": ["0.0.0.0/0", "::/0"]}}, local_netns=a,
                  relay_netns=a)
    with a.inside():
        codes = [pair.connect(host, 80)[1] for host in ("198.51.100.1", "203.0.113.1", "2001:db8::1")]
    t.equal(codes, [HOST_UNREACHABLE, NET_UNREACHABLE, HOST_UNREACHABLE], "replies")


def test_relay_unreachable(t):
    pair = t.pair(start=False)
    pair.start_local()
    s, code = pair.connect("127.0.0.1", 80, timeout=60)
    t.check(code in (1, NET_UNREACHABLE, HOST_UNREACHABLE), f"reply {code}")
    pair.start_relay()
    server = t.server()
    wait_until(lambda: pair.connect("127.0.0.1", server.port)[1] == 0, what="a stream by the relay")


def test_the_reply_waits_for_the_destination(t):
    pair = t.pair()
    # A full backlog: the kernel ignores further SYNs until there is room.
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen(0)
    port = busy.getsockname()[1]
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    s = socks_dial(pair.socks_port)
    s.sendall(b"\5\1\0" + socks_request("127.0.0.1", port))
    recv_exactly(s, 2)
    s.settimeout(0.8)
    try:
        reply = s.recv(1)
        raise Failure(f"{reply!r} came before the destination was connected")
    except TimeoutError:
        pass
    for _ in fillers[:2]:
        busy.accept()
    s.settimeout(30)
    t.equal(socks_reply(s)[0], 0, "reply")
    for each in (s, busy, *fillers):
        each.close()


def test_everything_in_one_segment(t):
    pair, server = t.pair(), t.server()
    data = bytes(range(256)) * 50
    with socks_dial(pair.socks_port) as s:
        s.sendall(b"\5\1\0" + socks_request("127.0.0.1", server.port) + data)
        t.equal(recv_exactly(s, 2), b"\5\0", "method")
        t.equal(socks_reply(s)[0], 0, "reply")
        t.equal(recv_exactly(s, len(data)), data, "echo of the pipelined data")


def test_one_byte_at_a_time(t):
    pair, server = t.pair(), t.server()
    with socks_dial(pair.socks_port) as s:
        for byte in b"\5\2\1\0" + socks_request("localhost", server.port) + b"!":
            s.sendall(bytes([byte]))
            time.sleep(0.002)
        recv_exactly(s, 2)
        t.equal(socks_reply(s)[0], 0, "reply")
        t.equal(recv_exactly(s, 1), b"!", "echo")


def test_half_close_by_the_client(t):
    def summed(client):
        client.sendall(b"%d" % len(recv_all(client)))

    pair, server = t.pair(), t.server(summed)
    with pair.open("127.0.0.1", server.port) as s:
        s.sendall(b"x" * 100000)
        s.shutdown(socket.SHUT_WR)
        t.equal(recv_all(s), b"100000", "the answer after the client's end")


def test_half_close_by_the_destination(t):
    received = []

    def early(client):
        client.sendall(b"first")
        client.shutdown(socket.SHUT_WR)
        received.append(recv_all(client))

    pair, server = t.pair(), t.server(early)
    with pair.open("127.0.0.1", server.port) as s:
        t.equal(recv_all(s), b"first", "what the destination sent")
        s.sendall(b"still open")
        s.shutdown(socket.SHUT_WR)
        wait_until(lambda: received)
        t.equal(received, [b"still open"], "what it received afterwards")


def test_a_reset_travels_both_ways(t):
    ends = []

    def resetting(client):
        recv_exactly(client, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def waiting(client):
        try:
            ends.append(recv_all(client))
        except ConnectionResetError:
            ends.append("reset")

    pair = t.pair()
    with pair.open("127.0.0.1", t.server(resetting).port) as s:
        s.sendall(b"x")
        try:
            t.check(False, f"received {recv_all(s)!r} rather than a reset")
        except ConnectionResetError:
            pass
    s = pair.open("127.0.0.1", t.server(waiting).port)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    wait_until(lambda: ends, what="the destination to notice")
    t.equal(ends, ["reset"], "how the destination's connection ended")


def test_commands_that_are_not_supported(t):
    pair = t.pair()
    for command, name in ((2, "BIND"), (9, "an unknown one")):
        with socks_dial(pair.socks_port) as s:
            s.sendall(b"\5\1\0" + socks_request("127.0.0.1", 80, command))
            recv_exactly(s, 2)
            t.equal(socks_reply(s)[0], 7, name)
            t.equal(recv_all(s), b"", f"after {name}")


def test_an_unknown_address_type(t):
    pair = t.pair()
    with socks_dial(pair.socks_port) as s:
        s.sendall(b"\5\1\0" + b"\5\1\0\x09\1\2\3\4\0\x50")
        recv_exactly(s, 2)
        t.equal(socks_reply(s)[0], 8, "reply")


def test_no_method_in_common(t):
    pair = t.pair()
    with socks_dial(pair.socks_port) as s:
        s.sendall(b"\5\2\1\3")
        t.equal(recv_all(s), b"\5\xff", "answer to GSSAPI and CHAP alone")


def test_a_client_that_has_only_passwords(t):
    """A listener without users takes any; one with users does not."""
    server = t.server()
    open_port, closed_port = harness.free_port(), harness.free_port()
    t.pair({"listen": [{"port": open_port}, {"port": closed_port, "users": {"ann": "secret"}}]})
    for port, answer in ((open_port, 0), (closed_port, 1)):
        with socks_dial(port) as s:
            s.sendall(b"\5\1\2")
            t.equal(recv_exactly(s, 2), b"\5\2", "method")
            s.sendall(b"\1\4anna\5other")
            t.equal(recv_exactly(s, 2), bytes([1, answer]), "answer to a password")
            if answer == 0:
                s.sendall(harness.socks_request("127.0.0.1", server.port))
                t.equal(socks_reply(s)[0], 0, "reply")


def test_what_is_not_socks5(t):
    pair = t.pair()
    # Its own line comes at a time of its own.
    wait_until(lambda: "begins" in pair.local.log(), what="the session")
    cases = {
        "SOCKS4": (b"\4\1\0\x50\x7f\0\0\1ann\0", lambda answer: answer[:2] == b"\0\x5b"),
        "HTTP": (b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
                 lambda answer: answer.startswith(b"HTTP/1.") and b" 4" in answer[:13]
                 or b" 5" in answer[:13]),
        "CONNECT": (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
                    lambda answer: answer.startswith(b"HTTP/1.")),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), lambda answer: True),
        "zeros": (bytes(1000), lambda answer: True),
    }
    for name, (data, right) in cases.items():
        before = len(pair.local.log().splitlines())
        with socks_dial(pair.socks_port) as s:
            s.sendall(data)
            try:
                answer = recv_all(s)
            except ConnectionResetError:
                raise Failure(f"{name}: reset rather than refused in order") from None
        t.check(right(answer), f"{name} was answered with {answer!r}")
        wait_until(lambda: len(pair.local.log().splitlines()) > before, what=f"a log line on {name}")
        added = pair.local.log().splitlines()[before:]
        t.note(f"{name}: {answer[:40]!r}; {added}")
        t.equal(len(added), 1, f"log lines on {name}")
    pair.open("127.0.0.1", t.server().port).close()


def test_a_silent_client_costs_nobody(t):
    pair, server = t.pair(), t.server()
    silent = [socks_dial(pair.socks_port) for _ in range(50)]
    silent += [socks_dial(pair.socks_port) for _ in range(50)]
    for s in silent[50:]:
        s.sendall(b"\5\1\0\5\1")
    t.equal(pair.fetch("127.0.0.1", server.port, b"hello"), b"hello", "echo")
    for s in silent:
        s.close()


def test_hundreds_of_streams(t):
    pair, origin = t.pair(), t.origin()
    count = harness.full(400, 2000)
    report = pair.load(origin.dest, "--count", count, "--parallel", count // 2, "--up", 3000,
                       "--down", 30000)
    t.equal(report["good"], count, "good streams")
    for mode in ("late", "early"):
        pair.load(origin.dest, "--count", 40, "--parallel", 20, "--up", "50k", "--down", "50k",
                  "--mode", mode)
    wait_until(lambda: origin.report()["open"] == 0, what="the origin's connections to end")
    t.equal((origin.report()["bad"], origin.report()["broken"]), (0, 0), "at the origin")


def test_descriptors_are_given_back(t):
    pair, origin = t.pair(), t.origin()
    pair.load(origin.dest, "--down", 1000)
    time.sleep(0.5)
    before = pair.local.descriptors(), pair.relay.descriptors()
    pair.load(origin.dest, "--count", 200, "--parallel", 50, "--down", 1000)
    for port in (1, 2, 3):
        pair.connect("127.0.0.1", port)[0].close()
    for process, limit in zip((pair.local, pair.relay), before):
        # The pool may hold more subflows than before; streams may hold nothing.
        wait_until(lambda: process.descriptors() <= limit + 48,
                   what=f"{process.name} to close its sockets")


if __name__ == "__main__":
    harness.main(globals())
