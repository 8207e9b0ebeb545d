#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client that knows its key and sends what it likes: what it costs the relay, and that another
client is served beside it."""
import time

import harness
from evil import Evil, data, stream_open, stream_window
from fakedns import FakeDns
from pairs import grant
from statuses import status_of

# A hostile frame may cost five times the CPU of an honest one of its type. CPU is counted in ticks
# of 10 ms; sanitizers and a busy machine blur it.
COST_RATIO = 5
COST_BLUR = 0.15 * harness.SLOW
RESET_LIMIT = 9
CLOSE_LIMIT = 3
NAMES = 64
MANY_NAMES = 8000 // (1 if harness.SLOW == 1 else 4)
FILES = 200
FEW = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")


class Cost:
    """CPU seconds that the relay spends in a `with`."""

    def __init__(self, pair):
        self.pair = pair

    def __enter__(self):
        self.before = self.pair.relay.cpu_seconds()
        return self

    def __exit__(self, *_):
        self.seconds = self.pair.relay.cpu_seconds() - self.before


def setting(t, **bounds):
    """A relay with a hostile client and a bystander, whose stream to an echo is open."""
    pair = t.pair(start=False)
    evil = Evil(t, pair, **bounds)
    pair.start_relay()
    pair.start_local()
    server = t.server()
    bystander = pair.open("127.0.0.1", server.port)
    return pair, evil, bystander, server


def served(t, bystander, what):
    bystander.settimeout(30 * harness.SLOW)
    for i in range(3):
        word = b"still served %d" % i
        bystander.sendall(word)
        t.equal(harness.recv_exactly(bystander, len(word)), word, f"the bystander's echo {what}")


def compare(t, pair, what, honest, hostile, ratio=COST_RATIO):
    """Both are functions; their costs are compared."""
    with Cost(pair) as fair:
        honest()
    with Cost(pair) as foul:
        hostile()
    t.note(f"{what}: {foul.seconds:.2f} s of CPU, honest {fair.seconds:.2f}")
    t.check(foul.seconds <= ratio * fair.seconds + COST_BLUR,
            f"{what}: {foul.seconds:.2f} s of CPU, and honest frames {fair.seconds:.2f}")


HOLES = 65500 // (1 if harness.SLOW == 1 else 4)


def each_hole(streams, offsets):
    return [data(stream, offset, b"x") for stream in streams for offset in offsets]


def test_holes_in_any_order(t):
    """Bytes one by one, with a hole before each: in no order do they cost more than bytes in
    order, and neither does filling the holes."""
    pair, evil, bystander, _ = setting(t)
    orders = {
        "from the highest": range(16 * HOLES, 0, -16),
        "from the lowest": range(16, 16 * (HOLES + 1), 16),
    }
    session = evil.session()
    for what, offsets in orders.items():
        session = evil.session()
        compare(t, pair, f"holes {what}",
                lambda: session.deal(each_hole(range(1, 4), range(HOLES))),
                lambda: session.deal(each_hole(range(4, 7), offsets)))
        served(t, bystander, f"beside holes {what}")
        t.check(not session.ended, f"the session of holes {what} has ended")
    # Now from the lowest: each byte joins what is in order with the next one.
    compare(t, pair, "holes that are filled",
            lambda: session.deal(each_hole(range(7, 10), range(HOLES))),
            lambda: session.deal([data(stream, offset, bytes(16)) for stream in range(4, 7)
                                   for offset in range(0, 16 * HOLES, 16)]))
    served(t, bystander, "beside holes that are filled")
    session.close()


def test_a_frame_makes_one_stream(t):
    """A frame for the highest stream makes no record of the ones below it."""
    pair, evil, bystander, _ = setting(t)
    sessions = [evil.session() for _ in range(16)]
    harness.rest(pair.relay.rss_kib, 0.3, 20)
    before = pair.relay.rss_kib()
    for session in sessions:
        session.deal([stream_window(session.stream_limit, 1 << 25)])
    grown = pair.relay.rss_kib() - before
    served(t, bystander, "beside one frame")
    if t.sanitized:
        t.note(f"{grown} KiB")
    else:
        t.at_most(grown, 4096, "KiB the relay grew by with one frame in each of 16 sessions")


def test_names_of_one_client(t):
    """A client whose names nobody answers meets its bound alone, in all workers, and another
    resolves its own."""
    pair = t.pair({"dns": {"resolve": "relay"}}, {"workers": 2}, start=False)
    pair.relay_config["dns"] = {"servers": [FakeDns(t, mode="silent").server],
                                "max_waiting": NAMES}
    evil = Evil(t, pair)
    pair.start_relay()
    pair.start_local()
    server = t.server()
    for refused in (NAMES // 2, NAMES):
        session = evil.session()
        session.deal([stream_open(i + 1, f"name-{i}.example.com", 80) for i in range(NAMES)])
        session.await_told(lambda s=session, n=refused: len(s.told.resets) >= n, "refusals of names")
        t.equal(set(session.told.resets.values()), {RESET_LIMIT}, "codes of the refusals")
    # Answers need no server here, but a place.
    stream = pair.open("localhost", server.port)
    served(t, stream, "by a name")


def test_names_that_a_client_may_look_up(t):
    """`max_names` of a client, over its sessions in two workers; a reload counts at once."""
    pair = t.pair(relay={"workers": 2}, start=False)
    pair.relay_config["dns"] = {"servers": [FakeDns(t, mode="silent").server]}
    pair.relay_config["limits"] = {"max_names": 7}
    evil = Evil(t, pair, max_names=5)
    pair.start_relay()

    def look_up(most):
        sessions = [evil.session() for _ in range(2)]
        for session in sessions:
            session.deal([stream_open(i, f"name-{i}.example.com", 80) for i in range(1, 11)])
        harness.wait_until(lambda: status_of(t, pair, "evil")["held"]["names"] == most, 20,
                           f"{most} names")
        return sessions

    sessions = look_up(5)
    pair.relay.wait_output(r"evil: the stream to .* was not opened: its client looks up as many names "
                           r"as it may \(max_names of clients\[\] or limits\)")
    client = status_of(t, pair, "evil")
    t.equal((client["most"]["names"], client["refused"]), (5, {"max_names": 15}), "names")
    t.equal(status_of(t, pair, "test")["most"]["names"], 7, "names of a client that has no own bound")

    def refusals():
        for session in sessions:
            session.pump()
        return [code for session in sessions for code in session.told.resets.values()]
    harness.wait_until(lambda: len(refusals()) >= 15, 20, "the refusals")
    t.equal(refusals(), 15 * [RESET_LIMIT], "codes of the refusals")
    grant(pair, max_names=8)
    harness.wait_until(lambda: status_of(t, pair, "evil")["most"]["names"] == 8, 20, "the reload")
    look_up(8)


def test_names_that_are_given_up_together(t):
    """Many names that wait cost no more each than few do."""
    pair = t.pair(start=False)
    pair.relay_config["dns"] = {"servers": [FakeDns(t, mode="silent").server],
                                "max_waiting": 2 * MANY_NAMES, "timeout": 1}
    evil = Evil(t, pair)
    pair.start_relay()

    def look_up(count):
        session = evil.session()
        session.send([stream_open(i + 1, f"name-{i}.example.com", 80) for i in range(count)])
        session.await_told(lambda: len(session.told.resets) == count, "names to be given up")
        t.equal(len(session.told.resets), count, "names that were given up")
        session.close()
    few = MANY_NAMES // 8
    # Few use the same memory again and again, and many need fresh pages for 90 MB. A cost that
    # grew with the square of their number would be 60 times as much.
    compare(t, pair, "names that wait", lambda: [look_up(few) for _ in range(8)],
            lambda: look_up(MANY_NAMES), ratio=3 * COST_RATIO)


def test_dials_of_one_client(t):
    """So many connections to destinations a second by its sessions in all workers, after a
    burst of ten seconds' worth."""
    pair = t.pair(relay={"workers": 2}, start=False)
    evil = Evil(t, pair, dials_per_second=5)
    pair.start_relay()
    pair.start_local()
    server, origin = t.server(), t.origin()
    host, port = origin.dest.split(":")
    sessions = [evil.session() for _ in range(2)]
    start = time.monotonic()
    for session in sessions:
        session.deal([stream_open(i + 1, host, int(port)) for i in range(1000)])
    for session in sessions:
        session.await_told(lambda s=session: len(s.told.resets) >= 800, "refusals")
        t.equal(set(session.told.resets.values()), {RESET_LIMIT}, "codes of the refusals")
    opened = origin.report()["connections"]
    most = 10 * 5 + 5 * (time.monotonic() - start) + 2
    t.check(50 <= opened <= most, f"{opened} connections, at most {most:.0f} wanted")
    served(t, pair.open("127.0.0.1", server.port), "beside many dials")


