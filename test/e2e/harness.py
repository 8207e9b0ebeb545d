# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: TAP, processes, ports, configurations, network namespaces.

A test script defines functions test_*(t) and ends with harness.main(globals()). Each function gets
a Test: whatever it starts through that is stopped when the function ends, and a daemon that did not
end as asked, or left a sanitizer's report, fails the test. Words on the command line select tests.

Environment: SPLITSOCKS (the program), TOP_BUILDDIR (where the test programs are), SPLITSOCKS_FULL=1
(the full sizes rather than what suits `make check`).
"""
import contextlib
import ctypes
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP_BUILDDIR = os.environ.get("TOP_BUILDDIR", os.path.join(HERE, "..", "..", "build"))
SPLITSOCKS = os.environ.get("SPLITSOCKS", os.path.join(TOP_BUILDDIR, "splitsocks"))
FULL = os.environ.get("SPLITSOCKS_FULL") == "1"


def _sanitizers():
    """What the program was built with, or is run in; [] for nothing that makes it slow."""
    if os.environ.get("UNDER_VALGRIND"):
        return ["valgrind"]
    try:
        with open(SPLITSOCKS, "rb") as f:
            program = f.read()
    except OSError:
        return []  # main() tells
    return [name for name in ("tsan", "asan") if f"__{name}_init".encode() in program]


SANITIZERS = _sanitizers()
# Everything takes several times as long under these; limits of time are stretched by it.
SLOW = max([{"valgrind": 8, "tsan": 4, "asan": 2}[name] for name in SANITIZERS], default=1)
LOOPBACK = ["127.0.0.0/8", "::1/128"]
SOURCE_PORTS = (10000, 32000)  # below what the kernel gives to outgoing connections


class Skip(Exception):
    """The test cannot run here; says why."""


class Failure(Exception):
    """An expectation was not met."""


def full(reduced, complete):
    """The size to use: reduced by default, complete with SPLITSOCKS_FULL=1."""
    return complete if FULL else reduced


def bulk(mib):
    """A size for socksload that takes about as long under valgrind or sanitizers as without."""
    return f"{max(1, mib // SLOW // (1 if SLOW == 1 else 2))}M"


def tool(name):
    return os.path.join(TOP_BUILDDIR, "test", "e2e", name)


def need(*programs):
    """The paths of programs that this machine may lack."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = [shutil.which(program, path=path) for program in programs]
    for program, where in zip(programs, found):
        if where is None:
            raise Skip(f"{program} is not installed")
    return found if len(found) > 1 else found[0]


_promised_ports = []  # sockets whose abstract names say so to other tests


def free_port(kind=socket.SOCK_STREAM):
    """A port that is free now on every address, and that no test which runs at the same time has
    been given, be it bound already or not."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(*SOURCE_PORTS)
        promise = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            promise.bind(f"\0splitsocks test port {port}")
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind(("0.0.0.0", port))
        except OSError:
            promise.close()
            continue
        _promised_ports.append(promise)
        return port
    raise Failure("no free port")


def wait_until(condition, seconds=10, what="the condition"):
    """Polls until the condition's value is true, and returns it. The bound is a safety net."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds * SLOW} s in vain for {what}")
        time.sleep(0.02)


def rest(read, quiet=0.3, seconds=20, what="the count"):
    """Waits until what `read` returns has been the same for `quiet` seconds, and returns it: what
    was under way when its source was cut off has arrived by then."""
    last, since = read(), time.monotonic()

    def rests():
        nonlocal last, since
        value = read()
        if value != last:
            last, since = value, time.monotonic()
        return time.monotonic() - since >= quiet
    wait_until(rests, seconds, f"{what} to rest")
    return last


