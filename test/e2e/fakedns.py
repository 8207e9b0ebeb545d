"""A DNS server that does as it is told: answers from a table, or is silent, or lies."""
import contextlib
import socket
import struct
import threading

from harness import free_port

A, AAAA = 1, 28
TRUNCATED = 0x0200


def _question(query):
    """(name, type, end of the question section)"""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5


def _record(family, address, length=None):
    data = socket.inet_pton(socket.AF_INET if family == A else socket.AF_INET6, address)
    length = len(data) if length is None else length
    return b"\xc0\x0c" + struct.pack(">HHIH", family, 1, 1, length) + data


def _message(query, end, records, flags=0x8180, count=None):
    count = len(records) if count is None else count
    return (query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + query[12:end] +
            b"".join(records))


class FakeDns:
    """`table` maps names to lists of addresses and may be changed at any time; a name that is not
    in it does not exist. `mode` tells what is done to the answers over UDP:

    honest, silent, truncated (TC set and no records: the truth is told over TCP only), and what
    a broken or hostile server might send: rdlength, count, loop, short, garbage."""

    def __init__(self, test, table=None, mode="honest", host="127.0.0.1"):
        self.table, self.mode = dict(table or {}), mode
        self.port = free_port()
        self.host, self.server = host, f"{host}:{self.port}"
        self.queries = {"udp": 0, "tcp": 0}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        self.tcp = socket.create_server((host, self.port))
        for run in (self._run_udp, self._run_tcp):
            threading.Thread(target=run, daemon=True).start()
        test.stack.callback(self.close)

    def close(self):
        self.udp.close()
        with contextlib.suppress(OSError):
            self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()

    def honest(self, query):
        name, kind, end = _question(query)
        if name not in self.table:
            return _message(query, end, [], flags=0x8183)
        wanted = [a for a in self.table[name] if (":" in a) == (kind == AAAA)]
        return _message(query, end, [_record(kind, a) for a in wanted] if kind in (A, AAAA) else [])

    def _answer(self, query):
        if self.mode == "honest":
            return self.honest(query)
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
            if self.mode != "silent":
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
