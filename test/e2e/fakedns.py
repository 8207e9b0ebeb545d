# SPDX-License-Identifier: MIT
"""A DNS server that does as it is told: answers from a table, or is silent, or lies."""
import collections
import contextlib
import socket
import struct
import threading

from harness import free_port

A, SOA, AAAA = 1, 6, 28
TRUNCATED = 0x0200


def _question(query):
    """(name, type, end of the question section)"""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5


def _record(family, address, length=None, ttl=1):
    data = socket.inet_pton(socket.AF_INET if family == A else socket.AF_INET6, address)
    length = len(data) if length is None else length
    return b"\xc0\x0c" + struct.pack(">HHIH", family, 1, ttl, length) + data


def _absence(ttl):
    """A SOA record that tells how long the absence of something holds."""
    data = b"\0\0" + struct.pack(">IIIII", 1, 3600, 600, 86400, ttl)
    return b"\xc0\x0c" + struct.pack(">HHIH", SOA, 1, ttl, len(data)) + data


def _message(query, end, records, flags=0x8180, count=None, authority=()):
    count = len(records) if count is None else count
    return (query[:2] + struct.pack(">HHHHH", flags, 1, count, len(authority), 0) + query[12:end] +
            b"".join((*records, *authority)))


class FakeDns:
    """`table` maps names to lists of addresses and may be changed at any time; a name that is not
    in it does not exist. `mode` tells what is done to the answers over UDP:

    honest, silent, truncated (TC set and no records: the truth is told over TCP only), partly (TC
    set, with the records), and what a broken or hostile server might send: rdlength, count, loop,
    short, garbage.

    By type (A or AAAA): `silent` are left unanswered, `codes` are answered with that RCODE, `delays`
    are answered after so many seconds. `ttl` is that of all answers. `tcp`: "open", or "closed" for
    a server whose port is closed there. `asked` counts the questions by (name, type)."""

    def __init__(self, test, table=None, mode="honest", host="127.0.0.1", ttl=1, tcp="open"):
        self.table, self.mode, self.ttl = dict(table or {}), mode, ttl
        self.silent, self.codes, self.delays = set(), {}, {}
        self.port = free_port()
        self.host, self.server = host, f"{host}:{self.port}"
        self.queries = {"udp": 0, "tcp": 0}
        self.asked = collections.Counter()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        self.tcp = socket.create_server((host, self.port)) if tcp == "open" else None
        for run in (self._run_udp, self._run_tcp) if self.tcp else (self._run_udp,):
            threading.Thread(target=run, daemon=True).start()
        test.stack.callback(self.close)

    def close(self):
        self.udp.close()
        if not self.tcp:
            return
        with contextlib.suppress(OSError):
            self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()

    def honest(self, query):
        name, kind, end = _question(query)
        absence = [_absence(self.ttl)]
        if kind in self.codes:
            return _message(query, end, [], flags=0x8180 | self.codes[kind])
        if name not in self.table:
            return _message(query, end, [], flags=0x8183, authority=absence)
        wanted = [a for a in self.table[name] if (":" in a) == (kind == AAAA)]
        if not wanted or kind not in (A, AAAA):
            return _message(query, end, [], authority=absence)
        return _message(query, end, [_record(kind, a, ttl=self.ttl) for a in wanted])

    def _answer(self, query):
        if self.mode == "honest":
            return self.honest(query)
        if self.mode == "partly":
            answer = self.honest(query)
            return answer[:2] + struct.pack(">H", 0x8180 | TRUNCATED) + answer[4:]
        _, kind, end = _question(query)
        record = _record(kind if kind == AAAA else A, "::1" if kind == AAAA else "127.0.0.1")
        return {
            "truncated": _message(query, end, [], flags=0x8180 | TRUNCATED),
            "rdlength": _message(query, end, [record[:10] + b"\xff\xff" + record[12:]]),
            "count": _message(query, end, [record], count=65535),
            "loop": _message(query, end, [b"\xc0" + bytes([end]) + record[2:]]),
            "short": query[:2] + b"\x81\x80\0\1\0\1",
            "garbage": query[:2] + bytes(range(256)),
        }[self.mode]

    def _run_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            self.queries["udp"] += 1
            name, kind, _ = _question(query)
            self.asked[name, kind] += 1
            if self.mode == "silent" or kind in self.silent:
                continue
            if kind in self.delays:
                threading.Timer(self.delays[kind], self._send, (query, peer)).start()
            else:
                self._send(query, peer)

    def _send(self, query, peer):
        with contextlib.suppress(OSError):
            self.udp.sendto(self._answer(query), peer)

    def _run_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            buffer = b""
            while part := client.recv(4096):
                buffer += part
                while len(buffer) >= 2 and len(buffer) >= 2 + buffer[0] * 256 + buffer[1]:
                    length = buffer[0] * 256 + buffer[1]
                    query, buffer = buffer[2:2 + length], buffer[2 + length:]
                    self.queries["tcp"] += 1
                    if self.mode == "silent":
                        continue
                    answer = self.honest(query)
                    client.sendall(struct.pack(">H", len(answer)) + answer)
