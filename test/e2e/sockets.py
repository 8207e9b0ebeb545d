# SPDX-License-Identifier: MIT
"""Clients and servers in the process of the test: sockets, SOCKS5, a server in a thread."""
import contextlib
import socket
import struct
import threading

from basics import SLOW, Failure, free_port


def recv_exactly(s, length):
    data = b""
    while len(data) < length:
        part = s.recv(length - len(data))
        if not part:
            raise Failure(f"the stream ended after {len(data)} of {length} bytes: {data!r}")
        data += part
    return data


def recv_all(s):
    data = bytearray()
    while True:
        part = s.recv(65536)
        if not part:
            return bytes(data)
        data += part


def socks_address(host):
    for family, code in ((socket.AF_INET, b"\1"), (socket.AF_INET6, b"\4")):
        with contextlib.suppress(OSError):
            return code + socket.inet_pton(family, host)
    return b"\3" + bytes([len(host)]) + host.encode()


def socks_request(host, port, command=1):
    return bytes([5, command, 0]) + socks_address(host) + struct.pack(">H", port)


def socks_reply(s):
    """Reads one reply; returns (code, the whole reply)."""
    head = recv_exactly(s, 4)
    length = {1: 4, 4: 16}.get(head[3])
    if length is None:
        raise Failure(f"reply with address type {head[3]}")
    return head[1], head + recv_exactly(s, length + 2)


def socks_dial(port, timeout=20, proxy="127.0.0.1"):
    s = socket.create_connection((proxy, port), timeout=timeout * SLOW)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def socks_connect(proxy_port, host, port, timeout=20, proxy="127.0.0.1"):
    """A connected stream, and the reply's code: (socket, code)."""
    s = socks_dial(proxy_port, timeout, proxy)
    s.sendall(b"\5\1\0")
    if recv_exactly(s, 2) != b"\5\0":
        raise Failure("no-auth was not accepted")
    s.sendall(socks_request(host, port))
    return s, socks_reply(s)[0]


class Server:
    """A little TCP server in a thread; `handle(socket)` runs in a thread of its own."""

    def __init__(self, handle, host="127.0.0.1", port=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or free_port()
        self.socket.bind((host, self.port))
        self.socket.listen(512)
        self.handle, self.accepted, self.errors = handle, 0, []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                self.handle(client)
            except Exception as error:  # the test looks at these
                self.errors.append(error)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def echo(client):
    while data := client.recv(65536):
        client.sendall(data)
    client.shutdown(socket.SHUT_WR)
