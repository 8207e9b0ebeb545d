# SPDX-License-Identifier: MIT
"""Both ends of programs that put all they carry into datagrams: OpenVPN, and KCP as kcptun does.
The client's end is in namespace A of a lab, the server's in B."""
import subprocess

import harness
from harness import need, wait_until

INNER = ("10.8.0.1", "10.8.0.2")  # at the client's and at the server's end of a VPN
KCP = ["--crypt", "none", "--nocomp", "--mtu", "880", "--datashard", "0", "--parityshard", "0",
       "--mode", "manual", "--nc", "0", "--quiet"]


def answers(netns, *words):
    """Whether the far end of the VPN answers pings from the namespace."""
    return subprocess.run(netns.enter([need("ping"), "-q", *words, INNER[1]]),
                          stdout=subprocess.DEVNULL).returncode == 0


def wait_for_vpn(netns):
    wait_until(lambda: answers(netns, "-c", "1", "-W", "1"), 60, "the VPN to come up")


def start_openvpn(t, lab, server, remote, protocols=("udp", "udp")):
    """An OpenVPN whose server has one address and port, and whose client sends to another;
    `protocols` are the client's and the server's."""
    openvpn = need("openvpn")
    key = t.path("openvpn.key")
    subprocess.run([openvpn, "--genkey", "secret", key], check=True)
    common = ["--dev-type", "tun", "--secret", key, "--cipher", "AES-256-CBC", "--auth-nocache",
              "--verb", "1"]
    t.process("openvpn-server", [openvpn, *common, "--proto", protocols[1], "--dev", "ovs",
                                 "--local", server[0], "--lport", str(server[1]),
                                 "--ifconfig", INNER[1], INNER[0]], netns=lab.b)
    t.process("openvpn-client", [openvpn, *common, "--proto", protocols[0], "--dev", "ovc",
                                 "--nobind", "--remote", remote[0], str(remote[1]),
                                 "--ifconfig", INNER[0], INNER[1]], netns=lab.a)


def start_kcp(t, lab, server, target, through):
    """KCP from a port in A, which is the result, by `through` to `server`, and from there over TCP
    to `target`."""
    client_program, server_program = need("kcptun-client", "kcptun-server")
    t.process("kcptun-server", [server_program, *KCP, "-l", server, "-t", target], netns=lab.b)
    port = harness.free_port()
    t.process("kcptun-client", [client_program, *KCP, "-l", f"127.0.0.1:{port}", "-r", through],
              netns=lab.a)
    wait_until(lambda: port in (local for local, _, _ in harness.tcp_states(
        lab.a.read("/proc/net/tcp"))), 20, "KCP's client to listen")
    return port
