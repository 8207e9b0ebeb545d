#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Datagrams: splitsocks beside plain UDP on each path, shadowsocks' UDP relay, the same datagrams
over one TCP connection, by this bench and by socat, and OpenVPN over TCP, on the same emulated
paths in one run; KCP beside a plain stream; then datagrams a second and CPU for each on loopback.
`--scenario` chooses, `--quick` is short."""
import json
import os
import resource
import socket
import subprocess
import time

import peers
from peers import bench_tool, harness, median, need
from bench_idle import watch
from lab import RELAY, Lab, budget
from pairs import clients_of_one_relay
from tunnels import INNER, start_kcp, start_openvpn, wait_for_vpn

LOSSY = "rate=20Mbit delay=20ms limit=128k loss=0.02"
CLEAN = "rate=20Mbit delay=20ms limit=128k"
FAR = "rate=20Mbit delay=50ms limit=256k"
CALL_SIZE = 200
TIMESTAMP = 12  # bytes of options in each segment of TCP
UNEQUAL = ["rate=50Mbit delay=20ms limit=256k", "rate=10Mbit delay=20ms limit=128k"]


class Way:
    """How datagrams get from A to B, to where `server` listens: a name, and the words of
    `datagrams`."""

    def __init__(self, name, server, *words, pair=None):
        self.name, self.server, self.words, self.pair = name, server, words, pair


class Course:
    """A lab, and the ways through it, each to a server of its own."""

    def __init__(self, t, options, settings):
        self.t, self.lab = t, Lab(t, settings, options.congestion_control)

    def place(self, host=RELAY):
        """For a server."""
        return f"{host}:{harness.free_port(socket.SOCK_DGRAM)}"

    def direct(self, name, way, network):
        server = self.place()
        return Way(name, server, "--way", way, "--to", server, "--source", f"{network}.1:0")

    def plain(self):
        return [self.direct(f"UDP on path {i + 1}", "udp", network)
                for i, network in enumerate(self.lab.networks)]

    def tcp(self):
        return self.direct("one TCP connection", "tcp", self.lab.networks[0])

    def socat(self):
        """Both ends read blocks of a datagram's size, and segments hold whole datagrams: the
        boundaries outlast the stream."""
        socat, port = need("socat"), harness.free_port()
        entry, server = harness.free_port(socket.SOCK_DGRAM), self.place()
        words = [socat, "-b", str(CALL_SIZE)]
        mss = f"nodelay,mss={6 * CALL_SIZE + TIMESTAMP}"
        self.t.process("socat-server", [*words, f"TCP4-LISTEN:{port},bind={RELAY},{mss}",
                                        f"UDP4:{server}"], netns=self.lab.b)
        time.sleep(1)
        self.t.process("socat-client", [*words, f"UDP4-LISTEN:{entry},bind=127.0.0.1",
                                        f"TCP4:{RELAY}:{port},bind={self.lab.networks[0]}.1,{mss}"],
                       netns=self.lab.a)
        time.sleep(1)
        return Way("socat", server, "--way", "udp", "--to", f"127.0.0.1:{entry}")

    def openvpn(self):
        port, server = harness.free_port(), self.place(INNER[1])
        start_openvpn(self.t, self.lab, (RELAY, port), (RELAY, port), ("tcp-client", "tcp-server"))
        wait_for_vpn(self.lab.a)
        return Way("OpenVPN over TCP", server, "--way", "udp", "--to", server, "--source",
                   f"{INNER[0]}:0")

    def shadowsocks(self):
        server, local = need("ss-server", "ss-local")
        port, socks_port = harness.free_port(), harness.free_port()
        words = ["-k", "a throw-away password", "-m", "aes-256-gcm", "-t", "600", "-u"]
        self.t.process("ss-server", [server, "-s", RELAY, "-p", str(port), *words],
                       netns=self.lab.b)
        self.t.process("ss-local", [local, "-s", RELAY, "-p", str(port), "-b", "127.0.0.1",
                                    "-l", str(socks_port), *words], netns=self.lab.a)
        time.sleep(1)
        return Way("shadowsocks", self.place(), "--way", "socks", "--to",
                   f"127.0.0.1:{socks_port}")

    def splitsocks(self, name="splitsocks", **changes):
        pair = self.lab.pair(self.t, changes, name=f"-{len(self.t.names)}")
        return Way(name, self.place(), "--way", "socks", "--to", f"127.0.0.1:{pair.socks_port}",
                   pair=pair)

    def forward(self, name="splitsocks, forward", **changes):
        """Each client socket is a flow of its own to the server."""
        port, server = harness.free_port(socket.SOCK_DGRAM), self.place()
        listen = [{"protocol": "forward", "network": "udp", "port": port, "to": server}]
        pair = self.lab.pair(self.t, {"listen": listen, **changes}, name=f"-{len(self.t.names)}")
        return Way(name, server, "--way", "udp", "--to", f"127.0.0.1:{port}", pair=pair)

    def start(self, work, way, *more, server=None):
        command = [bench_tool("datagrams"), work, *way.words, "--server", server or way.server,
                   "--client-netns", self.lab.a.path, "--server-netns", self.lab.b.path,
                   *map(str, more)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self, process):
        out, _ = process.communicate(timeout=2000)
        if process.returncode != 0:
            raise harness.Failure(f"datagrams ended with {process.returncode}")
        return json.loads(out)

    def run(self, work, way, *more):
        return self.result(self.start(work, way, *more))

    def end(self, *ways):
        for way in ways:
            if way.pair:
                way.pair.local.stop()
                way.pair.relay.stop()


DELAYS = ["p50", "p99", "p999", "max"]
CALL_COLUMNS = ["", "", *(f"{name} ms" for name in DELAYS), "late or lost", "longest gap ms",
                "reordered"]


def call_rows(way, report):
    return [[way.name, direction, *(report[direction].get(name, float("nan")) for name in DELAYS),
             f"{100 * report[direction]['late'] / report[direction]['sent']:.3f} %",
             report[direction]["gap"], report[direction]["reordered"]]
            for direction in ("up", "down")]


def call_of(options):
    return "--count", options.datagrams, "--rate", 50, "--size", CALL_SIZE


def call(t, options):
    """A call over two paths, and over one, that lose two datagrams in a hundred: by all ways at the
    same time, since together they need a tenth of a path."""
    for settings, aims in (([LOSSY] * 2, "aims: p99 30 ms, late (60 ms) or lost 0.01 %"),
                           ([LOSSY], "aims: p99 30 ms, late (60 ms) or lost 0.3 %")):
        course = Course(t, options, settings)
        ways = [*course.plain(), course.tcp(), course.socat(), course.openvpn(),
                course.shadowsocks(), course.splitsocks()]
        calls = [course.start("call", way, *call_of(options)) for way in ways]
        rows = []
        for way, process in zip(ways, calls):
            rows += call_rows(way, course.result(process))
        peers.table(f"a call of 2 x {options.datagrams} datagrams, {len(settings)} x ({LOSSY})",
                    CALL_COLUMNS, rows, aims)
        course.end(*ways)


def cut(t, options):
    """One of two paths becomes a black hole in mid-call."""
    course = Course(t, options, [LOSSY] * 2)
    way = course.splitsocks()
    gaps = []
    for i in range(options.cuts):
        process = course.start("call", way, "--count", 400, "--rate", 50, "--size", 200)
        time.sleep(6)
        course.lab.cut(i % 2)
        report = course.result(process)
        course.lab.mend(i % 2)
        time.sleep(3)
        gaps.append(max(report["up"]["gap"], report["down"]["gap"]))
    peers.table(f"a call with a path cut in the middle, 2 x ({LOSSY})",
                ["", "longest gap ms, median", "9th of 10", "most"],
                [[way.name, median(gaps), sorted(gaps)[int(0.9 * (len(gaps) - 1))], max(gaps)]],
                "aim: 100 ms in 9 of 10 cuts")
    course.end(way)


def beside(t, options):
    """A call beside a full-rate download on the same session, and beside an upload as well."""
    course = Course(t, options, [CLEAN] * 2)
    way = course.splitsocks()
    origin = t.origin(f"{RELAY}:{harness.free_port()}", netns=course.lab.b)
    size = 5 * 1000 * 1000 * (options.datagrams // 50 + 10)  # what the paths carry in that time
    rows = []
    for name, words in (("a download", ["--down"]), ("both", ["--down", "--up"])):
        loads = [way.pair.start_load(origin.dest, "--count", 1, word, size) for word in words]
        time.sleep(3)
        before = course.lab.carried("down"), course.lab.carried("up")
        began = time.monotonic()
        found = course.run("echo", way, *call_of(options), "--late", "75ms")["echoes"]
        seconds = time.monotonic() - began
        carried = [sum(now) - sum(then) for now, then in
                   zip((course.lab.carried("down"), course.lab.carried("up")), before)]
        for load in loads:
            load.kill()
        rows.append([name, *(found[delay] for delay in DELAYS),
                     f"{100 * found['late'] / found['sent']:.3f} %",
                     *(8e-6 * count / seconds for count in carried)])
    peers.table(f"echoes, 50 a second, beside bulk of the same session, 2 x ({CLEAN})",
                ["beside", *(f"{name} ms" for name in DELAYS), "late or lost", "Mbit/s down",
                 "Mbit/s up"], rows, "aim: p99 75 ms beside a download")
    course.end(way)


def crowd(t, options):
    """A call beside flows that flood, on the same session."""
    course = Course(t, options, [CLEAN] * 2)
    way = course.splitsocks()
    count, seconds = min(options.datagrams, 1500), min(options.datagrams, 1500) // 50 + 10
    rows = []
    for flows in (0, 24):
        floods = []
        for _ in range(flows):
            floods.append(course.start("flood", way, "--seconds", f"{seconds}s", "--size", 1200,
                                       server=course.place()))
        time.sleep(3)
        found = course.run("echo", way, "--count", count, "--rate", 50, "--size", 200,
                           "--late", "100ms")["echoes"]
        rows.append([f"{flows} flows flood", *(found.get(name, float("nan")) for name in DELAYS),
                     f"{100 * found['late'] / found['sent']:.3f} %"])
        for flood_process in floods:
            course.result(flood_process)
    peers.table(f"echoes, 50 a second, beside flows that flood, 2 x ({CLEAN})",
                ["", *(f"{name} ms" for name in DELAYS), "late (100 ms) or lost"], rows)
    course.end(way)


def dns(t, options):
    """Queries, each from a port of its own."""
    course = Course(t, options, [LOSSY] * 2)
    ways = [*course.plain(), course.shadowsocks(), course.forward()]
    rows = []
    for way in ways:
        if way.pair is None and "socks" in way.words:
            continue  # an association for each query is no use of a SOCKS proxy
        found = course.run("query", way, "--count", options.queries, "--rate", 50, "--size", 60,
                           "--late", "1s")["queries"]
        rows.append([way.name, *(found[name] for name in DELAYS),
                     f"{100 * (found['sent'] - found['received']) / found['sent']:.3f} %"])
    peers.table(f"{options.queries} queries, 2 x ({LOSSY})",
                ["", *(f"{name} ms" for name in DELAYS), "lost"], rows,
                "aims: p50 41 ms, p99 48 ms")
    course.end(*ways)


def iperf(t, options):
    """iperf3's datagrams through a forward of both networks, on unequal paths."""
    client = need("iperf3")
    course = Course(t, options, UNEQUAL)
    port = harness.free_port()
    listen = [{"protocol": "forward", "network": "both", "port": port, "to": f"{RELAY}:{port}"}]
    pair = course.lab.pair(t, {"listen": listen}, name="-iperf")
    t.process("iperf3", [client, "-s", "-B", RELAY, "-p", str(port)], netns=course.lab.b)
    time.sleep(1)
    rows = []
    for rate in ("10M", "200M"):
        before = [p.rss_kib() for p in (pair.local, pair.relay)]
        out = subprocess.run(course.lab.a.enter([client, "-c", "127.0.0.1", "-p", str(port), "-u",
                                                 "-b", rate, "-l", "1200", "-t", "10", "--json"]),
                             stdout=subprocess.PIPE, text=True).stdout
        end = json.loads(out)["end"]["sum"]
        rows.append([rate, end["lost_percent"], end["bits_per_second"] * 1e-6, end["jitter_ms"],
                     *(p.peak_kib() - b for p, b in zip((pair.local, pair.relay), before))])
    peers.table("iperf3 -u -l 1200, 50 + 10 Mbit/s",
                ["", "lost %", "Mbit/s offered", "jitter ms", "local KiB more", "relay KiB more"], rows,
                "aims: 0.1 % at 10 Mbit/s; memory flat at 200 Mbit/s")
    pair.local.stop()
    pair.relay.stop()


