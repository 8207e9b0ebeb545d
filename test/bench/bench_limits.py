#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks that limit connections: the default configuration, which has to learn the limits, beside
one that was set by hand for the network. Both run at the same time, each over a network of its own,
so that a slow machine slows both. With --rivals, one such network is crossed by curl alone, through
ssh -D and through shadowsocks instead. Needs root and TUN."""
import subprocess
import time

import peers
from peers import harness, median
from test_limits import FREEZES, FREEZES_DOWN, NETWORK, UNLIMITED, Side, pool

EARLY = 5  # seconds in which the limit is learned
FAST = "delay=30ms rate=50Mbit limit=768k"
OPEN_12 = {"budget": {"down": 14000}, "pool": pool(12)}
SYNS = {"budget": 64 << 10}


class Kind:
    """The words for the box (of each port), the configuration by hand, and of both."""

    def __init__(self, limit, by_hand, both=None, network=NETWORK):
        self.limit, self.by_hand, self.both, self.network = limit, by_hand, both or {}, network

    def side(self, t, name, local):
        ports = 1 if isinstance(self.limit, str) else len(self.limit)
        return Side(t, self.limit, name, harness.merge(self.both, local), self.network, ports)


KINDS = {
    "frozen after 20 kB": Kind("freeze=20000", FREEZES),
    "reset after 20 kB": Kind("reset=20000", {"budget": 8500, "pool": pool(32)}),
    "frozen after 16 kB down": Kind("freeze=16000/down", FREEZES_DOWN),
    "frozen after 16 kB down, jitter": Kind("freeze=16000/down,jitter=30",
                                            {"budget": {"down": 9500}, "pool": pool(32)}),
    "frozen after 16 kB down, 12 open": Kind("freeze=16000/down,open=12", OPEN_12, network=FAST),
    "the same, dead entries stay": Kind("freeze=16000/down,open=12:10s", OPEN_12, network=FAST),
    "4 open": Kind("open=4", {"pool": pool(4)}, {"budget": 20000}),
    "10 SYNs a second": Kind("syns=10", {"pool": {**pool(8), "dials_per_second": 10}}, SYNS),
    "10 SYNs a second, refused": Kind("refuse=10", {"pool": {**pool(8), "dials_per_second": 10}},
                                      SYNS),
    "policed to 1 Mbit/s": Kind("police=1Mbit", {"budget": "1MiB", "pool": pool(24)}),
    "slow after 300 kB": Kind("slow=300000:96kbit", {"budget": 250000, "pool": pool(12)}),
    "frozen after 5 s": Kind("age=5s", {"budget": "1MiB", "pool": pool(6)}),
    "ports differ": Kind(["freeze=20000", "freeze=200000", "blocked", "police=1Mbit"],
                         {"budget": 90000, "pool": pool(12)}),
    "no limit": Kind("none", UNLIMITED),
}
DIRECTIONS = {"down": ("down",), "up": ("up",), "both": ("down", "up")}


class Transfer:
    """Bulk over one side, counted where it arrives, in the first seconds and later."""

    def __init__(self, side, directions):
        self.side, self.directions, self.early = side, directions, {}
        self.load = side.start("--cut", *(word for way in directions for word in (f"--{way}", "100G")))

    def note_early(self):
        self.early["up"] = self.side.origin.report()["received"]

    def end(self):
        """Bytes in the first seconds and later, of all directions together."""
        up = self.side.origin.report()["received"]
        self.load.popen.stdin.close()
        report = self.load.result()
        self.early["down"] = sum(report["down_samples"][:EARLY])
        whole = {"up": up, "down": report["down"]}
        early = sum(self.early[way] for way in self.directions)
        return early, sum(whole[way] for way in self.directions) - early


def measure(kind, directions, seconds):
    t = harness.Test("limits")
    try:
        sides = kind.side(t, "learner", {}), kind.side(t, "hand", kind.by_hand)
        transfers = [Transfer(side, directions) for side in sides]
        time.sleep(EARLY)
        for transfer in transfers:
            transfer.note_early()
        time.sleep(seconds - EARLY)
        learner, hand = (transfer.end() for transfer in transfers)
        return (learner[0] / max(hand[0], 1), learner[1] / max(hand[1], 1),
                hand[1] * 8 / 1e6 / (seconds - EARLY), *(one.side.cut() for one in transfers))
    except (harness.Failure, subprocess.SubprocessError):
        t.logs()
        raise
    finally:
        t.finish()
        t.remove()


# ---- beside other programs ----

RIVALS_LIMIT = "freeze=16000/down,open=12"


def endless(client):
    """An HTTP server's answer that does not end."""
    client.recv(65536)
    client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        client.sendall(bytes(65536))


