#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What hostile frames and handshakes cost in CPU, against as many honest ones of their type, and
that the memory they take is charged to their client."""
import contextlib
import json
import random
import socket
import struct

import harness
from evil import PING, Evil, close, data, stream_open, stream_window
from fakedns import FakeDns
from foes import Foes
from sockets import recv_all
from statuses import ask

SANITIZED = "sanitizers cost more than what is measured"
RATIO = 5
# Caches that others use make a measure too long and never too short, so the least one of some turns
# counts. What costs more than it should does so in every turn.
TURNS = 6
# CPU seconds of the honest ones, which are repeated until they take so long.
ENOUGH = 0.02

# The header of a connection to an origin that sends back what comes (load.h).
ECHO = struct.pack(">4sIQQQ", b"SLD1", 1, 0, 0, 0)

BUFFERED = 4 << 20
NAMES = 512
REPEATS = 4
# What the relay takes for a session and its subflows, besides what is counted in bytes: 33 KiB were
# measured; for each of the names that a client may have looked up: 11 KiB; and what an allocator
# keeps.
SESSION_KIB = 64
NAMES_KIB = NAMES // 2 * 16
SLACK_KIB = 12 * 1024


class Guests(Foes):
    """Honest twins of the patterns, with as many frames, bytes or handshakes. Each session is
    closed, so that it costs nothing later."""

    @contextlib.contextmanager
    def session(self):
        with super().session() as session:
            yield session
            session.send([close()])

    def crumbs_in_order(self):
        self.send([data(stream, at, b"x") for stream in (1, 2) for at in range(4000)])

    def crumbs_and_pages_in_order(self):
        self.send([data(1, at, b"x") for at in range(4000)] +
                  [data(1, 4000 + 8000 * at, bytes(8000)) for at in range(8)])

    def pages_in_order(self):
        self.send([data(1, 4000 * at, bytes(4000)) for at in range(200)])

    def lines_in_order(self):
        self.send([data(1, 200 * at, bytes(200)) for at in range(4000)])

    def one_line(self):
        self.send([data(1, 0, bytes(200))])

    def few_windows(self):
        self.send([stream_window(1, (1 << 25) + at) for at in range(64)])

    def windows(self):
        self.send([stream_window(1 + at % 64, (1 << 25) + at) for at in range(20000)])

    def words_beside_few_records(self):
        with self.session() as session:
            session.send([stream_window(1 + at % 64, (1 << 25) + at) for at in range(16000)])
            self.word_by_word(session)

    def records(self):
        self.send([stream_window(stream, 1 << 25) for stream in range(1, 4001)])

    def openings(self):
        self.send([stream_open(i + 1, *self.dest) for i in range(400)])

    def half_as_many_openings(self):
        self.send([stream_open(i + 1, *self.dest) for i in range(200)])

    def openings_by_name(self):
        self.send([stream_open(i + 1, "localhost", self.dest[1]) for i in range(300)])

    def subflows(self):
        with self.session() as session:
            for _ in range(20):
                session.join(PING)

    def hellos(self):
        for _ in range(30):
            self.one_line()

    def few_hellos(self):
        for _ in range(10):
            self.one_line()

    def pings(self):
        """A chunk for each, as the keepalive of an idle subflow has."""
        with self.session() as session:
            session.subflows[0].send([PING] * 16000, len(PING))

    def lines_one_by_one(self):
        with self.session() as session:
            for i in range(200):
                session.send([data(1, 100 * i, bytes(100))])

    def requests(self):
        for _ in range(30):
            self.pair.open(*self.dest).close()

    def readers(self):
        """Of an echo, to its end."""
        word = bytes(32)
        for _ in range(10):
            with self.pair.open(*self.dest) as stream:
                stream.sendall(ECHO + word)
                stream.shutdown(socket.SHUT_WR)
                recv_all(stream)


TWINS = {
    "acks_of_nothing": Guests.one_line,
    "bytes_beyond_credit": Guests.one_line,
    "bytes_that_overlap": Guests.lines_in_order,
    "crumbs": Guests.lines_one_by_one,
    "crumbs_beside_records": Guests.words_beside_few_records,
    "dials": Guests.half_as_many_openings,
    "dials_that_are_refused": Guests.openings,
    "ends_that_contradict": Guests.one_line,
    "frames_of_flows": Guests.one_line,
    "frames_of_length_one": Guests.pings,
    "garbage": Guests.one_line,
    "garbage_at_local": Guests.requests,
    "half_a_request_at_local": Guests.requests,
    "holes_anywhere": Guests.crumbs_in_order,
    "holes_from_the_highest": Guests.crumbs_in_order,
    "holes_that_are_filled": Guests.crumbs_and_pages_in_order,
    "names_that_nobody_answers": Guests.openings_by_name,
    "one_record_again": Guests.windows,
    "parked_bytes": Guests.pages_in_order,
    "readers_that_leave": Guests.readers,
    "records_of_streams": Guests.few_windows,
    "resets_of_nothing": Guests.records,
    "sessions": Guests.few_hellos,
    "streams_beyond_the_limit": Guests.one_line,
    "streams_that_end_at_once": Guests.openings,
    "strangers_that_join": Guests.hellos,
    "strangers_with_a_hello": Guests.hellos,
    "strangers_with_a_recording": Guests.hellos,
    "strangers_with_an_altered_recording": Guests.hellos,
    "strangers_with_garbage": Guests.hellos,
    "strangers_with_half_a_word": Guests.hellos,
    "subflows_that_come_and_go": Guests.subflows,
    "subflows_that_say_nothing": Guests.subflows,
    "the_same_bytes_again": Guests.pages_in_order,
}


class Meter:
    """Of the processor's time that the daemons have used."""

    def __init__(self, pair):
        self.daemons = (pair.relay, pair.local)

    def now(self):
        return sum(daemon.cpu_nanoseconds() for daemon in self.daemons)

    def cost(self, act, count):
        """CPU seconds of so many, until the daemons rest."""
        before = self.now()
        for _ in range(count):
            act()
        harness.rest(self.now, 0.1, 60, "the daemons")
        return (self.now() - before) / 1e9

    def repeated(self, act):
        """How often the act is done to cost enough, and what that has cost."""
        count, seconds = 1, 0.0
        while seconds < ENOUGH:
            count *= 2
            seconds = self.cost(act, count)
        return count, seconds