def kcp(t, options):
    """A file by KCP through a forward for datagrams, beside the same file as a stream of the same
    session, and by KCP without a proxy."""
    size = options.file << 20
    rows = []
    for name, per_connection in (("64 KiB", budget(1 << 16)), ("1 MiB", budget(1 << 20))):
        lab = Lab(t, [FAR], options.congestion_control)
        content = os.urandom(size)
        with lab.b.inside():
            origin = t.server(lambda connection: connection.sendall(content) or connection.recv(1),
                              RELAY)
        servers = [f"{RELAY}:{harness.free_port(socket.SOCK_DGRAM)}" for _ in range(2)]
        target, port = f"{RELAY}:{origin.port}", harness.free_port()
        forward = {"protocol": "forward", "port": port}
        pair = lab.pair(t, {"udp": {"max_age": "2s"}, **per_connection, "listen": [
            {**forward, "network": "udp", "to": servers[0]},
            {**forward, "network": "tcp", "to": target}]}, name=f"-{len(t.names)}")
        rates = []
        for entry in (start_kcp(t, lab, servers[0], target, f"127.0.0.1:{port}"), port,
                      start_kcp(t, lab, servers[1], target, servers[1])):
            found = []
            for _ in range(options.rounds):
                began = time.monotonic()
                with lab.a.inside(), socket.create_connection(("127.0.0.1", entry), 600) as s:
                    harness.recv_exactly(s, size)
                found.append(size * 8e-6 / (time.monotonic() - began))
            rates.append(median(found))
        rows.append([name, *rates, rates[0] / rates[1], rates[0] / rates[2]])
        pair.local.stop()
        pair.relay.stop()
    peers.table(f"{options.file} MiB by KCP and as a stream, {FAR}",
                ["budgets", "KCP Mbit/s", "stream", "KCP alone", "of the stream's",
                 "of KCP's alone"], rows, "aim: 0.6 of the stream's")


