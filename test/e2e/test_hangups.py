#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ends that neither reading nor writing shows: peers that hang up, vanish or only seem to be there."""
import contextlib
import os
import socket
import struct
import subprocess
import threading
import time

import harness
from datagrams import Association
from harness import recv_all, wait_until

HOST = "127.0.0.1"
NEVER = {"half_closed": None, "keepalive": None}
SOON = {"half_closed": 1, "keepalive": None}


class Origin:
    """Keeps its connections, and does with each what `serve` says."""

    def __init__(self, t, serve=lambda client: None):
        self.clients, self.done = [], threading.Event()
        t.stack.callback(self.done.set)

        def handle(client):
            self.clients.append(client)
            serve(client)
            self.done.wait(600)
        self.server = t.server(handle)
        self.port = self.server.port

    def ended(self):
        """How many connections the other end has closed or reset, whatever was sent before."""
        count = 0
        for client in self.clients:
            client.setblocking(False)
            try:
                while client.recv(65536):
                    pass
                # Half-closed or closed: writing tells.
                client.send(b"x")
                time.sleep(0.05)
                client.send(b"x")
            except BlockingIOError:
                continue
            except OSError:
                count += 1
        return count


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def fill(client):
    """Writes until nothing more is taken."""
    client.setblocking(False)
    quiet = time.monotonic()
    while time.monotonic() - quiet < 0.5:
        try:
            client.send(b"x" * 65536)
            quiet = time.monotonic()
        except BlockingIOError:
            time.sleep(0.02)


def both_ways(t, timeouts):
    """A pair whose streams go through the relay, and one that connects by itself."""
    direct = {"rules": [{"action": "direct"}], "timeouts": timeouts}
    return [t.pair({"timeouts": timeouts}, {"timeouts": timeouts}),
            t.pair(direct, {"timeouts": timeouts}, name="direct")]


def expect_free(t, pair, before, what):
    """Local and relay have as many descriptors as before, and serve."""
    for process, count in before.items():
        # A subflow may have come or gone meanwhile.
        wait_until(lambda: process.descriptors() <= count + 2, 30,
                   f"{process.name} to let go of {what}: {process.descriptors()} of {count}")
    echo = t.server()
    t.equal(pair.fetch(HOST, echo.port, b"hello"), b"hello", "an echo afterwards")


def descriptors(pair):
    return {process: process.descriptors() for process in (pair.local, pair.relay)}


def send_and_close(pair, origin, data):
    with pair.open(HOST, origin.port) as client:
        client.sendall(data)


def test_closed_clients_of_silent_origins(t):
    for pair in both_ways(t, SOON):
        origin = Origin(t)
        before = descriptors(pair)
        for _ in range(20):
            send_and_close(pair, origin, b"request")
        expect_free(t, pair, before, "20 streams of closed clients")
        log = pair.local.log() + pair.relay.log()
        t.check("timeouts.half_closed" in log, "no log names the time-out")


def test_closed_clients_of_deaf_origins(t):
    for pair in both_ways(t, SOON):
        origin = Origin(t)
        before = descriptors(pair)
        for _ in range(3):
            send_and_close(pair, origin, b"x" * 100000)
        expect_free(t, pair, before, "streams whose origin reads nothing")


def test_origins_that_end_and_clients_that_stay(t):
    for pair in both_ways(t, SOON):
        origin = Origin(t, lambda client: client.shutdown(socket.SHUT_WR))
        before = descriptors(pair)
        clients = [pair.open(HOST, origin.port) for _ in range(3)]
        expect_free(t, pair, before, "streams whose client never ends")
        for client in clients:
            client.close()


