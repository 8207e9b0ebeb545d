#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reader of the log, or of the line that says ready, stops reading: the proxy goes on."""
import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import threading

import harness
from harness import SPLITSOCKS, wait_until

F_SETPIPE_SZ = 1031
# Each writes more than two lines of 60 bytes with -v, several times what a stream takes whose
# reader does not read.
CONNECTIONS = 400


def small_pipe():
    read, write = os.pipe()
    fcntl.fcntl(write, F_SETPIPE_SZ, 4096)
    return read, write


def small_socket():
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


def stopped_terminal():
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    return master, slave


class Reader:
    """Reads in a thread, from the moment that it is told to."""

    def __init__(self, fd):
        self.fd, self.text = fd, b""
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(self.fd, 65536):
                self.text += part

    def start(self):
        self.thread.start()
        return self


def start(t, pair, role, out, err):
    """Starts a side of the pair with these streams, which it alone has then."""
    path = pair.local_path if role == "local" else pair.relay_path
    daemon = subprocess.Popen([SPLITSOCKS, role, "-c", path, "-v"], stdin=subprocess.DEVNULL,
                              stdout=out, stderr=err, preexec_fn=harness.die_with_parent,
                              env={**os.environ, "XDG_RUNTIME_DIR": t.directory,
                                   "STATE_DIRECTORY": "", "XDG_STATE_HOME": t.directory})
    t.stack.callback(daemon.kill)
    port = pair.socks_port if role == "local" else pair.relay_ports[0]

    def listening():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
    wait_until(listening, what=f"{role} to listen")
    return daemon


def check_goes_on(t, pair, server):
    for _ in range(CONNECTIONS):
        t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "an echo")


def check_log(t, make, restart=lambda read, write: None):
    """Of both sides, with a stream that `make` has made, and that `restart` lets go on."""
    for role in ("local", "relay"):
        pair, server = t.pair({}, {"workers": 3}, start=False, name=f"{role}{make.__name__}"), t.server()
        read, write = make()
        if role == "relay":
            daemon = start(t, pair, "relay", subprocess.DEVNULL, write)
            pair.start_local()
        else:
            pair.start_relay()
            daemon = start(t, pair, "local", subprocess.DEVNULL, write)
        check_goes_on(t, pair, server)
        t.equal(os.get_blocking(write), True, "the mode of the open file, which others share")
        restart(read, write)
        os.close(write)
        reader = Reader(read).start()
        daemon.send_signal(signal.SIGTERM)
        t.equal(daemon.wait(30 * harness.SLOW), 0, "exit status")
        reader.thread.join(10 * harness.SLOW)
        text = reader.text.decode(errors="replace")
        # All of it, since it fits the buffer; and the last lines, too.
        t.check(re.search("begins", text) and "stopping" in text, text[-2000:])
        t.check("were lost" not in text, text[-2000:])


def test_pipe(t):
    check_log(t, small_pipe)


def test_socket(t):
    check_log(t, small_socket)


def test_terminal(t):
    check_log(t, stopped_terminal, lambda master, slave: termios.tcflow(slave, termios.TCOON))


def test_a_reader_that_never_reads_again(t):
    """It delays the end of the process for a moment, and not for ever."""
    pair, server = t.pair(start=False), t.server()
    pair.start_relay()
    _, write = small_pipe()
    daemon = start(t, pair, "local", subprocess.DEVNULL, write)
    check_goes_on(t, pair, server)
    daemon.send_signal(signal.SIGTERM)
    t.equal(daemon.wait(30 * harness.SLOW), 0, "exit status")


def test_ready(t):
    """Nobody reads standard output, which is full."""
    pair, server = t.pair(start=False), t.server()
    read, write = small_pipe()
    os.set_blocking(write, False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(write, b".")
    os.set_blocking(write, True)
    pair.start_relay()
    daemon = start(t, pair, "local", write, subprocess.DEVNULL)
    os.close(write)
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "an echo")
    reader = Reader(read).start()
    wait_until(lambda: b"\n" in reader.text, what="the line that says ready")
    t.equal(reader.text[filled:], f"ready 127.0.0.1:{pair.socks_port}\n".encode(), "the line")
    daemon.send_signal(signal.SIGTERM)
    t.equal(daemon.wait(30 * harness.SLOW), 0, "exit status")


if __name__ == "__main__":
    harness.main(globals())