def neighbour(t, options):
    """A call of one client beside flows of another client of the same relay that flood it, on
    loopback: the relay's processor is the bottleneck."""
    caller, other = clients_of_one_relay(t, 2)
    caller.start_relay()
    for pair in (caller, other):
        pair.start_local()
    count = min(options.datagrams, 1500)
    rows = []

    def start(work, pair, *more):
        return subprocess.Popen(
            [bench_tool("datagrams"), work, "--way", "socks", "--to",
             f"127.0.0.1:{pair.socks_port}", "--server",
             f"127.0.0.1:{harness.free_port(socket.SOCK_DGRAM)}", *map(str, more)],
            stdout=subprocess.PIPE, text=True)
    for flows in (0, 24):
        floods = [start("flood", other, "--seconds", f"{count // 50 + 5}s", "--size", 1200)
                  for _ in range(flows)]
        time.sleep(2)
        out, _ = start("echo", caller, "--count", count, "--rate", 50, "--size", 200, "--late",
                       "60ms").communicate(timeout=600)
        found = json.loads(out)["echoes"]
        rows.append([f"{flows} flows of another client", *(found[name] for name in DELAYS),
                     f"{100 * found['late'] / found['sent']:.3f} %"])
        for process in floods:
            process.communicate(timeout=600)
    peers.table("echoes, 50 a second, beside flows of another client that flood, on loopback",
                ["", *(f"{name} ms" for name in DELAYS), "late (60 ms) or lost"], rows)


