#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A remote desktop and an ssh session stay up while paths are cut, change address, and the relay
changes its ports.

The RDP session is xfreerdp on an Xvfb, through the SOCKS proxy, to an xrdp that shows an Xvnc. It
is alive when a colour painted at the server appears on the client's screen, and the pointer moved
at the client moves at the server. Cuts are short unless SPLITSOCKS_FULL=1.
"""
import getpass
import os
import random
import signal
import subprocess
import time

import harness
from harness import SPLITSOCKS, free_port, full, need, wait_until
from lab import RELAY, Lab
from test_ssh import start_sshd
from x11 import Display, pixel_of

SETTINGS = ["rate=20Mbit delay=10ms limit=128k", "rate=20Mbit delay=15ms limit=128k"]
CUT, OUTAGE = full(1.2, 10), full(2.5, 30)
BACK = 15  # seconds within which a session goes on; the bound is a safety net


class Desktop:
    """An RDP session through the pair."""

    def __init__(self, t, lab, pair):
        xvfb, xvnc, xrdp, client = need("Xvfb", "Xvnc", "xrdp", "xfreerdp")
        self.t, self.random = t, random.Random(1)
        here, there, rfb, port = (free_port() for _ in range(4))
        os.makedirs(t.path("screen"))
        t.process("xvfb", [xvfb, f":{here}", "-screen", "0", "640x480x24", "-nolisten", "tcp",
                           "-fbdir", t.path("screen")])
        t.process("xvnc", [xvnc, f":{there}", "-geometry", "640x480", "-depth", "24", "-nolisten",
                           "tcp", "-SecurityTypes", "None", "-rfbport", str(rfb), "-localhost"],
                  netns=lab.b)
        self.server, self.screen = Display(there), Display(here)
        t.stack.callback(self.server.close)
        t.stack.callback(self.screen.close)
        self.xrdp = t.process("xrdp", [xrdp, "--nodaemon", "--config", self._config(port, rfb)],
                              netns=lab.b)
        wait_until(lambda: "listening to port" in self.log(), 20, "xrdp to listen")
        self.client = t.process(
            "xfreerdp", [client, f"/v:{RELAY}:{port}", f"/proxy:socks5://127.0.0.1:{pair.socks_port}",
                         "/cert:ignore", "/sec:tls", "/u:user", "/p:word", "/f", "/bpp:32"],
            netns=lab.a, env={"DISPLAY": f":{here}", "HOME": t.directory})
        self.check("the beginning", 60)

    def _config(self, port, rfb):
        need("openssl")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab",
                        "-keyout", self.t.path("rdp.key"), "-out", self.t.path("rdp.crt")],
                       check=True, stderr=subprocess.DEVNULL)
        return self.t.write("xrdp.ini", f"""
[Globals]
ini_version=1
fork=false
port=tcp://{RELAY}:{port}
security_layer=tls
certificate={self.t.path("rdp.crt")}
key_file={self.t.path("rdp.key")}
autorun=desktop
allow_channels=true
max_bpp=32
[Logging]
LogFile={self.t.path("xrdp.log")}
LogLevel=INFO
EnableSyslog=false
[desktop]
name=desktop
lib=libvnc.so
username=
password=
ip=127.0.0.1
port={rfb}
""")

    def log(self):
        try:
            with open(self.t.path("xrdp.log"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def _sees(self, pixel):
        self.t.check(self.client.running(), f"xfreerdp has ended: {self.client.log()[-500:]}")
        return pixel_of(self.t.path("screen/Xvfb_screen0"), 100, 100) == pixel

    def _feels(self, x, y):
        self.screen.move_pointer(x, y)
        return self.server.pointer() == (x, y)

    def check(self, when, seconds=BACK):
        pixel = self.random.randrange(1, 1 << 24)
        x, y = self.random.randrange(150, 600), self.random.randrange(150, 450)
        self.server.paint(pixel)
        wait_until(lambda: self._sees(pixel), seconds, f"what the desktop shows, after {when}")
        wait_until(lambda: self._feels(x, y), seconds, f"the desktop to feel the pointer, after {when}")
        self.t.equal(self.log().count("connection received from"), 1, "RDP connections so far")


class Shell:
    """An ssh session through the pair, which sends back what it is sent."""

    def __init__(self, t, lab, pair):
        port, options = start_sshd(t, RELAY, lab.b)
        self.t, self.lines = t, 0
        self.client = t.process(
            "ssh", [need("ssh"), *options, "-o",
                    f"ProxyCommand={SPLITSOCKS} connect -c {pair.local_path} %h %p", "-p", str(port),
                    f"{getpass.getuser()}@{RELAY}", "cat"], netns=lab.a, stdin=subprocess.PIPE)
        self.check("the beginning", 30)

    def check(self, when, seconds=BACK):
        self.lines += 1
        self.client.popen.stdin.write(f"line {self.lines}\n".encode())
        self.client.popen.stdin.flush()
        wait_until(self._echoed, seconds, f"the shell's answer after {when}")

    def _echoed(self):
        self.t.check(self.client.running(), f"ssh has ended: {self.client.log()[-500:]}")
        return self.client.output().splitlines()[-1:] == [f"line {self.lines}"]


class Sessions:
    def __init__(self, t, paths=None, relay_ports=1, listening=1):
        self.lab = Lab(t, SETTINGS)
        self.pair = self.lab.pair(t, {"paths": paths or self.lab.sources}, relay_ports=relay_ports,
                                  start=False)
        self.listen(listening)
        self.pair.start_relay()
        self.pair.start_local()
        self.sessions = [Desktop(t, self.lab, self.pair), Shell(t, self.lab, self.pair)]

    def listen(self, count):
        """The relay takes the first `count` of its ports, or with less than 0 the last."""
        ports = self.pair.relay_ports
        self.pair.relay_config["listen"][0]["ports"] = ports[:count] if count > 0 else ports[count:]
        self.pair.write_configs()

    def check(self, when):
        for session in self.sessions:
            session.check(when)


def test_sessions_outlive_cut_paths(t):
    sessions = Sessions(t)
    lab = sessions.lab
    for index in range(lab.count):
        lab.cut(index)
        time.sleep(CUT)
        sessions.check(f"a cut of path {index}, while it lasts")
        lab.mend(index)
        sessions.check(f"a cut of path {index}")
    for index in range(lab.count):
        lab.cut(index)
    time.sleep(OUTAGE)
    for index in range(lab.count):
        lab.mend(index)
    sessions.check("a cut of all paths")


def test_sessions_outlive_a_change_of_address(t):
    sessions = Sessions(t, [{"interface": "ta0"}, {"interface": "ta1"}])
    for index in range(sessions.lab.count):
        sessions.lab.readdress(index, 11)
        sessions.check(f"a change of path {index}'s address")
    for index in range(sessions.lab.count):
        sessions.lab.readdress(index, 12)
    sessions.check("a change of both addresses at once")


def test_sessions_outlive_a_change_of_ports(t):
    sessions = Sessions(t, relay_ports=4, listening=2)
    for count in (-2, 1):
        sessions.listen(count)
        sessions.pair.relay.signal(signal.SIGHUP)
        sessions.check(f"the relay's change of ports, {count}")


if __name__ == "__main__":
    harness.main(globals(), full(150, 600))
