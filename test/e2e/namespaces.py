# SPDX-License-Identifier: MIT
"""Network namespaces, emulated links between them, and the TCP sockets that are in one."""
import contextlib
import ctypes
import os
import re
import subprocess

from basics import Skip, need
from processes import Process


class Netns:
    """A network namespace without a name: it lives as long as the process that holds it."""

    def __init__(self, directory, name):
        if os.geteuid() != 0:
            raise Skip("network namespaces need root")
        self.holder = Process(directory, f"netns-{name}",
                              [need("unshare"), "--net", "sh", "-c", "echo ready; exec sleep 86400"])
        self.holder.wait_output("^ready")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.ip("link set lo up")

    def enter(self, command):
        return [need("nsenter"), f"--net={self.path}", *command]

    def ip(self, arguments):
        subprocess.run(self.enter([need("ip"), *arguments.split()]), check=True)

    def sysctl(self, name, value):
        path = "/proc/sys/" + name.replace(".", "/")
        subprocess.run(self.enter(["sh", "-c", f"echo {value} > {path}"]), check=True)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile belong to the namespace."""
        CLONE_NEWNET = 0x40000000
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(self.path) as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise Skip(f"setns: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def run(self, command):
        """What a command prints in the namespace."""
        return subprocess.run(self.enter(command), check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def read(self, path):
        """A /proc file as the namespace sees it."""
        return self.run(["cat", path])


class Link:
    """linkemu between namespaces, all of one process: entries are (name, a, b, network)."""

    def __init__(self, test, entries, settings="", seed=1, device="t"):
        if not os.path.exists("/dev/net/tun"):
            raise Skip("no /dev/net/tun")
        words = ["--seed", str(seed)]
        for i, (name, a, b, _) in enumerate(entries):
            words += ["--link", f"{name},{a.path},{device}a{i},{b.path},{device}b{i}"]
        self.tool = test.tool("linkemu", words)
        self.names = [entry[0] for entry in entries]
        for i, (name, a, b, network) in enumerate(entries):
            for netns, tun, host in ((a, f"{device}a{i}", 1), (b, f"{device}b{i}", 2)):
                netns.ip(f"addr add {network}.{host}/24 dev {tun}")
                netns.ip(f"link set {tun} mtu 1500 txqueuelen 5000 up")
            if settings:
                self.set(settings, name=name)

    def set(self, settings, direction="both", name=None):
        self.tool.command(f"set {name or self.names[0]} {direction} {settings}")

    def limit(self, words, name=None):
        """What a middlebox at B's end does to TCP connections; see tcpbox_set()."""
        self.tool.command(f"limit {name or self.names[0]} {words}")

    def report(self, name=None):
        return self.tool.report()[name or self.names[0]]

    def watch(self, name=None):
        """Starts the TCP observer afresh."""
        self.tool.command(f"watch {name or self.names[0]}")


def tcp_states(text):
    """(local port, remote port, state) of each socket in the text of /proc/net/tcp."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        yield (int(fields[1].rpartition(":")[2], 16), int(fields[2].rpartition(":")[2], 16),
               int(fields[3], 16))


TIME_WAIT = 6


def count_time_wait(ports, netns=None):
    """How many TIME_WAIT sockets have one of the ports at either end."""
    read = netns.read if netns else lambda path: open(path).read()
    text = read("/proc/net/tcp") + "\n" + read("/proc/net/tcp6")
    rows = (line for line in text.splitlines() if re.match(r"\s*\d+:", line))
    return sum(1 for local, remote, state in tcp_states("\n" + "\n".join(rows))
               if state == TIME_WAIT and (local in ports or remote in ports))
