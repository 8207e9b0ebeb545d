#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Strangers, recordings and damage: nothing is answered, nothing crashes, honest traffic goes on."""
import glob
import os
import random
import select
import signal
import socket
import time

import harness
from harness import full

TIGHT = {"budget": {"up": 4000, "down": 4000}, "pool": {"size": 4, "burst": 4, "idle": 1}}


def dial(pair, data=b""):
    s = socket.create_connection(("127.0.0.1", pair.relay_ports[0]), timeout=10)
    if data:
        s.sendall(data)
    return s


def expect_silence(t, sockets, seconds, what):
    """None of the sockets gets a byte or an end; the relay reads and says nothing."""
    readable, _, _ = select.select(sockets, [], [], seconds)
    for s in readable:
        try:
            answer = s.recv(100)
        except ConnectionResetError:
            answer = "a reset"
        t.check(False, f"{what}: the relay answered with {answer!r}")


def works(t, pair, origin, size="300k"):
    pair.load(origin.dest, "--up", size, "--down", size, seconds=60)


def test_random_bytes(t):
    rng = random.Random(1)
    pair, origin = t.pair(), t.origin()
    works(t, pair, origin)
    lengths = [1, 2, 15, 16, 17, 63, 64, 65, 127, 200, 255, 256, 1000, 1280, 1281, 5000, 100000]
    strangers = []
    for first in [None, *range(8)]:
        for length in lengths:
            data = rng.randbytes(length)
            strangers.append(dial(pair, data if first is None else bytes([first]) + data[1:]))
    expect_silence(t, strangers, 1.5, "random bytes")
    works(t, pair, origin)
    expect_silence(t, strangers, 0.2, "random bytes, later")
    for s in strangers:
        s.close()


def test_a_stranger_is_let_go_in_order(t):
    """After the deadline the connection is closed by FIN: everything was read."""
    pair = t.pair()
    strangers = [dial(pair, data) for data in (b"x", os.urandom(1000), b"GET / HTTP/1.0\r\n\r\n")]
    start = time.monotonic()
    # The deadline is 20 to 40 s after the accept, which may be a while before `start`.
    expect_silence(t, strangers, 15, "strangers")
    for s in strangers:
        s.settimeout(60)
        t.equal(s.recv(1), b"", "the end")
        t.note(f"closed after {time.monotonic() - start:.1f} s")


def recorded_pair(t, origin, count):
    """A pair whose first connections were recorded, HELLO among them, while streams ran; and what
    each of these subflows sent upwards."""
    pair = t.pair(TIGHT, proxy=True, start=False)
    directory = t.path("record")
    os.mkdir(directory)
    pair.proxy.command(f"record {directory} {count}")
    pair.start_relay()
    pair.start_local()
    pair.load(origin.dest, "--up", "40k", "--down", "40k", "--count", 3)
    names = sorted(glob.glob(directory + "/*.up"), key=lambda n: int(os.path.basename(n)[:-3]))
    recordings = []
    for name in names:
        with open(name, "rb") as f:
            recordings.append(f.read())
    return pair, [recording for recording in recordings if recording]


