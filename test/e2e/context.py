# SPDX-License-Identifier: MIT
"""The context that a test function gets: expectations, and what ends with the test."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile

from basics import SANITIZERS, SLOW, SPLITSOCKS, Failure, free_port, tool
from namespaces import Link, Netns
from pairs import Pair
from processes import Daemon, Load, Process, Tool
from sockets import Server, echo


class Test:
    """The context of one test function. All that it starts ends with it."""

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


def _short(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:280]}... ({len(text)} characters)"
