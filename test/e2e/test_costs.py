#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What hostile frames and handshakes cost the relay, against as many honest ones of their type."""
import contextlib
import random

import harness
from evil import PING, Evil, close, data, stream_open, stream_window
from fakedns import FakeDns
from foes import Foes

# The aim is five times; caches that others use blur it. What costs more than O(log n) is far above.
RATIO = 10
# CPU seconds of the honest ones, which are repeated until they take so long.
ENOUGH = 0.02


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

    def records(self):
        self.send([stream_window(stream, 1 << 25) for stream in range(1, 4001)])

    def openings(self):
        self.send([stream_open(i + 1, *self.dest) for i in range(400)])

    def openings_by_name(self):
        self.send([stream_open(i + 1, "localhost", self.dest[1]) for i in range(300)])

    def subflows(self):
        with self.session() as session:
            for _ in range(20):
                session.join(PING)

    def hellos(self):
        for _ in range(30):
            self.one_line()


# The other patterns are what honest clients do, only more of it.
TWINS = {
    "holes_from_the_highest": Guests.crumbs_in_order,
    "holes_anywhere": Guests.crumbs_in_order,
    "holes_that_are_filled": Guests.crumbs_and_pages_in_order,
    "the_same_bytes_again": Guests.pages_in_order,
    "bytes_that_overlap": Guests.lines_in_order,
    "bytes_beyond_credit": Guests.one_line,
    "ends_that_contradict": Guests.one_line,
    "parked_bytes": Guests.pages_in_order,
    "records_of_streams": Guests.few_windows,
    "streams_beyond_the_limit": Guests.one_line,
    "dials_that_are_refused": Guests.openings,
    "names_that_nobody_answers": Guests.openings_by_name,
    "streams_that_end_at_once": Guests.openings,
    "resets_of_nothing": Guests.records,
    "garbage": Guests.one_line,
    "acks_of_nothing": Guests.one_line,
    "frames_of_flows": Guests.one_line,
    "subflows_that_say_nothing": Guests.subflows,
    "subflows_that_come_and_go": Guests.subflows,
    "strangers_with_garbage": Guests.hellos,
    "strangers_with_half_a_word": Guests.hellos,
    "strangers_with_a_hello": Guests.hellos,
    "strangers_with_a_recording": Guests.hellos,
    "strangers_with_an_altered_recording": Guests.hellos,
    "strangers_that_join": Guests.hellos,
}


def cost(relay, act, count):
    """CPU seconds that the relay spends on it, until it rests."""
    before = relay.cpu_nanoseconds()
    for _ in range(count):
        act()
    harness.rest(relay.cpu_nanoseconds, 0.1, 60)
    return (relay.cpu_nanoseconds() - before) / 1e9


def repeated(relay, act):
    """How often the act was done to cost enough, and what that has cost."""
    count, seconds = 1, 0.0
    while seconds < ENOUGH:
        count *= 2
        seconds = cost(relay, act, count)
    return count, seconds


def test_costs(t):
    if t.sanitized:
        raise harness.Skip("sanitizers cost more than what is measured")
    pair = t.pair(start=False)
    pair.relay_config["dns"] = {"servers": [FakeDns(t, mode="silent").server], "timeout": 1}
    pair.relay_config["linger"] = 1
    pair.relay_config["limits"] = {"dials_per_second": 1000000}
    evil = Evil(t, pair, max_sessions=1000)
    pair.start_relay()
    guests = Guests(pair, evil, t.origin().dest, random.Random(1))
    guests.hellos()
    costs = {twin: repeated(pair.relay, lambda: twin(guests)) for twin in set(TWINS.values())}
    for pattern, twin in TWINS.items():
        count, honest = costs[twin]
        foul = cost(pair.relay, lambda: guests.do(pattern), count)
        t.note(f"{pattern}: {foul / honest:.2f} times {twin.__name__} ({honest / count * 1e6:.0f} us)")
        t.check(foul <= RATIO * honest,
                f"{pattern} takes {foul:.3f} s of CPU, and {twin.__name__} {honest:.3f}")


if __name__ == "__main__":
    harness.main(globals(), 600)