def _die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child that dies with us. Its output goes to files, so that it never blocks."""

    def __init__(self, directory, name, command, netns=None, stdin=subprocess.DEVNULL, env=None):
        self.name = name
        self.out_path = os.path.join(directory, f"{name}.out")
        self.err_path = os.path.join(directory, f"{name}.err")
        if netns is not None:
            command = netns.enter(command)
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err,
                                          preexec_fn=_die_with_parent,
                                          env={**os.environ, "STATE_DIRECTORY": "",
                                               "XDG_STATE_HOME": directory, **(env or {})})
        self.pid = self.popen.pid

    def output(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def _threads_that_write(self):
        """The states of the threads that write the standard streams of a splitsocks
        (OUTLET_THREAD_NAME): "S" is asleep."""
        states = []
        for task in glob.glob(f"/proc/{self.pid}/task/*/stat"):
            with contextlib.suppress(OSError), open(task, errors="replace") as f:
                name, _, rest = f.read().partition("(")[2].rpartition(")")
                if name == "output":
                    states.append(rest.split()[0])
        return states

    def log(self):
        """All that the process has logged so far. A thread of its own writes the log, so what the
        process has just done need not be in the file yet: the thread is asleep when it is."""
        deadline = time.monotonic() + SLOW
        while set(self._threads_that_write()) - {"S"} and time.monotonic() < deadline:
            time.sleep(0.001)
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def wait_output(self, pattern, seconds=15):
        """Waits for a line on either output that matches; returns the match."""
        def look():
            found = re.search(pattern, self.output() + "\n" + self.log(), re.M)
            if found is None and not self.running():
                raise Failure(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
            return found
        return wait_until(look, seconds, f"'{pattern}' from {self.name}")

    def wait(self, seconds=30):
        """The exit status."""
        try:
            return self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {seconds * SLOW} s") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def status(self, key):
        """A number from /proc/PID/status, e.g. VmRSS (KiB) or voluntary_ctxt_switches."""
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M).group(1))

    def rss_kib(self):
        return self.status("VmRSS")

    def peak_kib(self):
        return self.status("VmHWM")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Tool(Process):
    """One of our C programs with a control socket (control.h)."""

    def __init__(self, directory, name, program, arguments, netns=None):
        self.path = os.path.join(directory, f"{name}.ctl")
        super().__init__(directory, name, [tool(program), "--control", self.path, *arguments],
                         netns)
        self.wait_output("^ready")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rw")

    def command(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        answer = self.file.readline().strip()
        if answer.startswith("error") or not answer:
            raise Failure(f"{self.name}: {line}: {answer or 'gone'}")
        return answer

    def report(self):
        return json.loads(self.command("report"))


class Daemon(Process):
    """splitsocks local or relay."""

    def __init__(self, directory, name, role, config, netns=None, verbose=True, env=None,
                 under=()):
        """`under`: a program with its arguments that runs it."""
        self.role, self.config, self.netns = role, config, netns
        self.killed = False
        command = [*under, SPLITSOCKS, role, "-c", config] + (["-v"] if verbose else [])
        # Its control socket is not to be found among those of whoever runs the tests.
        env = {"XDG_RUNTIME_DIR": directory, "RUNTIME_DIRECTORY": "", **(env or {})}
        super().__init__(directory, name, command, netns, env=env)
        self.ready_line = self.wait_output(r"^(?:.*\s)?ready\b.*$").group(0)

    def ports(self):
        """The ports that the ready line names."""
        return [int(port) for port in re.findall(r":(\d+)\b", self.ready_line)]

    def kill(self):
        self.killed = True
        super().kill()

    def stop(self, seconds=30):
        """Asks it to end; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def complaints(self):
        """What a sanitizer or a crash has left; None when all is well."""
        log = self.log()
        for word in ("AddressSanitizer", "runtime error:", "ThreadSanitizer", "LeakSanitizer",
                     "Assertion", "==ERROR"):
            if word in log:
                return f"{self.name} says {word}"
        code = self.popen.poll()
        if code is not None and not self.killed and code not in (0, 1, 2):
            return f"{self.name} ended with {code}"
        return None


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

    def read(self, path):
        """A /proc file as the namespace sees it."""
        return subprocess.run(self.enter(["cat", path]), check=True, text=True,
                              stdout=subprocess.PIPE).stdout


def tcp_states(text):
    """Of /proc/net/tcp's text: (local port, remote port, state) of each socket."""
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


