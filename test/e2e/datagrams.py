# SPDX-License-Identifier: MIT
"""Datagrams in the process of the test: servers, associations, clients of forwards."""
import contextlib
import socket
import struct
import threading

from basics import SLOW, Failure, free_port
from sockets import recv_exactly, socks_address, socks_dial, socks_reply, socks_request

LARGEST = 65507  # of a datagram
HEADER_4, HEADER_6, HEADER_NAME = 10, 22, 7  # of SOCKS; the last without the name
AGAIN = 0.5  # seconds after which a request is repeated, as all programs with datagrams do


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def is_bound(address):
    """Whether some IPv4 socket of this namespace has the address and port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.bind(address)
        except OSError:
            return True
        return False


def forward(to, address="127.0.0.1", **more):
    """A forward listener for datagrams, and its address."""
    port = free_port(socket.SOCK_DGRAM)
    listener = {"protocol": "forward", "network": "udp", "address": address, "port": port,
                "to": f"[{to[0]}]:{to[1]}" if ":" in to[0] else f"{to[0]}:{to[1]}"}
    return {**listener, **more}, (address, port)


class DatagramServer:
    """Answers each datagram with what `handle(bytes, address)` returns, by default the same."""

    def __init__(self, test, host="127.0.0.1", handle=lambda data, _: data, port=None):
        self.host, self.port = host, port or free_port(socket.SOCK_DGRAM)
        self.socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self.socket.bind((host, self.port))
        self.handle, self.seen, self.peers = handle, [], []
        self.open = True
        threading.Thread(target=self._run, daemon=True).start()
        test.stack.callback(self.close)

    def _run(self):
        while self.open:
            try:
                data, address = self.socket.recvfrom(65536)
            except OSError:
                return
            if not self.open:
                return
            self.seen.append(data)
            self.peers.append(address[:2])
            answer = self.handle(data, address)
            if answer is not None:
                with contextlib.suppress(OSError):
                    self.socket.sendto(answer, address)

    def send(self, data, address):
        self.socket.sendto(data, address)

    def close(self):
        if not self.open:
            return
        self.open = False
        # A close does not wake a thread that reads. (A namespace that is gone has none to wake.)
        with socket.socket(family_of(self.host), socket.SOCK_DGRAM) as s:
            with contextlib.suppress(OSError):
                s.sendto(b"", (self.host, self.port))
        self.socket.close()


class DatagramClient:
    """A socket that asks, again and again until there is an answer."""

    def __init__(self, test, to, host=None):
        self.to = to
        self.socket = socket.socket(family_of(to[0]), socket.SOCK_DGRAM)
        if host is not None:
            self.socket.bind((host, 0))
        test.stack.callback(self.socket.close)

    def send(self, data):
        self.socket.sendto(self.wrap(data), self.to)

    def receive(self, seconds=AGAIN):
        """The next datagram and the address that it came from; None when none has come."""
        self.socket.settimeout(seconds)
        try:
            data, address = self.socket.recvfrom(65536)
        except socket.timeout:
            return None
        return self.unwrap(data, address[:2])

    def wrap(self, data):
        return data

    def unwrap(self, data, address):
        return data, address

    def ask(self, data, wanted=None, seconds=20, what="an answer"):
        """Sends until the wanted answer comes, by default the same; returns its address."""
        wanted = data if wanted is None else wanted
        for _ in range(int(seconds * SLOW / AGAIN)):
            self.send(data)
            while (answer := self.receive()) is not None:
                if answer[0] == wanted:
                    return answer[1]
        raise Failure(f"waited {seconds * SLOW} s in vain for {what}")


class Association(DatagramClient):
    """A SOCKS5 client's association. `destination` is where its datagrams go."""

    def __init__(self, test, proxy_port, destination=None, proxy="127.0.0.1", users=None,
                 request=("0.0.0.0", 0), client=None):
        self.control = socks_dial(proxy_port, proxy=proxy)
        test.stack.callback(self.control.close)
        self.control.sendall(b"\5\1\2" if users else b"\5\1\0")
        method = recv_exactly(self.control, 2)
        if users:
            name, password = (text.encode() for text in users)
            self.control.sendall(b"\1" + bytes([len(name)]) + name + bytes([len(password)]) + password)
            method = recv_exactly(self.control, 2)
        if method[1] not in (0, 2):
            raise Failure(f"authentication: {method!r}")
        if request[1] == "mine":  # a socket of the same kind as is used later
            self.prepared = socket.socket(family_of(proxy), socket.SOCK_DGRAM)
            self.prepared.bind((proxy, 0))
            request = (request[0], self.prepared.getsockname()[1])
        else:
            self.prepared = None
        self.control.sendall(socks_request(*request, command=3))
        self.code, reply = socks_reply(self.control)
        if self.code != 0:
            return
        length = {1: 4, 4: 16}[reply[3]]
        family = {1: socket.AF_INET, 4: socket.AF_INET6}[reply[3]]
        host = socket.inet_ntop(family, reply[4:4 + length])
        self.bound = (host, struct.unpack(">H", reply[4 + length:])[0])
        self.destination, self.fragment = destination, 0
        super().__init__(test, self.bound, client)
        if self.prepared is not None:
            self.socket.close()
            self.socket = self.prepared
            test.stack.callback(self.socket.close)

    def wrap(self, data):
        host, port = self.destination
        return bytes([0, 0, self.fragment]) + socks_address(host) + struct.pack(">H", port) + data

    def unwrap(self, data, address):
        if address[1] != self.bound[1]:
            raise Failure(f"an answer from {address} rather than {self.bound}")
        length = {1: 4, 4: 16}[data[3]]
        family = {1: socket.AF_INET, 4: socket.AF_INET6}[data[3]]
        host = socket.inet_ntop(family, data[4:4 + length])
        return data[6 + length:], (host, struct.unpack(">H", data[4 + length:6 + length])[0])

    def renew(self):
        """Goes on from another port."""
        host = self.socket.getsockname()[0]
        self.socket.close()
        self.socket = socket.socket(family_of(self.to[0]), socket.SOCK_DGRAM)
        if host not in ("0.0.0.0", "::"):
            self.socket.bind((host, 0))
