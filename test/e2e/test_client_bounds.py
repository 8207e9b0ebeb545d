#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much the relay's operator lets one client move and hold, in all its sessions together."""
import contextlib
import json
import os
import threading
import time

import harness
from datagrams import Association, DatagramServer
from pairs import grant, two_clients
from sockets import recv_exactly
from statuses import status_of

FAILURE = 1  # RFC 1928 section 6
RATE = 16_000_000  # bits a second
BUFFERED = 8 << 20
BYTES = 1_500_000  # of each transfer: with two of them, RATE takes 1.5 s


def bound(bits, seconds):
    """Bytes that a rate lets pass, with its burst of 20 ms and a piece for each session."""
    return bits / 8 * (1.03 * seconds + 0.02) + 2 * max(bits / 8 / 500, 1536)


def twin_of(t, guest):
    """A second local with the guest's key: a session of its own."""
    twin = t.pair(name="twin", start=False)
    twin.local_config["relay"] = guest.local_config["relay"]
    twin.local_config["private_key_file"] = guest.local_config["private_key_file"]
    twin.local_config["state_file"] = "twin.state"
    twin.write_configs()
    twin.start_local()
    return twin


def send_bytes(connection):
    """As many bytes as the client asks for."""
    connection.sendall(bytes(int(recv_exactly(connection, 12))))


def take_bytes(connection):
    """As many bytes as the client says, and then one back."""
    recv_exactly(connection, int(recv_exactly(connection, 12)))
    connection.sendall(b"!")


def download(pair, server, count, timeout=60):
    with pair.open("127.0.0.1", server.port, timeout) as s:
        s.sendall(b"%012d" % count)
        recv_exactly(s, count)


def upload(pair, server, count, timeout=60):
    with pair.open("127.0.0.1", server.port, timeout) as s:
        s.sendall(b"%012d" % count)
        s.sendall(bytes(count))
        recv_exactly(s, 1)


def seconds_of(transfers):
    """How long these functions take, all at the same time."""
    errors = []

    def run(transfer):
        try:
            transfer()
        except Exception as error:  # of the thread: told to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(transfer,)) for transfer in transfers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - began


def keeps_rate(t, direction, transfer, handle):
    server = t.server(handle)
    _, guest = two_clients(t, {"rate": {direction: RATE}}, {"workers": 2})
    twin = twin_of(t, guest)
    seconds = seconds_of([lambda p=p: transfer(p, server, BYTES) for p in (guest, twin)])
    t.check(2 * BYTES <= bound(RATE, seconds), f"{2 * BYTES} bytes in {seconds} s")


def test_a_rate_down_of_all_sessions(t):
    keeps_rate(t, "down", download, send_bytes)


def test_a_rate_up_of_all_sessions(t):
    keeps_rate(t, "up", upload, take_bytes)


def test_a_rate_of_all_clients(t):
    """Each direction keeps it, and a client with four streams gets no more than one with one."""
    pair, guest = two_clients(t, {}, {"workers": 2, "rate": RATE})
    for direction, transfer, handle in (("down", download, send_bytes), ("up", upload, take_bytes)):
        server, done = t.server(handle), []

        def one(p, transfer=transfer, server=server, done=done):
            transfer(p, server, BYTES)
            done.append(p)

        seconds = seconds_of([lambda: one(guest)] + [lambda: one(pair)] * 4)
        t.check(5 * BYTES <= bound(RATE, seconds), f"{5 * BYTES} bytes {direction} in {seconds} s")
        # Each of the four has had a quarter of that when the guest's is done.
        t.check(done[0] == guest, f"another stream was done before the guest's {direction}")