def flood(t, options):
    """Round trips of datagrams on loopback: how many a second, and the CPU of both processes."""
    server = f"127.0.0.1:{harness.free_port(socket.SOCK_DGRAM)}"
    ours = peers.splitsocks(t)
    port, socks_port = harness.free_port(), harness.free_port()
    program = need("ss-server", "ss-local")
    words = ["-k", "a throw-away password", "-m", "aes-256-gcm", "-t", "600", "-u"]
    processes = [t.process("ss-server", [program[0], "-s", "127.0.0.1", "-p", str(port), *words]),
                 t.process("ss-local", [program[1], "-s", "127.0.0.1", "-p", str(port), "-b",
                                        "127.0.0.1", "-l", str(socks_port), *words])]
    peers.wait_listening(socks_port)
    theirs = peers.Proxy("shadowsocks (aes-256-gcm)", socks_port, processes)
    for size in (200, 1200):
        results = {ours.name: [], theirs.name: []}
        for _ in range(options.rounds):
            for proxy in (ours, theirs):
                cpu = proxy.cpu_seconds()
                out = subprocess.run([bench_tool("datagrams"), "flood", "--way", "socks", "--to",
                                      proxy.address, "--server", server, "--size", str(size),
                                      "--seconds", f"{options.seconds}s"],
                                     check=True, stdout=subprocess.PIPE, text=True).stdout
                report = json.loads(out)
                datagrams = max(2 * report["answers"], 1)
                results[proxy.name].append((datagrams / report["seconds"],
                                            (proxy.cpu_seconds() - cpu) * 1e6 / datagrams))
        rates = {name: median([r for r, _ in found]) for name, found in results.items()}
        costs = {name: median([c for _, c in found]) for name, found in results.items()}
        peers.table(f"datagrams of {size} bytes on loopback, 64 on their way",
                    ["", "datagrams/s", "of shadowsocks'", "CPU us each", "of shadowsocks'"],
                    [[name, rates[name], rates[name] / rates[theirs.name], costs[name],
                      costs[name] / costs[theirs.name]] for name in results], "aim: 1.5 times the rate")


