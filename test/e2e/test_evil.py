#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client that knows its key and sends what it likes: what it costs the relay, and that another
client is served beside it."""
import harness
from evil import Evil, data, stream_window

# A hostile frame may cost five times the CPU of an honest one of its type. CPU is counted in ticks
# of 10 ms; sanitizers and a busy machine blur it.
COST_RATIO = 5
COST_BLUR = 0.15 * harness.SLOW


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


def compare(t, pair, what, honest, hostile):
    """Both are functions; their costs are compared."""
    with Cost(pair) as fair:
        honest()
    with Cost(pair) as foul:
        hostile()
    t.note(f"{what}: {foul.seconds:.2f} s of CPU, honest {fair.seconds:.2f}")
    t.check(foul.seconds <= COST_RATIO * fair.seconds + COST_BLUR,
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


if __name__ == "__main__":
    harness.main(globals())