def test_a_reload_changes_the_rate_for_what_waits(t):
    server, echo = t.server(send_bytes), t.server()
    pair, guest = two_clients(t, {"rate": "64kbit"})
    with guest.open("127.0.0.1", server.port, 60) as s:
        s.sendall(b"%012d" % BYTES)  # would take 187 s
        recv_exactly(s, 20_000)
        # Another client does not wait for it.
        t.equal(len(pair.fetch("127.0.0.1", echo.port, bytes(1_000_000))), 1_000_000, "echoed")
        grant(pair, rate=None)
        recv_exactly(s, BYTES - 20_000)


def test_datagrams_keep_the_rate(t):
    """Those that exceed it wait in the queues that they have anyway, and the oldest are dropped."""
    rate = 800_000

    def answer(data, _):
        moved.append((time.monotonic(), len(data)))
        return data

    moved = []
    server = DatagramServer(t, handle=answer)
    _, guest = two_clients(t, {"rate": {"up": rate}})
    association = Association(t, guest.socks_port, (server.host, server.port))
    association.ask(b"first")
    began, before = time.monotonic(), len(moved)
    while sum(size for _, size in moved[before:]) < 100_000:
        for _ in range(20):
            association.send(bytes(1000))
        time.sleep(0.02)
    seconds, count = time.monotonic() - began, sum(size for _, size in moved[before:])
    t.check(count <= bound(rate, seconds), f"{count} bytes up in {seconds} s")


def test_answers_keep_the_rate(t):
    rate = 800_000
    server = DatagramServer(t, handle=lambda data, _: data if data == b"first" else None)
    _, guest = two_clients(t, {"rate": {"down": rate}})
    association = Association(t, guest.socks_port, (server.host, server.port))
    association.ask(b"first")
    began, count = time.monotonic(), 0
    while count < 100_000:
        for _ in range(20):
            server.send(bytes(1000), server.peers[0])
        while (answer := association.receive(0.02)) is not None:
            count += len(answer[0])
    seconds = time.monotonic() - began
    t.check(count <= bound(rate, seconds), f"{count} bytes down in {seconds} s")


def test_streams_of_all_sessions(t):
    """The client gets no further one in either session; a reload that allows more counts at once."""
    server = t.server()
    pair, guest = two_clients(t, {"max_streams": 12}, {"workers": 2})
    twin = twin_of(t, guest)
    # Far fewer in each than would make it wait for its own bound.
    streams = [p.open("127.0.0.1", server.port) for _ in range(6) for p in (guest, twin)]
    for session in (twin, guest):
        t.equal(session.reply("127.0.0.1", server.port), FAILURE, "reply beyond the bound")
        session.local.wait_output("a bound was met")
    pair.relay.wait_output(r"guest: the stream to .* was not opened: its client has as many "
                           r"streams, in all its sessions, as it may have \(clients\[\]\.max_streams\)")
    t.equal(pair.fetch("127.0.0.1", server.port, b"another"), b"another", "another client")
    # A stream that ends gives its place to any session.
    streams.pop().close()
    harness.wait_until(lambda: twin.reply("127.0.0.1", server.port) == 0, 20, "a free place")
    grant(pair, max_streams=13)
    harness.wait_until(lambda: holds(twin, server, streams), 20, "the place")
    harness.wait_until(lambda: holds(guest, server, streams), 20, "one more")
    t.equal(twin.reply("127.0.0.1", server.port), FAILURE, "reply beyond the new bound")


def holds(pair, server, streams):
    """Opens a stream, and keeps it."""
    stream, code = pair.connect("127.0.0.1", server.port)
    streams.append(stream)
    return code == 0


def test_no_client_takes_the_streams_of_others(t):
    server = t.server()
    pair, guest = two_clients(t, {}, {"workers": 2, "limits": {"streams": 8}})
    twin = twin_of(t, guest)
    streams = [p.open("127.0.0.1", server.port) for p in (guest, twin, guest, twin)]
    t.equal(twin.reply("127.0.0.1", server.port), FAILURE, "reply beyond the bound")
    pair.relay.wait_output(r"as many streams as it leaves to the others \(limits\.streams\)")
    streams += [pair.open("127.0.0.1", server.port) for _ in range(2)]