def recv_exactly(s, length):
    data = b""
    while len(data) < length:
        part = s.recv(length - len(data))
        if not part:
            raise Failure(f"the stream ended after {len(data)} of {length} bytes: {data!r}")
        data += part
    return data


def recv_all(s):
    data = bytearray()
    while True:
        part = s.recv(65536)
        if not part:
            return bytes(data)
        data += part


def socks_address(host):
    for family, code in ((socket.AF_INET, b"\1"), (socket.AF_INET6, b"\4")):
        with contextlib.suppress(OSError):
            return code + socket.inet_pton(family, host)
    return b"\3" + bytes([len(host)]) + host.encode()


def socks_request(host, port, command=1):
    return bytes([5, command, 0]) + socks_address(host) + struct.pack(">H", port)


def socks_reply(s):
    """Reads one reply; returns (code, the whole reply)."""
    head = recv_exactly(s, 4)
    length = {1: 4, 4: 16}.get(head[3])
    if length is None:
        raise Failure(f"reply with address type {head[3]}")
    return head[1], head + recv_exactly(s, length + 2)


def socks_dial(port, timeout=20, proxy="127.0.0.1"):
    s = socket.create_connection((proxy, port), timeout=timeout * SLOW)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def socks_connect(proxy_port, host, port, timeout=20, proxy="127.0.0.1"):
    """A connected stream, and the reply's code: (socket, code)."""
    s = socks_dial(proxy_port, timeout, proxy)
    s.sendall(b"\5\1\0")
    if recv_exactly(s, 2) != b"\5\0":
        raise Failure("no-auth was not accepted")
    s.sendall(socks_request(host, port))
    return s, socks_reply(s)[0]