def test_what_moves_is_not_ended(t):
    """Half-closed for several times the time-out, with an answer that trickles, then with an upload
    that is read slowly, most of which lies in queues on the way."""
    size = 3 << 20

    def trickle(client):
        client.recv(100)
        for _ in range(12):
            time.sleep(0.4)
            client.sendall(b"x")
        client.close()

    def read_slowly(client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        total = 0
        while part := client.recv(size // 30):
            total += len(part)
            time.sleep(0.1)
        client.sendall(b"%d" % total)
        client.close()
    for pair in both_ways(t, SOON):
        for serve, request, answer in ((trickle, b"go", b"x" * 12),
                                       (read_slowly, b"x" * size, b"%d" % size)):
            origin = Origin(t, serve)
            t.equal(pair.fetch(HOST, origin.port, request, 60), answer, serve.__name__)


def test_a_client_that_pauses_gets_all(t):
    """The origin has ended long before the client reads what it sent."""
    size = 3 << 20

    def serve(client):
        client.sendall(b"x" * size)
        client.close()
    for pair in both_ways(t, SOON):
        origin = Origin(t, serve)
        client = pair.open(HOST, origin.port)
        time.sleep(3)
        t.equal(len(recv_all(client)), size, "bytes")


def test_resets_after_half_closing(t):
    for pair in both_ways(t, NEVER):
        origin = Origin(t)
        client = pair.open(HOST, origin.port)
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: origin.clients and origin.clients[0].recv(100), what="the request")
        t.equal(origin.clients[0].recv(100), b"", "the end of the request")
        t.equal(origin.ended(), 0, "ends before the reset")
        reset(client)
        wait_until(lambda: origin.ended() == 1, 30, "the reset to be passed on")


def test_resets_while_the_upload_is_stuck(t):
    for pair in both_ways(t, NEVER):
        origin = Origin(t)
        before = descriptors(pair)
        client = pair.open(HOST, origin.port)
        fill(client)
        reset(client)
        expect_free(t, pair, before, "the stuck upload")
        wait_until(lambda: origin.ended() == 1, 30, "the reset to be passed on")


def test_an_origin_that_resets_a_silent_client(t):
    for pair in both_ways(t, NEVER):
        origin = Origin(t)
        client = pair.open(HOST, origin.port)
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: origin.clients, what="the connection")
        time.sleep(0.3)
        before = descriptors(pair)
        reset(origin.clients[0])
        with contextlib.suppress(ConnectionResetError):
            client.settimeout(30 * harness.SLOW)
            t.equal(recv_all(client), b"", "what came")
        expect_free(t, pair, before, "the stream")


def test_clients_that_hang_up_while_their_name_is_looked_up(t):
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind((HOST, 0))
    t.stack.callback(dns.close)
    server = f"{HOST}:{dns.getsockname()[1]}"
    pair = t.pair({"timeouts": NEVER, "dns": {"servers": [server]}})
    client = harness.socks_dial(pair.socks_port)
    client.sendall(b"\5\1\0")
    harness.recv_exactly(client, 2)
    client.sendall(harness.socks_request("silent.example", 80))
    dns.settimeout(20 * harness.SLOW)
    dns.recv(512)
    reset(client)
    wait_until(lambda: "has hung up" in pair.local.log(), 5, "local to see it")


def connect(t, pair, origin, **options):
    """`splitsocks connect` to the origin: through the running local, and by a session of its own."""
    config = dict(pair.local_config)
    if options.pop("own", False):
        config["listen"] = [{"protocol": "forward", "port": 0, "to": f"{HOST}:{origin.port}"}]
    path = t.write_json(t.unique("connect") + ".json", config)
    return subprocess.Popen([harness.SPLITSOCKS, "connect", "-c", path, HOST, str(origin.port)],
                            stderr=subprocess.DEVNULL, **options)