def setting(t, sessions, names=4096, **relay):
    """A relay that lets one client do much, and that client."""
    pair = t.pair(relay=relay, start=False)
    pair.relay_config["dns"] = {"servers": [FakeDns(t, mode="silent").server], "timeout": 1,
                                "max_waiting": names}
    evil = Evil(t, pair, max_sessions=sessions, dials_per_second=1000000)
    pair.start_relay()
    pair.start_local()
    return pair, evil


def compare(t, meter, pattern, hostile, honest, measured):
    """In turns, until the least hostile cost is at most RATIO times the least honest one."""
    twin = TWINS[pattern].__name__
    count, least = measured[twin]
    foul = meter.cost(hostile, count)
    for _ in range(TURNS - 1):
        if foul <= RATIO * least:
            break
        least = min(least, meter.cost(honest, count))
        foul = min(foul, meter.cost(hostile, count))
    measured[twin] = count, least
    t.note(f"{pattern}: {foul / least:.2f} times {twin} ({least / count * 1e6:.0f} us)")
    t.check(foul <= RATIO * least,
            f"{pattern} takes {foul:.3f} s of CPU, and {twin} {least:.3f}")


def test_costs(t):
    if t.sanitized:
        raise harness.Skip(SANITIZED)
    t.equal(sorted(TWINS), Foes.names(), "patterns with an honest twin")
    pair, evil = setting(t, 1000, linger=1)
    guests, meter = Guests(pair, evil, t.origin().dest, random.Random(1)), Meter(pair)
    guests.hellos()
    pair.fetch(*guests.dest)
    measured = {twin.__name__: meter.repeated(lambda twin=twin: twin(guests))
                for twin in set(TWINS.values())}
    for pattern, twin in TWINS.items():
        compare(t, meter, pattern, lambda pattern=pattern: guests.do(pattern),
                lambda twin=twin: twin(guests), measured)


def held_by(t, pair, name):
    """What a client holds of what is counted, and what there is for all."""
    found = json.loads(ask(t, pair.relay_path, "--json"))
    client = next(client for client in found["clients"] if client["name"] == name)
    return client["held"], found["process"]["most"]


def test_memory(t):
    """What each pattern leaves in sessions that linger: at most half of what there is, as an
    account has it, and the process grows by no more than that tells."""
    if t.sanitized:
        raise harness.Skip(SANITIZED)
    pair, evil = setting(t, 400, NAMES, linger=300, limits={"buffered_bytes": BUFFERED})
    foes = Foes(pair, evil, t.origin().dest, random.Random(1))
    foes.do("sessions")
    harness.rest(pair.relay.rss_kib, 0.3, 20, "the relay's memory")
    first = pair.relay.rss_kib()
    for pattern in Foes.names():
        for _ in range(REPEATS):
            foes.do(pattern)
        held, most = held_by(t, pair, "evil")
        for what in ("buffered_bytes", "record_bytes", "datagram_bytes"):
            t.check(held[what] <= most[what] // 2, f"{what} after {pattern}: {held[what]}")
        counted = sum(held[what] for what in held if what.endswith("_bytes")) // 1024
        grown = pair.relay.rss_kib() - first
        bound = counted + held["sessions"] * SESSION_KIB + NAMES_KIB + SLACK_KIB
        t.note(f"{pattern}: {counted} KiB in {held['sessions']} sessions; grown by {grown} of {bound}")
        t.check(grown <= bound, f"{pattern}: grown by {grown} KiB, {bound} allowed")


if __name__ == "__main__":
    harness.main(globals(), 600)