def test_replayed_recordings(t):
    origin = t.origin()
    pair, recordings = recorded_pair(t, origin, 1000)
    t.check(len(recordings) > 20, f"only {len(recordings)} subflows")
    before = origin.report()["connections"]
    # While the session lives, and after local has gone; at the relay that knows them all.
    for moment in ("the session lives", "local has gone"):
        replays = [dial(pair, recording) for recording in recordings]
        # A JOIN cut short, and one followed by another's bytes.
        replays += [dial(pair, recording[:len(recording) // 2]) for recording in recordings[:20]]
        replays += [dial(pair, recordings[i] + recordings[i + 1]) for i in range(10)]
        expect_silence(t, replays, 1.5, f"replays while {moment}")
        if moment == "the session lives":
            works(t, pair, origin)
            before += 1
            t.equal(pair.local.stop(), 0, "local's exit status")
        expect_silence(t, replays, 0.3, f"replays, later, while {moment}")
        for s in replays:
            s.close()
    t.equal(origin.report()["connections"], before, "streams that the origin has seen")
    pair.start_local()
    works(t, pair, origin)


def test_replays_after_a_restart(t):
    """Stamps of accepted HELLOs outlive the relay, however it ends, and the client's place on the
    list."""
    origin = t.origin()
    pair, recordings = recorded_pair(t, origin, 1000)
    clients = pair.relay_config["clients"]

    def reload(listed):
        pair.relay_config["clients"] = listed
        pair.write_configs()
        count = pair.relay.log().count("the configuration was read again")
        pair.relay.signal(signal.SIGHUP)
        harness.wait_until(lambda: pair.relay.log().count("the configuration was read again") >
                           count, 20, "the reload")

    def kill():
        pair.relay.kill()
        pair.start_relay()

    def restart():
        t.equal(pair.relay.stop(), 0, "relay's exit status")
        pair.start_relay()

    def remove_and_add():
        reload([])
        reload(clients)

    def remove_restart_and_add():
        reload([])
        restart()
        reload(clients)

    for change in (kill, restart, remove_and_add, remove_restart_and_add):
        pair.local.kill()
        change()
        replays = [dial(pair, recording) for recording in recordings]
        expect_silence(t, replays, 1, f"replays after {change.__name__}")
        for s in replays:
            s.close()
        pair.start_local()
        works(t, pair, origin, "20k")
    mode = os.stat(t.path("splitsocks/relay.stamps")).st_mode & 0o777
    t.equal(mode, 0o600, "mode of the file of stamps")


def test_replays_from_everywhere_use_up_nothing(t):
    """Thousands of replays of an answered HELLO, from 1,000 addresses: the relay recognises them
    before a key agreement, and a client that comes then does not suffer."""
    origin = t.origin()
    pair, recordings = recorded_pair(t, origin, 1000)
    hellos = [recording for recording in recordings if recording[0] == 1]
    before = pair.relay.log().count("no answer to")
    for i in range(4000):
        with socket.socket() as s:
            s.bind((f"127.0.{i % 4}.{i // 4 % 250 + 1}", 0))
            s.connect(("127.0.0.1", pair.relay_ports[0]))
            s.sendall(hellos[i % len(hellos)])
            s.shutdown(socket.SHUT_WR)
    harness.wait_until(lambda: pair.relay.log().count("no answer to") > before, 20, "a refusal")
    pair.local.stop()
    pair.start_local()
    works(t, pair, origin, "20k")
    t.check("too many failed connections" not in pair.relay.log(), "the bound was met")


def test_flipped_bits(t):
    """One bit in one subflow at a time: in its first bytes, in chunks' lengths, anywhere."""
    rng = random.Random(2)
    pair, origin = t.pair(TIGHT, proxy=True), t.origin()
    works(t, pair, origin)
    offsets = [0, 1, 5, 8, 9, 10, 11, 12, 17, 25, 26, 27, 28, 30, 40, 80]
    offsets += [rng.randrange(4000) for _ in range(full(8, 100))]
    for direction in ("up", "down"):
        for offset in offsets:
            number = pair.proxy.report()["connections"] + rng.randrange(4)
            pair.proxy.command(f"fault flip {direction} {offset} {number}")
            works(t, pair, origin, "20k")
    t.note(pair.proxy.report())
    # Not every subflow carries as many bytes as the place of its flip.
    t.check(pair.proxy.report()["faults"] > len(offsets) // 2, "hardly any bit was flipped")


def test_truncated_chunks(t):
    """A subflow that ends in mid-chunk, by FIN or by reset: the chunk is sent again."""
    rng = random.Random(3)
    pair, origin = t.pair(TIGHT, proxy=True), t.origin()
    works(t, pair, origin)
    wanted = 0
    for kind in ("cut", "reset"):
        for direction in ("up", "down"):
            wanted += full(5, 50)
            # Where a subflow carries less than that, nothing is cut off: one in four.
            for _ in range(full(50, 500)):
                if pair.proxy.report()["faults"] >= wanted:
                    break
                number = pair.proxy.report()["connections"] + rng.randrange(4)
                pair.proxy.command(f"fault {kind} {direction} {rng.randrange(4000)} {number}")
                works(t, pair, origin, "20k")
    t.note(pair.proxy.report())
    t.check(pair.proxy.report()["faults"] >= wanted, "hardly anything was truncated")


def test_many_silent_connections(t):
    count = full(500, 5000)
    pair, origin = t.pair(), t.origin()
    works(t, pair, origin)
    before = pair.relay.rss_kib()
    silent = []
    for i in range(count):
        silent.append(dial(pair, b"" if i % 2 else b"\1"))
    works(t, pair, origin, "3M")
    grown = pair.relay.rss_kib() - before
    if t.sanitized:
        t.note(f"{grown} KiB for {count} silent connections")
    else:
        t.at_most(grown, 8192 + 4 * count, f"KiB the relay grew by with {count} silent connections")
    # A new session gets in, too.
    pair.local.stop()
    pair.start_local()
    works(t, pair, origin)
    for s in silent:
        s.close()


def test_slow_bytes(t):
    """A recorded HELLO, byte by byte, and never its end."""
    origin = t.origin()
    # The first connection may have been given up before it carried anything.
    pair, (hello, *_) = recorded_pair(t, origin, 20)
    slow = [dial(pair) for _ in range(20)]
    for byte in hello[:40]:
        for s in slow:
            s.sendall(bytes([byte]))
        time.sleep(0.02)
    expect_silence(t, slow, 0.5, "slow bytes")
    works(t, pair, origin)
    for s in slow:
        s.close()


def test_a_relay_that_is_none(t):
    """Local meets a server that answers garbage: no crash, and the stream ends with an error."""
    rng = random.Random(4)

    def garbage(client):
        client.recv(4096)
        client.sendall(rng.randbytes(rng.choice([1, 2, 50, 162, 5000, 100000])))
        harness.recv_all(client)

    pair = t.pair(start=False)
    server = t.server(garbage)
    pair.local_config["relay"]["ports"] = [server.port]
    pair.write_configs()
    pair.start_local()
    for _ in range(3):
        t.check(pair.reply("127.0.0.1", 80, timeout=60) != 0, "a stream was opened")
    t.check(server.accepted > 1, "local did not try again")
    t.check(pair.local.running(), "local has ended")


def test_strangers_with_keys_of_their_own(t):
    """A client that knows the relay's key but is not on its list, and one that has a wrong key."""
    pair, origin = t.pair(proxy=True), t.origin()
    works(t, pair, origin)
    stranger = t.pair(start=False, name="stranger")
    stranger.local_config["relay"] = dict(pair.local_config["relay"])
    stranger.write_configs()
    stranger.start_local()
    wrong = t.pair(start=False, name="wrong")
    wrong.local_config["relay"] = {**pair.local_config["relay"], "public_key": wrong.relay_key}
    wrong.local_config["private_key_file"] = pair.local_config["private_key_file"]
    wrong.write_configs()
    wrong.start_local()
    waiting = [harness.socks_dial(p.socks_port, 60) for p in (stranger, wrong)]
    for s in waiting:
        s.sendall(b"\5\1\0" + harness.socks_request("127.0.0.1", 80))
        harness.recv_exactly(s, 2)
    down = pair.proxy.report()["down"]
    works(t, pair, origin)
    for s in waiting:
        t.check(harness.socks_reply(s)[0] != 0, "a stranger was served")
        s.close()
    t.check(pair.proxy.report()["down"] - down < 2 << 20, "the relay sent more than it was asked")


if __name__ == "__main__":
    harness.main(globals(), full(200, 1500))