def test_descriptors_of_one_client(t):
    """A client gets no more descriptors than it leaves to the others."""
    pair = t.pair(start=False)
    evil = Evil(t, pair)
    pair.start_relay(under=FEW)
    pair.start_local()
    server, origin = t.server(), t.origin()
    host, port = origin.dest.split(":")
    session = evil.session()
    session.deal([stream_open(i + 1, host, int(port)) for i in range(1000)])
    session.await_told(lambda: len(session.told.resets) >= 800, "refusals")
    t.equal(set(session.told.resets.values()), {RESET_LIMIT}, "codes of the refusals")
    for _ in range(FILES):
        session.join()
    session.pump()
    held = pair.relay.descriptors()
    t.at_most(held, FILES * 3 // 4, "descriptors of the relay, with silent connections")
    others = [pair.open("127.0.0.1", server.port) for _ in range(5)]
    for other in others:
        served(t, other, "beside many descriptors")


def test_descriptors_that_a_client_may_have(t):
    """`max_descriptors`: so many sockets to destinations, and so many connections with it."""
    pair, evil, _, server = setting(t, max_descriptors=64)
    host, port = t.origin().dest.split(":")
    session = evil.session()
    session.deal([stream_open(i + 1, host, int(port)) for i in range(100)])
    session.await_told(lambda: len(session.told.resets) >= 36, "refusals")
    t.equal(list(session.told.resets.values()), 36 * [RESET_LIMIT], "codes of the refusals")
    pair.relay.wait_output(r"evil: the stream to .* was not opened: its client has as many connections "
                           r"to destinations as it may have \(max_descriptors of clients\[\] or limits\)")
    held = []

    # The relay gives up those that acknowledge nothing, so that others can follow.
    def join_some():
        for _ in range(10):
            session.join()
        session.pump()
        held.append(status_of(t, pair, "evil")["held"]["subflows"])
        return max(held) > 48
    harness.wait_until(join_some, 20, "many connections at once")
    for _ in range(10):
        join_some()
    t.at_most(max(held), 64, "connections")
    client = status_of(t, pair, "evil")
    t.equal(client["held"]["destinations"], 64, "sockets to destinations")
    t.equal(client["refused"], {"max_descriptors": 36}, "what was refused")
    for i in range(2):
        served(t, pair.open("127.0.0.1", server.port), f"beside many descriptors, {i}")


def test_streams_that_need_too_much_memory(t):
    """The records of streams have a sixth of `max_memory`: a session that needs more ends, and is
    told whose bound that is."""
    pair, evil, bystander, _ = setting(t, max_memory="6MiB")
    session = evil.session()
    session.send([stream_window(i + 1, 1) for i in range(2000)])
    session.await_told(lambda: session.told.closed, "the end of the session")
    t.check("more memory than the client may have (max_memory" in session.told.closed[1],
            f"told {session.told.closed}")
    pair.relay.wait_output(r"of evil has ended: its streams need more memory than the client may have")
    served(t, bystander, "beside many records")


def test_sessions_of_one_client(t):
    """max_sessions counts the sessions of all workers; a refused one is told why."""
    pair = t.pair({}, {"workers": 4}, start=False)
    evil = Evil(t, pair, max_sessions=2)
    pair.start_relay()
    sessions = [evil.session() for _ in range(16)]
    for session in sessions:
        session.await_told(lambda: session.told.acked or session.told.closed, "an answer")
    closed = [session.told.closed for session in sessions if session.told.closed]
    t.equal(len(closed), len(sessions) - 2, "refused sessions")
    t.equal({code for code, _ in closed}, {CLOSE_LIMIT}, "codes of the refusals")
    pair.start_local()
    served(t, pair.open("127.0.0.1", t.server().port), "in a session of another client")


if __name__ == "__main__":
    harness.main(globals())
