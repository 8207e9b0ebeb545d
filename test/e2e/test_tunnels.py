#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of others that put all they carry into datagrams, through a UDP forward over a link:
OpenVPN, WireGuard, KCP and QUIC, each with its own real server."""
import json
import os
import socket
import subprocess

import harness
from harness import SLOW, bulk, full, need, recv_exactly, wait_until
from lab import RELAY, Lab, budget
from tunnels import INNER, answers, start_kcp, start_openvpn, wait_for_vpn

LINK = "rate=50Mbit delay=5ms limit=256k"


class Course:
    """A client's and a server's namespace with a link between them, and a UDP forward from one to a
    port of the other."""

    def __init__(self, t, kind=socket.SOCK_DGRAM, **changes):
        self.t, self.lab = t, Lab(t, [LINK])
        self.server_port, self.port = harness.free_port(kind), harness.free_port(kind)
        self.pair = self.lab.pair(t, {
            "listen": [{"protocol": "forward", "network": "udp", "port": self.port,
                        "to": f"{RELAY}:{self.server_port}"}], **changes})

    def server(self, name, command, **options):
        return self.t.process(name, command, netns=self.lab.b, **options)

    def pings(self):
        """Waits until the far end of a VPN answers, then wants some answers in a row."""
        wait_for_vpn(self.lab.a)
        self.t.check(answers(self.lab.a, "-c", "5", "-i", "0.2", "-W", str(5 * SLOW), "-s", "1300"),
                     "pings are not answered")

    def transfers(self):
        """A megabyte over TCP inside of a VPN, and iperf3 by TCP and by datagrams, both ways."""
        origin = self.t.origin(f"{INNER[1]}:{harness.free_port()}", netns=self.lab.b)
        self.t.load("--direct", origin.dest, "--count", 1, "--down", bulk(1),
                    netns=self.lab.a)
        port = str(harness.free_port())
        self.server("iperf3", [need("iperf3"), "-s", "-B", INNER[1], "-p", port,
                               "--forceflush"]).wait_output("listening")
        for words in (["-n", "1M"], ["-n", "1M", "-R"],
                      *(["-u", "-b", "1M", "-l", "1200", "-t", "1", *way] for way in ([], ["-R"]))):
            self.iperf3(port, words)

    def iperf3(self, port, words):
        result = subprocess.run(
            self.lab.a.enter([need("iperf3"), "-c", INNER[1], "-p", port, "-J", *words]),
            stdout=subprocess.PIPE, text=True, timeout=60 * SLOW)
        report = json.loads(result.stdout)
        self.t.equal(report.get("error"), None, f"an error of iperf3 {words}")
        end = report["end"]
        if "-u" in words:
            self.t.check(end["sum"]["packets"] > end["sum"]["lost_packets"],
                         f"all datagrams of iperf3 {words} were lost")
        else:
            self.t.check(end["sum_received"]["bytes"] > 0, f"nothing came of iperf3 {words}")


def test_openvpn(t):
    course = Course(t)
    start_openvpn(t, course.lab, (RELAY, course.server_port), ("127.0.0.1", course.port))
    course.pings()
    course.transfers()


def wireguard_end(t, netns, name, address, words):
    """A WireGuard interface in the namespace; `words` are those of `wg set`."""
    program, wg = need("wireguard-go", "wg")
    daemon = t.process(name, [program, "-f", name], netns=netns,
                       env={**os.environ, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
    control = f"/var/run/wireguard/{name}.sock"
    wait_until(lambda: os.path.exists(control) or not daemon.running(), 20, "WireGuard")
    subprocess.run(netns.enter([wg, "set", name, *words]), check=True)
    netns.ip(f"addr add {address}/24 dev {name}")
    netns.ip(f"link set {name} mtu 1400 up")


def test_wireguard(t):
    wg = need("wg")
    course = Course(t)
    publics, paths = [], []
    for end in "cs":
        private = subprocess.run([wg, "genkey"], check=True, stdout=subprocess.PIPE).stdout
        publics.append(subprocess.run([wg, "pubkey"], input=private, check=True,
                                      stdout=subprocess.PIPE).stdout.decode().strip())
        paths.append(t.write(f"wireguard-{end}.key", private))
    unique = os.getpid() % 100000
    wireguard_end(t, course.lab.b, f"wgs{unique}", INNER[1],
                  ["private-key", paths[1], "listen-port", str(course.server_port),
                   "peer", publics[0], "allowed-ips", f"{INNER[0]}/32"])
    wireguard_end(t, course.lab.a, f"wgc{unique}", INNER[0],
                  ["private-key", paths[0], "peer", publics[1], "allowed-ips", f"{INNER[1]}/32",
                   "endpoint", f"127.0.0.1:{course.port}"])
    course.pings()
    course.transfers()


def kcp_transfers(t, size, per_connection):
    """A file over KCP over subflows of so many bytes: tcpsplitter's way, with us below it."""
    course = Course(t, udp={"max_age": "2s"}, **budget(per_connection))
    content = os.urandom(size)
    with course.lab.b.inside():
        origin = t.server(lambda connection: connection.sendall(content) or connection.recv(1), RELAY)
    port = start_kcp(t, course.lab, f"{RELAY}:{course.server_port}", f"{RELAY}:{origin.port}",
                     f"127.0.0.1:{course.port}")
    with course.lab.a.inside(), socket.create_connection(("127.0.0.1", port), 60 * SLOW) as s:
        t.check(recv_exactly(s, size) == content, "what came over KCP is not what was sent")


def test_kcp_over_tiny_budgets(t):
    kcp_transfers(t, full(1 << 18, 1 << 20) // SLOW, 1000)


def test_kcp_over_small_budgets(t):
    kcp_transfers(t, full(1, 10) * (1 << 20) // SLOW, 65536)


def test_quic(t):
    client, server, openssl = need("gtlsclient", "gtlsserver", "openssl")
    course = Course(t)
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", t.path("quic.key"),
                    "-out", t.path("quic.crt")], check=True, stderr=subprocess.DEVNULL)
    os.makedirs(t.path("htdocs"))
    os.makedirs(t.path("got"))
    content = os.urandom(1 << 20)
    t.write("htdocs/file", content)
    course.server("gtlsserver", [server, "-q", "--htdocs", t.path("htdocs"), RELAY,
                                 str(course.server_port), t.path("quic.key"), t.path("quic.crt")])

    def fetched():
        subprocess.run(course.lab.a.enter([
            client, "-q", "--exit-on-all-streams-close", "--timeout", "10s", "--download", t.path("got"),
            "127.0.0.1", str(course.port), "https://localhost/file"]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60 * SLOW)
        path = t.path("got/file")
        return os.path.exists(path) and open(path, "rb").read() == content
    wait_until(fetched, 60, "the file over QUIC")


if __name__ == "__main__":
    harness.main(globals())
