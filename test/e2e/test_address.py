#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The relay's address leads to somebody else: a portal, another machine, a box on the way."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import time

import harness
from fakedns import FakeDns
from harness import SLOW

STRANGER, RELAY = "127.0.0.2", "127.0.0.3"
DIALS_AT_ONCE, DIALS_A_SECOND = 12, 4
ALERT = b"\x15\3\1\0\2\2\x46"  # TLS: fatal, protocol_version
GARBAGE = bytes(range(256)) * 16


def drain(client):
    while client.recv(65536):
        pass


def is_silent(client):
    drain(client)


def closes(client):
    client.recv(1)


def resets(client):
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says_bad_request(client):
    client.recv(65536)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def sends_an_alert(client):
    client.recv(65536)
    client.sendall(ALERT)


def sends_garbage(client):
    client.sendall(GARBAGE)
    drain(client)


def says_a_byte(client):
    client.sendall(b"?")
    drain(client)


def never_stops(client):
    while True:
        client.sendall(GARBAGE)


CLOSING = (closes, resets, says_bad_request, sends_an_alert)
STRANGERS = (is_silent, *CLOSING, sends_garbage, says_a_byte, never_stops)


class Stranger:
    """Takes connections to ports of an address, and does with them what a function says."""

    def __init__(self, t, handle, address, ports):
        self.handle = handle
        self.servers = [harness.Server(self._handle, address, port) for port in ports]
        for server in self.servers:
            t.stack.callback(server.close)

    @property
    def accepted(self):
        return sum(server.accepted for server in self.servers)

    def _handle(self, client):
        with contextlib.suppress(OSError):
            self.handle(client)


def status(t, pair, *words):
    return subprocess.run([harness.SPLITSOCKS, "status", *words, "-c", pair.local_path],
                          stdout=subprocess.PIPE, check=True, timeout=60 * SLOW, text=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": t.directory}).stdout


def pair_at(t, addresses, handle, name="", **options):
    """The relay is at RELAY, somebody else at STRANGER, and the relay's name has `addresses`."""
    dns = FakeDns(t, {"relay.test": addresses})
    pair = t.pair({"dns": {"servers": [dns.server]}}, dial_address="relay.test",
                  relay_address=RELAY, start=False, name=name, **options)
    pair.start_relay()
    return dns, pair, Stranger(t, handle, STRANGER, pair.relay_ports)


def test_the_next_address_is_tried(t):
    """Whatever the first does, a stream opens by the second within a few seconds."""
    server = t.server()
    for handle in STRANGERS:
        _, pair, stranger = pair_at(t, [STRANGER, RELAY], handle, t.unique("first"))
        pair.start_local()
        start = time.monotonic()
        t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", handle.__name__)
        t.note(f"{handle.__name__}: {time.monotonic() - start:.2f} s")
        pair.local.stop()
        t.check(stranger.accepted <= DIALS_AT_ONCE, f"{handle.__name__}: {stranger.accepted} dials")


def test_strangers_are_dialled_rarely_and_told(t):
    """With nowhere else to go: a bounded number of dials, a line in the log, a word in status."""
    pairs = []
    for handle in STRANGERS:
        _, pair, stranger = pair_at(t, [STRANGER], handle, t.unique("only"))
        pair.start_local()
        pairs.append((handle, pair, stranger, time.monotonic()))
    for handle, pair, stranger, start in pairs:
        where = f"{STRANGER}:{pair.dial_ports[0]}"
        if handle is is_silent:
            line = f"the relay at {where} takes connections but does not answer"
            words, reason = f"{where} takes connections but does not answer", "unanswered"
        else:
            line = words = f"something answers at {where}, but it is not the relay"
            reason = "stranger"
        pair.local.wait_output(line)
        path = json.loads(status(t, pair, "--json"))["paths"][0]
        t.equal((path["state"], path["reason"], path["relay_address"]), ("down", reason, where),
                f"status for {handle.__name__}")
        text = status(t, pair, "--explain")
        t.check(words in text, f"{handle.__name__}: {text}")
        t.equal(pair.local.log().count(line), 1, f"lines for {handle.__name__}")
        elapsed = time.monotonic() - start
        t.note(f"{handle.__name__}: {stranger.accepted} dials in {elapsed:.1f} s")
        t.check(stranger.accepted <= DIALS_AT_ONCE + elapsed * DIALS_A_SECOND,
                f"{handle.__name__}: {stranger.accepted} dials in {elapsed:.1f} s")


def test_a_name_that_is_corrected(t):
    """Its new address is found without a restart, although the old one takes connections."""
    server = t.server()
    pairs = [(handle, *pair_at(t, [STRANGER], handle, t.unique("name"))[:2])
             for handle in (is_silent, closes, sends_garbage)]
    for _, _, pair in pairs:
        pair.start_local()
    time.sleep(1)
    for handle, dns, pair in pairs:
        dns.table["relay.test"] = [RELAY]
    for handle, _, pair in pairs:
        start = time.monotonic()
        pair.local.wait_output("session [0-9a-f]+ with the relay begins", 15)
        t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", handle.__name__)
        t.note(f"{handle.__name__}: {time.monotonic() - start:.2f} s")


def test_streams_go_on_when_the_relay_moves(t):
    """Its address is somebody else's now, and its name has another: streams resume there."""
    server = t.server()
    for handle in (is_silent, closes, says_bad_request):
        dns = FakeDns(t, {"relay.test": [STRANGER]})
        pair = t.pair({"dns": {"servers": [dns.server]}}, dial_address="relay.test",
                      relay_address=RELAY, name=t.unique("moves"), start=False)
        pair.start_relay()
        # The relay is behind both addresses, until somebody else has the first.
        forward = t.tool("wireproxy", ["--forward", f"{STRANGER}:{pair.relay_ports[0]}="
                                       f"{RELAY}:{pair.relay_ports[0]}"], name=t.unique("proxy"))
        pair.start_local()
        with pair.open("127.0.0.1", server.port, 60) as s:
            s.sendall(b"before")
            t.equal(harness.recv_exactly(s, 6), b"before", handle.__name__)
            forward.kill()
            Stranger(t, handle, STRANGER, pair.relay_ports)
            s.sendall(b"while")
            time.sleep(0.5)
            dns.table["relay.test"] = [RELAY]
            start = time.monotonic()
            t.equal(harness.recv_exactly(s, 5), b"while", handle.__name__)
            t.note(f"{handle.__name__}: after {time.monotonic() - start:.2f} s")
        pair.local.wait_output("goes on")


if __name__ == "__main__":
    harness.main(globals(), 240)