class Download:
    """curl, through a proxy or alone, from a server behind a network of its own."""

    def __init__(self, t, side, way, seconds):
        with side.b.inside():
            server = t.server(endless, "10.77.0.2")
        command = [harness.need("curl"), "-s", "-o", "/dev/null", "-w", "%{size_download}",
                   "--max-time", str(seconds), *way, f"http://10.77.0.2:{server.port}/"]
        self.popen = subprocess.Popen(side.a.enter(command), text=True, stdout=subprocess.PIPE)

    def mbit(self, seconds):
        return int(self.popen.communicate()[0]) * 8 / 1e6 / seconds


class Bare:
    """A network with the limit, and no proxy."""

    def __init__(self, t, name):
        self.a, self.b = t.netns(f"{name}-a"), t.netns(f"{name}-b")
        self.link = t.link(self.a, self.b, settings=FAST, device=name[0])
        self.place = peers.Place(self.a, self.b, "10.77.0.2")


def compare(t, seconds):
    """Mbit/s of each program in one round, all at the same time."""
    sides = {}
    for name, make in {"curl alone": None, "ssh -D": peers.ssh,
                       "shadowsocks-libev": peers.shadowsocks}.items():
        side = Bare(t, name)
        proxy = make(t, place=side.place) if make else None
        side.link.limit(RIVALS_LIMIT)
        sides[name] = side, proxy and proxy.socks_port
    for name, device, local in (("splitsocks", "learner", {}),
                                ("splitsocks, by hand", "hand", OPEN_12)):
        side = Side(t, RIVALS_LIMIT, device, local, FAST)
        sides[name] = side, side.pair.socks_port
    running = {}
    for name, (side, port) in sides.items():
        way = ["--socks5-hostname", f"127.0.0.1:{port}"] if port else []
        running[name] = Download(t, side, way, seconds)
    return {name: download.mbit(seconds) for name, download in running.items()}


def rivals(options):
    rounds = []
    for _ in range(options.rounds):
        t = harness.Test("rivals")
        try:
            rounds.append(compare(t, options.seconds))
        finally:
            t.finish()
            t.remove()
    peers.table(f"frozen after 16 kB down, at most 12 open, 50 Mbit/s, 60 ms: a download of "
                f"{options.seconds} s, medians of {options.rounds}", ["", "Mbit/s"],
                [[name, median(one[name] for one in rounds)] for name in rounds[0]],
                "aim: 0.9 of 12 x 14 kB / (2 x 60 ms) = 11 Mbit/s; a plain connection stops")


def bench(_, options):
    if options.rivals:
        rivals(options)
        return
    rows = []
    for name in options.kind or KINDS:
        for direction in options.direction or DIRECTIONS:
            results = [measure(KINDS[name], DIRECTIONS[direction], options.seconds)
                       for _ in range(options.rounds)]
            rows.append([f"{name}, {direction}", *map(median, zip(*results))])
    peers.table(f"20 or 50 Mbit/s, 50 or 60 ms, {options.seconds} s, medians of {options.rounds}",
                ["", f"0-{EARLY} s / by hand", "later / by hand", "by hand Mbit/s", "cut", "cut by hand"],
                rows, "aim: 0.9 of by hand in the first seconds, and 0.95 later")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.set_defaults(rounds=3)
    words.add_argument("--kind", action="append", choices=KINDS)
    words.add_argument("--direction", action="append", choices=DIRECTIONS)
    words.add_argument("--seconds", type=int, default=15, help="of each transfer, more than 5")
    words.add_argument("--rivals", action="store_true", help="beside other programs")
    peers.run(bench, words.parse_args())
