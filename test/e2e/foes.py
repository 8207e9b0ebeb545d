# SPDX-License-Identifier: MIT
"""What a client with a key may do to the relay, and what strangers may do to both."""
import contextlib
import os
import socket
import struct

import harness
from evil import PING, ack, data, stream_open, stream_reset, stream_window, varint

STREAM_MAX = 16384
NOBODY = ("127.0.0.1", 1)


class Foes:
    """Each method do_NAME is a pattern, which takes a moment. `dice` is a random.Random."""

    def __init__(self, pair, evil, dest, dice):
        self.pair, self.evil, self.dice = pair, evil, dice
        host, port = dest.split(":")
        self.dest = (host, int(port))
        self.hello = None
        self.sessions, self.closed = 0, {}

    @classmethod
    def names(cls):
        return sorted(name[3:] for name in dir(cls) if name.startswith("do_"))

    def do(self, name):
        getattr(self, f"do_{name}")()

    # ---- a client, in a session of its own ----

    @contextlib.contextmanager
    def session(self):
        session = self.evil.session()
        self.hello = session.hello
        yield session
        session.pump()
        self.sessions += 1
        if session.told.closed:
            self.closed[session.told.closed] = self.closed.get(session.told.closed, 0) + 1
        session.close()

    def send(self, frames):
        with self.session() as session:
            session.send(frames)

    def do_holes_from_the_highest(self):
        self.send([data(stream, offset, b"x") for stream in (1, 2)
                   for offset in range(16 * 4000, 0, -16)])

    def do_holes_anywhere(self):
        self.send([data(1, self.dice.randrange(1 << 20), b"x") for _ in range(8000)])

    def do_holes_that_are_filled(self):
        self.send([data(1, offset, b"x") for offset in range(16, 16 * 4000, 16)] +
                  [data(1, 0, bytes(8000)) for _ in range(8)])

    def do_the_same_bytes_again(self):
        self.send([data(1, 0, bytes(4000))] * 200)

    def do_bytes_that_overlap(self):
        self.send([data(1, offset, bytes(200)) for offset in range(1, 4000)])

    def do_bytes_beyond_credit(self):
        self.send([data(1, 1 << 40, bytes(100))])

    def do_ends_that_contradict(self):
        self.send([data(1, 100, b"x", True), data(1, 50, b"x", True)])

    def do_parked_bytes(self):
        """For a stream that is never opened, all that credit allows."""
        self.send([data(2, at, bytes(8000)) for at in range(0, 800000, 8000)])

    def do_records_of_streams(self):
        self.send([stream_window(stream, 1 << 25) for stream in range(1, STREAM_MAX, 257)])

    def do_crumbs_beside_records(self):
        """One after the other, each when the one before is acknowledged."""
        with self.session() as session:
            session.send([stream_window(stream, 1 << 25) for stream in range(1, 16000)])
            self.word_by_word(session)

    def word_by_word(self, session, count=200):
        for i in range(count):
            if session.ended:
                break
            session.send([data(1, i, b"x"), PING])
            wanted = session.subflows[0].sent
            session.await_told(lambda: session.told.acked.get(0, 0) >= wanted, "an ACK")

    def do_one_record_again(self):
        self.send([stream_window(1, limit) for limit in range(1, 20000)])

    def do_streams_beyond_the_limit(self):
        self.send([stream_open(1 << 30, *NOBODY)])

    def do_dials(self):
        self.send([stream_open(i + 1, *self.dest) for i in range(200)])

    def do_dials_that_are_refused(self):
        self.send([stream_open(i + 1, *NOBODY) for i in range(400)])

    def do_names_that_nobody_answers(self):
        self.send([stream_open(i + 1, f"n{self.dice.randrange(1 << 30)}.example.com", 80)
                   for i in range(300)])

    def do_streams_that_end_at_once(self):
        self.send([frame for i in range(1, 400)
                   for frame in (stream_open(i, *self.dest), stream_reset(i))])

    def do_resets_of_nothing(self):
        self.send([stream_reset(i) for i in range(1, 4000)])

    def do_garbage(self):
        self.send([self.dice.randbytes(200)])

    def do_frames_of_length_one(self):
        self.send([PING] * 16000)

    def do_acks_of_nothing(self):
        self.send([ack(self.dice.randrange(64), (0, 1 << 30))])

    def do_frames_of_flows(self):
        self.send([bytes([kind]) + varint(1) + bytes(30) for kind in range(0x18, 0x20)])

    def do_crumbs(self):
        with self.session() as session:
            for i in range(200):
                session.send([data(1, i, b"x")])

    def do_subflows_that_say_nothing(self):
        with self.session() as session:
            for _ in range(20):
                session.join()

    def do_subflows_that_come_and_go(self):
        with self.session() as session:
            for _ in range(20):
                session.join().socket.close()

    def do_sessions(self):
        for _ in range(10):
            with self.session():
                pass

    # ---- strangers ----

    def strangers(self, address, words, count=30):
        """Some go on, some leave orderly, and some reset."""
        for i in range(count):
            with socket.create_connection(address, timeout=30 * harness.SLOW) as stranger:
                if i % 3 == 0:
                    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 0))
                with contextlib.suppress(ConnectionError):
                    stranger.sendall(words())
                    if i % 3 == 1:
                        stranger.shutdown(socket.SHUT_WR)

    @property
    def relay(self):
        return ("127.0.0.1", self.evil.port)

    @property
    def local(self):
        return ("127.0.0.1", self.pair.socks_port)

    def do_strangers_with_garbage(self):
        self.strangers(self.relay, lambda: self.dice.randbytes(100))

    def do_strangers_with_half_a_word(self):
        self.strangers(self.relay, lambda: b"\x01")

    def do_strangers_with_a_hello(self):
        self.strangers(self.relay, lambda: b"\x01" + self.dice.randbytes(24) + b"\x00\x80" +
                       self.dice.randbytes(128))

    def do_strangers_with_a_recording(self):
        if self.hello is None:
            self.do_sessions()
        self.strangers(self.relay, lambda: self.hello)

    def do_strangers_with_an_altered_recording(self):
        if self.hello is None:
            self.do_sessions()
        at = self.dice.randrange(30, len(self.hello))
        altered = self.hello[:at] + bytes([self.hello[at] ^ 1]) + self.hello[at + 1:]
        self.strangers(self.relay, lambda: altered)

    def do_strangers_that_join(self):
        self.strangers(self.relay, lambda: b"\x02" + self.dice.randbytes(60))

    # ---- programs at local's port ----

    def do_garbage_at_local(self):
        self.strangers(self.local, lambda: b"\x05" + self.dice.randbytes(300))

    def do_half_a_request_at_local(self):
        self.strangers(self.local, lambda: b"\x05\x01\x00\x05\x01")

    def do_readers_that_leave(self):
        """With bytes unread."""
        for _ in range(10):
            with self.pair.open(*self.dest) as stream:
                stream.sendall(os.urandom(64))