class Server:
    """A little TCP server in a thread; `handle(socket)` runs in a thread of its own."""

    def __init__(self, handle, host="127.0.0.1", port=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or free_port()
        self.socket.bind((host, self.port))
        self.socket.listen(512)
        self.handle, self.accepted, self.errors = handle, 0, []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                self.handle(client)
            except Exception as error:  # the test looks at these
                self.errors.append(error)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def echo(client):
    while data := client.recv(65536):
        client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def merge(base, changes):
    """Dictionaries are merged, anything else replaces; a value of ... removes the key."""
    result = dict(base)
    for key, value in changes.items():
        if value is ...:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


class Pair:
    """A local and a relay that know each other, on loopback or in two network namespaces."""

    def __init__(self, test, local=None, relay=None, *, proxy=False, relay_ports=1,
                 local_netns=None, relay_netns=None, relay_address="127.0.0.1", start=True,
                 name="", dial_address=None):
        self.test, self.name = test, name
        self.local_netns, self.relay_netns = local_netns, relay_netns
        self.directory = test.directory
        self.relay_key, self.local_key = test.keygen(f"relay{name}"), test.keygen(f"local{name}")
        self.relay_ports = [free_port() for _ in range(relay_ports)]
        self.socks_port = free_port()
        self.proxy = None
        dial_ports = self.relay_ports
        if proxy:
            dial_ports = [free_port() for _ in self.relay_ports]
            forwards = [word for listen, server in zip(dial_ports, self.relay_ports)
                        for word in ("--forward", f"{relay_address}:{listen}={relay_address}:{server}")]
            self.proxy = test.tool("wireproxy", forwards, netns=relay_netns, name=f"proxy{name}")
        self.dial_ports = dial_ports
        self.local_config = merge({
            "relay": {"host": dial_address or relay_address, "ports": dial_ports,
                      "public_key": self.relay_key},
            "private_key_file": f"local{name}.key",
            "listen": [{"protocol": "socks5", "address": "127.0.0.1", "port": self.socks_port}],
        }, local or {})
        self.relay_config = merge({
            "listen": [{"address": relay_address, "ports": self.relay_ports}],
            "private_key_file": f"relay{name}.key",
            "clients": [{"name": "test", "public_key": self.local_key}],
            "destinations": {"allow": LOOPBACK},
        }, relay or {})
        self.write_configs()
        self.local = self.relay = None
        if start:
            self.start_relay()
            self.start_local()

    def write_configs(self):
        self.local_path = self.test.write_json(f"local{self.name}.json", self.local_config)
        self.relay_path = self.test.write_json(f"relay{self.name}.json", self.relay_config)

    def start_relay(self, **options):
        self.relay = self.test.daemon("relay", self.relay_path, self.relay_netns,
                                      f"relay{self.name}", **options)
        return self.relay

    def start_local(self, **options):
        self.local = self.test.daemon("local", self.local_path, self.local_netns,
                                      f"local{self.name}", **options)
        return self.local

    def connect(self, host, port, timeout=20):
        return socks_connect(self.socks_port, host, port, timeout)

    def open(self, host, port, timeout=20):
        """A connected stream; fails the test unless the reply is success."""
        s, code = self.connect(host, port, timeout)
        if code != 0:
            raise Failure(f"{host}:{port}: reply {code}")
        return s

    def fetch(self, host, port, request=b"", timeout=20):
        with self.open(host, port, timeout) as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            return recv_all(s)

    def load(self, dest, *arguments, **options):
        """Runs socksload through this pair's local to its end; see Test.load."""
        return self.test.load("--proxy", f"127.0.0.1:{self.socks_port}", "--dest", dest, *arguments,
                              netns=self.local_netns, **options)

    def start_load(self, dest, *arguments, **options):
        return self.test.start_load("--proxy", f"127.0.0.1:{self.socks_port}", "--dest", dest,
                                    *arguments, netns=self.local_netns, **options)


class Load(Process):
    """socksload, running."""

    def result(self, seconds=120, good=True):
        """Its report. Unless told otherwise, every stream must have been good."""
        self.wait(seconds)
        text = self.output().strip().splitlines()
        if not text or not text[-1].startswith("{"):
            raise Failure(f"{self.name} printed no report: {self.log()}")
        report = json.loads(text[-1])
        if good and self.popen.returncode != 0:
            raise Failure(f"{self.name}: {brief(report)}")
        return report


def brief(report):
    """A report without its long lists."""
    return {key: value for key, value in report.items() if not isinstance(value, list)}


class Test:
    """One test function's context; see the module's words."""

    def __init__(self, name):
        self.name = name
        self.directory = tempfile.mkdtemp(prefix="splitsocks-e2e-")
        self.stack = contextlib.ExitStack()
        self.processes = []
        self.names = {}

    # Expectations.

    def check(self, condition, message):
        if not condition:
            raise Failure(message)

    def equal(self, found, wanted, what):
        if found != wanted:
            raise Failure(f"{what}: found {_short(found)}, wanted {_short(wanted)}")

    def at_most(self, found, limit, what):
        self.note(f"{what}: {found} (limit {limit})")
        if found > limit:
            raise Failure(f"{what}: {found} is above {limit}")

    def note(self, text):
        """A diagnostic line in the TAP output."""
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    @property
    def sanitized(self):
        """Whether the program is built or run such that memory figures say nothing."""
        return bool(SANITIZERS)

    # Things that end with the test.

    def unique(self, name):
        count = self.names[name] = self.names.get(name, 0) + 1
        return f"{name}-{count}" if count > 1 else name

    def keep(self, process):
        self.processes.append(process)
        return process

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w" if isinstance(text, str) else "wb") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def write_json(self, name, value):
        return self.write(name, json.dumps(value, indent=2))

    def keygen(self, name):
        """Makes NAME.key; returns the public key."""
        result = subprocess.run([SPLITSOCKS, "keygen", self.path(f"{name}.key")], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if result.returncode != 0:
            raise Failure(f"keygen: {result.returncode}: {result.stderr}")
        return result.stdout.strip()

    def process(self, name, command, **options):
        return self.keep(Process(self.directory, self.unique(name), command, **options))

    def daemon(self, role, config, netns=None, name=None, **options):
        return self.keep(Daemon(self.directory, self.unique(name or role), role, config, netns,
                                **options))

    def tool(self, program, arguments, netns=None, name=None):
        return self.keep(Tool(self.directory, self.unique(name or program), program, arguments,
                              netns))

    def origin(self, *addresses, netns=None):
        """An origin; with no address, on a free port of 127.0.0.1. Has .dest."""
        addresses = addresses or (f"127.0.0.1:{free_port()}",)
        words = [word for address in addresses for word in ("--listen", address)]
        origin = self.tool("origin", words, netns)
        origin.dest = addresses[0]
        return origin

    def start_load(self, *arguments, netns=None, stdin=subprocess.DEVNULL):
        return self.keep(Load(self.directory, self.unique("load"),
                              [tool("socksload"), *map(str, arguments)], netns, stdin))

    def load(self, *arguments, seconds=120, good=True, **options):
        return self.start_load(*arguments, **options).result(seconds, good)

    def pair(self, local=None, relay=None, **options):
        return Pair(self, local, relay, **options)

    def netns(self, name):
        netns = Netns(self.directory, self.unique(name))
        self.keep(netns.holder)
        return netns

    def server(self, handle=echo, host="127.0.0.1"):
        server = Server(handle, host)
        self.stack.callback(server.close)
        return server

    def link(self, a, b, network="10.77.0", settings="", seed=1, name="link", device="t"):
        """An emulated link between two namespaces: a is NETWORK.1, b NETWORK.2."""
        return Link(self, [(name, a, b, network)], settings, seed, device)

    def finish(self):
        """Stops everything, newest first; returns complaints."""
        complaints = []
        daemons = [p for p in self.processes if isinstance(p, Daemon)]
        for process in reversed(self.processes):
            if isinstance(process, Daemon) and process.running():
                process.signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(1 * SLOW)
                # Streams may be left open by the test; a second signal ends them.
                if process.running():
                    process.signal(signal.SIGTERM)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.popen.wait(10 * SLOW)
                if process.running():
                    complaints.append(f"{process.name} does not end on SIGTERM")
            Process.kill(process)
        self.stack.close()
        complaints += [text for text in (d.complaints() for d in daemons) if text]
        return complaints

    def logs(self):
        for process in self.processes:
            for path in (process.out_path, process.err_path):
                with contextlib.suppress(OSError), open(path, errors="replace") as f:
                    lines = f.read().splitlines()[-30:]
                    if lines:
                        self.note(f"--- {os.path.basename(path)}")
                        self.note("\n".join(line[:400] for line in lines))

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


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

    def report(self, name=None):
        return self.tool.report()[name or self.names[0]]

    def watch(self, name=None):
        """Starts the TCP observer afresh."""
        self.tool.command(f"watch {name or self.names[0]}")


def _short(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:280]}... ({len(text)} characters)"


def _run_one(number, name, function):
    test = Test(name)
    error = None
    try:
        function(test)
    except Skip as reason:
        test.finish()
        test.remove()
        print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        return
    except Failure as failure:
        where = traceback.extract_tb(failure.__traceback__)
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in where]
        error = f"{failure}\n({' '.join(lines)})"
    except BaseException:
        error = traceback.format_exc()
    complaints = test.finish()
    if complaints:
        error = "\n".join(([error] if error else []) + complaints)
    if error:
        test.note(error)
        test.logs()
    test.remove()
    print(f"{'not ok' if error else 'ok'} {number} - {name}", flush=True)


def _watchdog(seconds):
    """The bound on a whole script: its children die with it."""
    def expired(_signal, _frame):
        raise Failure(f"the script took longer than {seconds} s")
    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)


def main(names, seconds=None):
    """Runs every test_* function of a script and prints TAP."""
    tests = [(name[len("test_"):], value) for name, value in names.items()
             if name.startswith("test_") and callable(value)]
    if len(sys.argv) > 1:
        tests = [(n, f) for n, f in tests if any(word in n for word in sys.argv[1:])]
    print(f"1..{len(tests)}", flush=True)
    if not os.path.exists(SPLITSOCKS):
        print(f"Bail out! there is no {SPLITSOCKS}")
        sys.exit(1)
    for number, (name, function) in enumerate(tests, 1):
        _watchdog((seconds or full(120, 900)) * SLOW)
        _run_one(number, name.replace("_", " "), function)
        signal.alarm(0)