def test_connect_ends_when_nobody_reads_it(t):
    """The reader of `connect` is gone, while the origin is silent and deaf."""
    pair = t.pair({"timeouts": NEVER}, {"timeouts": NEVER})
    for own in (False, True):
        for kind in ("output", "stuck", "socket"):
            origin = Origin(t)
            if kind == "socket":
                ours, theirs = socket.socketpair()
                process = connect(t, pair, origin, own=own, stdin=theirs, stdout=theirs)
                theirs.close()
            else:
                process = connect(t, pair, origin, own=own, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
            t.stack.callback(process.kill)
            wait_until(lambda: origin.clients, 20, "the connection")
            if kind == "socket":
                fill(ours)
                ours.close()
            else:
                os.set_blocking(process.stdin.fileno(), False)
                if kind == "stuck":
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            os.write(process.stdin.fileno(), b"x" * 65536)
                            time.sleep(0.005)
                process.stdout.close()
            try:
                process.wait(20 * harness.SLOW)
            except subprocess.TimeoutExpired:
                raise harness.Failure(f"connect stays behind: {kind}, own session {own}") from None
            finally:
                process.kill()
                process.wait()
            wait_until(lambda: origin.ended() == 1, 30, "the origin to be told")


def test_connect_ends_when_local_vanishes(t):
    """A running local that is killed looks like a destination that has only finished, as long as its
    machine is not asked."""
    netns = t.netns("n")
    netns.sysctl("net.ipv4.tcp_fin_timeout", 1)
    with netns.inside():
        origin = Origin(t)
        pair = t.pair({"timeouts": {"half_closed": None, "keepalive": 1}}, local_netns=netns,
                      relay_netns=netns)
        process = connect(t, pair, origin, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        t.stack.callback(process.kill)
        wait_until(lambda: origin.clients, 20, "the connection")
        time.sleep(0.3)
        pair.local.kill()
        wait_until(lambda: process.poll() is not None, 30, "connect to end")
        t.equal(process.returncode, 1, "status of connect")


def timers(netns_text, port, local):
    """The timers of the established sockets at `port`, by /proc/net/tcp (2: keepalive)."""
    found = []
    for line in netns_text.splitlines()[1:]:
        fields = line.split()
        if int(fields[1 if local else 2].rpartition(":")[2], 16) == port and fields[3] == "01":
            found.append(int(fields[5].partition(":")[0]))
    return found


def test_keepalive_runs_on_all_plain_sockets(t):
    """Accepted by a SOCKS5 and a forward listener, dialled by the relay and by local, and of an
    association; not without."""
    for timeouts, wanted in (({}, 2), ({"keepalive": None}, 0)):
        origin, other = Origin(t), Origin(t)
        forward = harness.free_port()
        pair = t.pair({"timeouts": timeouts,
                       "rules": [{"port": other.port, "action": "direct"}]},
                      {"timeouts": timeouts}, start=False, name=t.unique("keepalive"))
        pair.local_config["listen"].append({"protocol": "forward", "address": HOST, "port": forward,
                                            "to": f"{HOST}:{origin.port}"})
        pair.write_configs()
        pair.start_relay()
        pair.start_local()
        clients = [pair.open(HOST, origin.port), pair.open(HOST, other.port),
                   harness.socks_dial(forward), Association(t, pair.socks_port).control]
        wait_until(lambda: len(origin.clients) == 2 and len(other.clients) == 1, 20, "all of them")

        def seen():
            with open("/proc/net/tcp") as f:
                text = f.read()
            return (timers(text, pair.socks_port, True) + timers(text, forward, True) +
                    timers(text, origin.port, False) + timers(text, other.port, False))
        # A retransmission, or data without an ACK, has timers of its own.
        wait_until(lambda: seen() == [wanted] * 7, 20, f"timers: {seen()}, wanted {wanted}")
        for client in clients:
            client.close()


def test_a_peer_that_vanishes(t):
    """A client's machine is gone without a word: the kernel is told to ask for it."""
    here, there = t.netns("local"), t.netns("client")
    here.ip("link add veth0 type veth peer name veth1")
    here.ip(f"link set veth1 netns {there.holder.pid}")
    here.ip("addr add 10.99.0.1/24 dev veth0")
    here.ip("link set veth0 up")
    there.ip("addr add 10.99.0.2/24 dev veth1")
    there.ip("link set veth1 up")
    port = harness.free_port()
    timeouts = {"half_closed": None, "keepalive": 1}
    pair = t.pair({"timeouts": timeouts,
                   "listen": [{"protocol": "socks5", "address": "10.99.0.1", "port": port,
                               "users": {"ann": "secret"}}]},
                  {"timeouts": timeouts}, local_netns=here, relay_netns=here)
    told = threading.Event()

    def wait_for_end(client):
        with contextlib.suppress(OSError):
            client.recv(1)
        told.set()
    with here.inside():
        origin = Origin(t, wait_for_end)
    with there.inside():
        client = socket.create_connection(("10.99.0.1", port), timeout=20 * harness.SLOW)
    client.sendall(b"\5\1\2")
    harness.recv_exactly(client, 2)
    client.sendall(b"\1\3ann\6secret")
    harness.recv_exactly(client, 2)
    client.sendall(harness.socks_request(HOST, origin.port))
    t.equal(harness.socks_reply(client)[0], 0, "reply")
    time.sleep(3)  # the kernel of a client that is there answers
    t.check(not told.is_set(), "the stream has ended before its client did")
    there.ip("link set veth1 down")
    wait_until(told.is_set, 60, "the origin to be told")
    client.close()


if __name__ == "__main__":
    harness.main(globals())
