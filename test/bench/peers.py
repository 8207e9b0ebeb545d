# SPDX-License-Identifier: MIT
"""Shared by the benches: the proxies side by side, their CPU time and memory, and tables.

A bench function gets a harness.Test, so that all it starts ends with it. Figures of one run are
compared with one another only: rounds of the proxies alternate, and the benches print medians and
ratios of them. Nothing here passes or fails on a figure.
"""
import argparse
import contextlib
import getpass
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402
from harness import need  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30


def bench_tool(name):
    return os.path.join(harness.TOP_BUILDDIR, "test", "bench", name)


def _stat(pid):
    """The fields of /proc/PID/stat behind the program's name."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()


def cpu_of(pids):
    """User and system seconds of the processes, their ended and waited-for children included."""
    total = 0.0
    for pid in pids:
        fields = _stat(pid)
        total += sum(int(field) for field in fields[11:15]) / TICK
    return total


def descendants(pid):
    """The process and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
    found, queue = [], [pid]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


class Proxy:
    """A SOCKS5 proxy under test: a name, a port, and the processes that do its work."""

    def __init__(self, name, socks_port, processes):
        self.name, self.socks_port, self.processes = name, socks_port, processes

    def pids(self):
        return [pid for process in self.processes for pid in descendants(process.pid)]

    def cpu_seconds(self):
        return cpu_of(self.pids())

    @property
    def address(self):
        return f"127.0.0.1:{self.socks_port}"


def splitsocks(t, local=None, relay=None, name="splitsocks", **options):
    pair = t.pair(local, relay, name=name, **options)
    proxy = Proxy(name, pair.socks_port, [pair.local, pair.relay])
    proxy.pair = pair
    return proxy


class Place:
    """Where a proxy's two ends run, and the address of its server: here, or in two namespaces."""

    def __init__(self, local=None, server=None, address="127.0.0.1"):
        self.local, self.server, self.address = local, server, address


HERE = Place()