def test_data_of_all_sessions(t):
    """What waits for readers that stop: a client alone has half of the memory, whichever workers
    have its sessions, and another has the rest. A reload changes the bound at once."""
    def pour(connection):
        while True:
            connection.sendall(bytes(1 << 20))

    def held():
        return status_of(t, pair)["held"]["buffered_bytes"]

    server, echo = t.server(pour), t.server()
    pair, guest = two_clients(t, {}, {"workers": 2, "limits": {"buffered_bytes": BUFFERED}})
    readers = [guest.open("127.0.0.1", server.port) for _ in range(6)]
    harness.wait_until(lambda: held() > 0.4 * BUFFERED, 60, "much data that waits in one worker")
    twin = twin_of(t, guest)
    readers += [twin.open("127.0.0.1", server.port) for _ in range(6)]
    t.check(held() <= BUFFERED // 2, f"holds {held()} bytes")
    data = bytes(BUFFERED // 16)
    t.equal(pair.fetch("127.0.0.1", echo.port, data), data, "of another client")
    pair.relay_config["limits"]["buffered_bytes"] = 2 * BUFFERED
    grant(pair)
    harness.wait_until(lambda: held() > BUFFERED * 3 // 4, 60, "more data")
    t.check(held() <= BUFFERED, f"holds {held()} bytes with the larger bound")
    for reader in readers:
        reader.close()
    harness.wait_until(lambda: held() == 0, 60, "nothing any more")


def test_memory_that_a_client_may_have(t):
    """Two thirds of `max_memory` are for data that waits for readers, in all workers. The stream
    that holds most gives way, and the log says whose bound that is. A reload counts at once."""
    def deaf(connection):
        stop.wait(60 * harness.SLOW)

    def held():
        for stream in streams:
            with contextlib.suppress(OSError):
                while stream.send(bytes(65536)):
                    pass
        return status_of(t, pair)["held"]["buffered_bytes"]

    stop = threading.Event()
    t.stack.callback(stop.set)
    server, echo = t.server(deaf), t.server()
    pair, guest = two_clients(t, {"max_memory": "6MiB"}, {"workers": 2})
    twin = twin_of(t, guest)
    streams = [p.open("127.0.0.1", server.port) for _ in range(8) for p in (guest, twin)]
    for stream in streams:
        stream.setblocking(False)
    most = status_of(t, pair)["most"]
    t.equal([most[name] for name in ("buffered_bytes", "record_bytes", "datagram_bytes")],
            [4 << 20, 1 << 20, 1 << 20], "bounds of the memory")
    def is_met():
        held()  # sends more
        return "max_memory" in pair.relay.log()

    harness.wait_until(is_met, 60, "the bound to be met")
    t.check(held() <= 4 << 20, f"holds {held()} bytes")
    # Each reset frees what its stream held: the log tells how much there was.
    pair.relay.wait_output(r"guest: reset the stream to .*: [34]\.\d MiB of its client's max_memory for data "
                           r"\(4.0 MiB\) are in use")
    t.check(status_of(t, pair)["refused"].get("max_memory"), "no refusal in the status")
    data = bytes(BUFFERED)
    t.equal(pair.fetch("127.0.0.1", echo.port, data), data, "of another client")
    t.check("limits.buffered_bytes" not in pair.relay.log(), "the log blames the bound of all")
    grant(pair, max_memory="24MiB")
    streams += [guest.open("127.0.0.1", server.port) for _ in range(8)]
    for stream in streams:
        stream.setblocking(False)
    harness.wait_until(lambda: held() > 5 << 20, 60, "more data")


def test_flows_of_all_sessions(t):
    ports = {}

    def note_port(data, peer):
        ports.setdefault(data, set()).add(peer[1])
        return data

    def flow_of(session):
        return Association(t, session.socks_port, (server.host, server.port))

    server = DatagramServer(t, handle=note_port)
    pair, guest = two_clients(t, {"max_flows": 3})
    twin, other = twin_of(t, guest), flow_of(pair)
    other.ask(b"other")
    first = flow_of(guest)
    first.ask(b"first")
    for flow in [flow_of(twin) for _ in range(3)]:
        flow.ask(b"of the twin")
    pair.relay.wait_output(r"guest has as many flows as it may have in all its sessions "
                           r"\(clients\[\]\.max_flows\), and loses the oldest")
    for flow, text in ((first, b"first"), (other, b"other")):
        flow.ask(text)
        t.equal(len(ports[text]), 1, "ports of a flow that keeps its place")
    t.equal(len(ports[b"of the twin"]), 3, "ports of the session with most flows")


def test_a_flow_in_another_worker_makes_room(t):
    ports = {}

    def note_port(data, peer):
        ports.setdefault(data, set()).add(peer[1])
        return data

    def flow_of(session, text):
        association = Association(t, session.socks_port, (server.host, server.port))
        association.ask(text)
        return association, text

    def held():
        return status_of(t, pair)["held"]["flows"]

    server = DatagramServer(t, handle=note_port)
    pair, guest = two_clients(t, {"max_flows": 3}, {"workers": 2})
    t.equal(pair.local.stop(), 0, "exit status")  # leaves its worker to the twin
    harness.wait_until(lambda: not status_of(t, pair, "test")["sessions"], 20, "the end of a session")
    twin = twin_of(t, guest)
    t.equal({s["worker"] for s in status_of(t, pair)["sessions"]}, {0, 1}, "workers of the sessions")
    flows = [flow_of(guest, b"%d" % i) for i in range(3)]
    flows.append(flow_of(twin, b"first of the twin"))
    harness.wait_until(lambda: held() == 3, 20, "the end of the oldest")
    for association, text in flows[1:]:
        association.ask(text)
        t.equal(len(ports[text]), 1, f"ports of {text}")
    # Now each session loses its own, for those are not fewer than the other's.
    flows += [flow_of(twin, b"%d of the twin" % i) for i in range(2, 5)]
    harness.wait_until(lambda: held() == 3, 20, "the bound")
    association, text = flows[-1]
    association.ask(text)
    t.equal(len(ports[text]), 1, "ports of the last one")


QUOTA = 4 << 20
USED_UP = r"this key's quota of \d+ bytes for \d{4}-\d\d is used up \(clients\[\]\.quota\)"


def move_until_end(guest, server):
    """A download that the relay ends; the number of bytes that came."""
    count = 0
    with guest.open("127.0.0.1", server.port, 60) as s:
        s.sendall(b"%012d" % (10 * QUOTA))
        try:
            while data := s.recv(65536):
                count += len(data)
        except ConnectionResetError:
            pass
    return count


def used_of(t, name):
    """What the relay's state file says of a client, in the only month."""
    with open(os.path.join(t.directory, "relay.state"), encoding="utf-8") as file:
        (month,) = json.load(file)["usage"]["bytes"].values()
    return month[name]


def wait_refusal(pair):
    pair.relay.wait_output(f"a further session of guest was refused: {USED_UP}")


def test_a_quota(t):
    server, echo = t.server(send_bytes), t.server()
    # So slow that no more than the 3 % can be on their way when the quota is used up.
    pair, guest = two_clients(t, {"quota": QUOTA, "rate": {"down": 2 * RATE}},
                              {"state_file": "relay.state"})
    count = move_until_end(guest, server)
    t.check(count > 0.9 * QUOTA, f"cut after {count} bytes")
    pair.relay.wait_output(f"guest has ended: {USED_UP}")
    guest.local.wait_output(USED_UP)
    wait_refusal(pair)
    t.equal(pair.fetch("127.0.0.1", echo.port, b"still here"), b"still here", "another client")
    # A reload may raise it, and does not begin anew.
    grant(pair, quota=2 * QUOTA)
    harness.wait_until(lambda: guest.reply("127.0.0.1", server.port) == 0, 20, "a larger quota")
    count = move_until_end(guest, server)
    t.check(0.9 * QUOTA < count < 1.1 * QUOTA, f"cut after {count} bytes more")
    t.equal(pair.relay.stop(), 0, "exit status")
    used = used_of(t, "guest")
    t.check(2 * QUOTA <= used <= 1.03 * 2 * QUOTA, f"used {used} of {2 * QUOTA} bytes")
    # It is known after a restart. A new local does not pause before it asks.
    t.equal(guest.local.stop(), 0, "exit status")
    pair.start_relay()
    guest.start_local()
    guest.local.wait_output(USED_UP)
    wait_refusal(pair)


def test_a_quota_that_comes_with_a_reload(t):
    """Until then the file is not used."""
    server = t.server(send_bytes)
    pair, guest = two_clients(t, {}, {"state_file": "relay.state"})
    t.equal(guest.reply("127.0.0.1", server.port), 0, "a stream without a quota")
    t.check(not os.path.exists(t.path("relay.state")), "the file was made")
    grant(pair, quota=QUOTA)
    harness.wait_until(lambda: os.path.exists(t.path("relay.state")), 20, "the file")
    move_until_end(guest, server)
    guest.local.wait_output(USED_UP)
    t.equal(pair.relay.stop(), 0, "exit status")
    t.check(used_of(t, "guest") >= QUOTA, f"used {used_of(t, 'guest')} of {QUOTA} bytes")


def test_a_quota_in_all_workers(t):
    server = t.server(send_bytes)
    pair, guest = two_clients(t, {"quota": QUOTA}, {"workers": 2})
    twin = twin_of(t, guest)
    for local in (guest, twin):
        local.open("127.0.0.1", server.port).close()
    move_until_end(guest, server)
    for local in (guest, twin):
        local.local.wait_output(USED_UP)


def test_uploads_use_the_quota(t):
    server = t.server(take_bytes)
    pair, guest = two_clients(t, {"quota": QUOTA})
    with guest.open("127.0.0.1", server.port, 60) as s:
        s.sendall(b"%012d" % (10 * QUOTA))
        try:
            s.sendall(bytes(10 * QUOTA))
            t.equal(s.recv(1), b"", "the end")
        except (ConnectionResetError, BrokenPipeError):
            pass
    guest.local.wait_output(USED_UP)


def test_all_bytes_of_connections_use_the_quota(t):
    """Of short sessions, which are mostly handshakes, and of connections that carry little."""
    server = t.server()
    pair = t.pair({"budget": {"up": 2000, "down": 2000}}, {"state_file": "relay.state"}, proxy=True,
                  start=False)
    pair.relay_config["clients"][0].update(name="guest", quota="1GiB")
    pair.write_configs()
    pair.start_relay()
    for _ in range(12):
        pair.start_local()
        t.equal(pair.fetch("127.0.0.1", server.port, b"little"), b"little", "echoed")
        t.equal(pair.local.stop(), 0, "exit status")
    pair.start_local()
    t.equal(pair.fetch("127.0.0.1", server.port, bytes(20_000)), bytes(20_000), "echoed")
    t.equal(pair.local.stop(), 0, "exit status")
    harness.wait_until(lambda: pair.proxy.report()["open"] == 0, 20, "the end of all connections")
    wire = pair.proxy.report()
    carried = wire["up"] + wire["down"]
    t.equal(pair.relay.stop(), 0, "exit status")
    used = used_of(t, "guest")
    t.note(f"used {used} of {carried} bytes")
    t.check(0.97 * carried <= used <= 1.03 * carried, f"used {used} of {carried} bytes")


if __name__ == "__main__":
    harness.main(globals())