def idle(t, options):
    """Flows of a forward that have been used once: memory, CPU and wake-ups."""
    count = options.flows
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    port = harness.free_port(socket.SOCK_DGRAM)
    pair = t.pair({"udp": {"max_flows": count},
                   "listen": [{"protocol": "forward", "network": "udp", "port": port,
                               "to": "127.0.0.1:%d" % server.getsockname()[1]}]},
                  {"limits": {"flows": count}}, start=False)
    pair.relay_config["clients"][0]["max_flows"] = count
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    sockets = []

    def use(more):
        for _ in range(more):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("127.0.0.1", port))
            s.settimeout(0.2)
            sockets.append(s)
            for _ in range(20):
                s.send(b"hello")
                server.settimeout(0.5)
                try:
                    data, peer = server.recvfrom(2048)
                    server.sendto(data, peer)
                    s.recv(2048)
                    break
                except socket.timeout:
                    pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    use(100)
    processes = (pair.local, pair.relay)
    peers.settle(processes)
    before = [p.rss_kib() for p in processes]
    use(count - 100)
    peers.settle(processes, 3)
    rows = [[p.name, p.rss_kib(), (p.rss_kib() - rss) * 1024 / (count - 100), wakes, cpu]
            for p, rss, (wakes, cpu) in zip(processes, before, watch(processes, 30))]
    peers.table(f"{count} idle flows, 30 s", ["", "RSS KiB", "bytes a flow", "wake-ups", "CPU ms"], rows,
                "aims: under 2048 bytes a flow; no wake-ups")
    for s in sockets:
        s.close()


SCENARIOS = {"call": call, "cut": cut, "beside": beside, "crowd": crowd, "dns": dns, "iperf": iperf,
             "kcp": kcp, "neighbour": neighbour, "flood": flood, "idle": idle}


def bench(t, options):
    if options.quick:
        options.datagrams, options.queries, options.cuts, options.seconds = 500, 300, 2, 2
        options.rounds, options.file = 1, 1
    for name in options.scenario or SCENARIOS:
        try:
            SCENARIOS[name](t, options)
        except harness.Skip as reason:
            print(f"{name}: skipped: {reason}")


if __name__ == "__main__":
    words = peers.parser(__doc__)
    words.set_defaults(rounds=3)
    words.add_argument("--scenario", action="append", choices=SCENARIOS)
    words.add_argument("--datagrams", type=int, default=30000, help="of a call, each way")
    words.add_argument("--queries", type=int, default=3000)
    words.add_argument("--flows", type=int, default=10000, help="that are idle")
    words.add_argument("--cuts", type=int, default=10)
    words.add_argument("--file", type=int, default=10, help="MiB by KCP")
    words.add_argument("--seconds", type=int, default=5, help="of each flood")
    words.add_argument("--quick", action="store_true", help="one round, small sizes")
    peers.run(bench, words.parse_args())