def ssh(t, cipher="aes128-gcm@openssh.com", place=HERE):
    """`ssh -D` to an sshd of our own with throw-away keys."""
    sshd, ssh_keygen, client = need("sshd", "ssh-keygen", "ssh")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    for name in ("host", "client"):
        subprocess.run([ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-f", t.path(name)], check=True)
    shutil.copy(t.path("client.pub"), t.path("authorized"))
    port, socks_port = harness.free_port(), harness.free_port()
    config = t.write("sshd_config", f"""
Port {port}
ListenAddress {place.address}
HostKey {t.path("host")}
AuthorizedKeysFile {t.path("authorized")}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
""")
    server = t.process("sshd", [sshd, "-D", "-e", "-f", config], netns=place.server)
    server.wait_output("Server listening")
    with open(t.path("host.pub")) as key:
        t.write("known", f"[{place.address}]:{port} {key.read()}")
    local = t.process("ssh", [client, "-F", "none", "-N", "-i", t.path("client"), "-c", cipher,
                              "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
                              "-o", f"UserKnownHostsFile={t.path('known')}",
                              "-D", f"127.0.0.1:{socks_port}", "-p", str(port),
                              f"{getpass.getuser()}@{place.address}"], netns=place.local)
    wait_listening(socks_port, place.local)
    return Proxy(f"ssh -D ({cipher.partition('@')[0]})", socks_port, [local, server])


def shadowsocks(t, method="aes-256-gcm", place=HERE):
    server, local = need("ss-server", "ss-local")
    port, socks_port = harness.free_port(), harness.free_port()
    words = ["-k", "a throw-away password", "-m", method, "-t", "600"]
    # It refuses private destinations only with --acl, so loopback works as it is.
    processes = [
        t.process("ss-server", [server, "-s", place.address, "-p", str(port), *words],
                  netns=place.server),
        t.process("ss-local", [local, "-s", place.address, "-p", str(port), "-b", "127.0.0.1",
                               "-l", str(socks_port), *words], netns=place.local),
    ]
    wait_listening(port, place.server)
    wait_listening(socks_port, place.local)
    return Proxy(f"shadowsocks ({method})", socks_port, processes)


def wait_listening(port, netns=None):
    LISTEN = 10

    def listening():
        text = netns.read("/proc/net/tcp") if netns else open("/proc/net/tcp").read()
        return any(local == port and state == LISTEN
                   for local, _, state in harness.tcp_states(text))
    harness.wait_until(listening, what=f"port {port}")


def pump_server(t):
    """The destination of bulk; returns its address."""
    address = f"127.0.0.1:{harness.free_port()}"
    t.process("pump", [bench_tool("pump"), "serve", address]).wait_output("^ready")
    return address


def pump(proxy, dest, *arguments):
    """Runs the pump through the proxy (or, with None, directly); its report."""
    way = ["--direct"] if proxy is None else ["--proxy", proxy.address]
    result = subprocess.run([bench_tool("pump"), "run", *way, "--dest", dest, *map(str, arguments)],
                            check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def dial(proxy, *arguments):
    """Runs dial to its end; its report."""
    result = subprocess.run([bench_tool("dial"), "--proxy", proxy.address, *map(str, arguments)],
                            check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def settle(processes, seconds=1):
    """Waits until the processes have used no CPU for a while."""
    pids = [process.pid for process in processes]
    harness.wait_until(lambda: _still(pids, seconds), 120, "the processes to come to rest")


def _still(pids, seconds):
    before = cpu_of(pids)
    time.sleep(seconds)
    return cpu_of(pids) == before


def median(values):
    return statistics.median(values)


def table(title, columns, rows, note=""):
    """Prints rows of cells; numbers are given with the digits that mean something."""
    def text(cell):
        if isinstance(cell, float):
            return f"{cell:.0f}" if cell >= 1000 else f"{cell:.3g}"
        return str(cell)

    cells = [columns] + [[text(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))
    if note:
        print(f"  {note}")
    sys.stdout.flush()


def machine():
    """One line on where the figures come from."""
    model = re.search(r"^model name\s*:\s*(.*)$", open("/proc/cpuinfo").read(), re.M)
    load = open("/proc/loadavg").read().split()[0]
    return (f"{os.cpu_count()} x {model.group(1) if model else 'CPU'}, Linux {os.uname().release}, "
            f"load {load} before the run")


def parser(description):
    words = argparse.ArgumentParser(description=description)
    words.add_argument("--congestion-control", metavar="NAME", default="cubic",
                       help="of every TCP connection in the run (default: cubic)")
    words.add_argument("--rounds", type=int, default=5, help="of each proxy, interleaved")
    return words


def run(function, options):
    """Runs function(t, options) in a network namespace of its own, where it may set what all
    its connections use, and where nobody else's traffic is."""
    if os.environ.get("SPLITSOCKS_BENCH_INSIDE") != "1":
        command = [sys.executable, *sys.argv]
        os.environ["SPLITSOCKS_BENCH_INSIDE"] = "1"
        if os.geteuid() != 0:
            print("not root: runs among this machine's own traffic, with its congestion control")
            os.execv(sys.executable, command)
        os.execv(need("unshare"), ["unshare", "--net", *command])
    if os.geteuid() == 0:
        subprocess.run([need("ip"), "link", "set", "lo", "up"], check=True)
        # By route: a namespace may not make every algorithm its default.
        for network in ("127.0.0.0/8", "127.0.0.1"):
            subprocess.run([need("ip"), "route", "replace", "local", network, "dev", "lo", "table",
                            "local", "proto", "kernel", "scope", "host", "src", "127.0.0.1",
                            "congctl", options.congestion_control], check=True)
        # Ports enough for many connections, none of them held for a minute.
        for name, value in (("ip_local_port_range", "1024 65535"), ("tcp_max_tw_buckets", "4096")):
            with open(f"/proc/sys/net/ipv4/{name}", "w") as f:
                f.write(value)
    print(f"{os.path.basename(sys.argv[0])}: {machine()}, {options.congestion_control}", flush=True)
    t = harness.Test("bench")
    try:
        function(t, options)
    except harness.Skip as reason:
        print(f"skipped: {reason}")
    except harness.Failure:
        t.logs()
        raise
    finally:
        for complaint in t.finish():
            print(f"# {complaint}")
        t.remove()
