# SPDX-License-Identifier: MIT
"""The machine that the tests run on: programs, sizes, free ports, and waiting."""
import os
import random
import shutil
import socket
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP_BUILDDIR = os.environ.get("TOP_BUILDDIR", os.path.join(HERE, "..", "..", "build"))
SPLITSOCKS = os.environ.get("SPLITSOCKS", os.path.join(TOP_BUILDDIR, "splitsocks"))
FULL = os.environ.get("SPLITSOCKS_FULL") == "1"


def _sanitizers():
    """The tools that make the program slow: those it was built with, or runs under."""
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
    """Waits until `read` has returned the same for `quiet` seconds, and returns that: data that
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
