#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A process that may open few descriptors: clients wait or are refused, and the session, names and
the control socket keep what they need."""
import contextlib
import json
import select
import socket
import subprocess
import time

import harness
from harness import SPLITSOCKS, wait_until
from lab import RELAY, Lab

FILES = 200
FEW = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")
CLIENTS = 300


class Crowd:
    """Clients of a forward listener that leads to an echo; each is open or waits in the kernel."""

    def __init__(self, lab, port, count):
        self.poll = select.poll()
        self.clients = {}
        with lab.a.inside():
            for _ in range(count):
                client = socket.create_connection(("127.0.0.1", port))
                client.setblocking(False)
                self.poll.register(client, select.POLLIN)
                self.clients[client.fileno()] = client
        self.served, self.ended = set(), set()

    def send(self, clients):
        for fd in clients:
            with contextlib.suppress(ConnectionError):  # the poll tells
                self.clients[fd].send(b"x")

    def hear(self, milliseconds):
        """Those that are answered; None when nothing comes. Those that end are asked no more."""
        ready = self.poll.poll(milliseconds)
        answered = set()
        for fd, _ in ready:
            try:
                if self.clients[fd].recv(1):
                    answered.add(fd)
                    continue
            except ConnectionError:
                pass
            self.poll.unregister(fd)
            self.ended.add(fd)
        return answered if ready else None

    def say(self, clients, quiet=1):
        """Sends a byte on each; who answers, when none has for `quiet` seconds or all have."""
        self.send(clients)
        answered = set()
        while answered != set(clients):
            heard = self.hear(1000 * quiet * harness.SLOW)
            if heard is None:
                break
            answered |= heard
        return answered

    def begin(self):
        self.served = self.say(list(self.clients))
        return self

    def close(self, clients):
        for fd in clients:
            if fd not in self.ended:
                self.poll.unregister(fd)
            self.clients.pop(fd).close()


def setting(t, few):
    """A pair with one path and a forward listener to an echo; the side `few` may open few files."""
    lab = Lab(t, ["delay=5ms"])
    with lab.b.inside():
        server = t.server(host=RELAY)
    port = harness.free_port()
    pair = lab.pair(t, start=False)
    pair.local_config["listen"].append(
        {"protocol": "forward", "port": port, "to": f"{RELAY}:{server.port}"})
    pair.write_configs()
    pair.start_relay(under=FEW if few == "relay" else ())
    pair.start_local(under=FEW if few == "local" else ())
    pair.local.wait_output("session .* begins")
    return lab, pair, port


def break_path(lab):
    lab.cut(0)
    time.sleep(2)
    lab.mend(0)


def check_all_go_on(t, lab, crowd):
    """Every stream outlives a break of the path and goes on soon after it. (Clients that wait for
    a descriptor may be refused meanwhile.)"""
    served = crowd.served
    crowd.send(served)
    break_path(lab)
    answered = set()
    deadline = time.monotonic() + 20 * harness.SLOW
    while not served <= answered | crowd.ended and time.monotonic() < deadline:
        answered |= crowd.hear(500) or set()
    t.equal(len(crowd.ended & served), 0, "streams that ended")
    t.equal(len(answered & served), len(served), "streams that go on after the break")


def test_local_at_its_bound(t):
    lab, pair, port = setting(t, "local")
    crowd = Crowd(lab, port, CLIENTS).begin()
    t.note(f"{len(crowd.served)} of {CLIENTS} served")
    t.check(FILES / 4 <= len(crowd.served) < FILES, f"{len(crowd.served)} clients are served")
    pair.local.wait_output(f"no descriptor is left for clients.*of the {FILES} that")
    check_all_go_on(t, lab, crowd)
    result = subprocess.run([SPLITSOCKS, "status", "-c", pair.local_path, "--json"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={"XDG_RUNTIME_DIR": t.directory})
    t.equal(result.returncode, 0, f"status of status ({result.stderr})")
    t.check(json.loads(result.stdout)["streams"], "status has no streams")
    # Those that come take the places of those that leave.
    crowd.close(list(crowd.served)[:FILES // 8])
    t.equal(len(Crowd(lab, port, 10).begin().served), 10, "clients that come later")


def test_relay_at_its_bound(t):
    lab, pair, port = setting(t, "relay")
    crowd = Crowd(lab, port, CLIENTS).begin()
    t.note(f"{len(crowd.served)} of {CLIENTS} served, {len(crowd.ended)} refused")
    # The relay's only client leaves as much as it has to clients that may come.
    t.check(FILES / 8 <= len(crowd.served) < FILES / 2, f"{len(crowd.served)} clients are served")
    t.equal(len(crowd.served) + len(crowd.ended), CLIENTS, "clients that know what has come of it")
    pair.relay.wait_output("its client has as many connections as it leaves to the others")
    check_all_go_on(t, lab, crowd)


def test_relay_restarted_while_local_is_at_its_bound(t):
    lab, pair, port = setting(t, "local")
    crowd = Crowd(lab, port, CLIENTS).begin()
    t.check(len(crowd.served) < CLIENTS, "local has descriptors for all")
    pair.relay.kill()
    pair.start_relay()
    wait_until(lambda: pair.local.log().count("begins") >= 2, 20, "a new session")

    def served():
        with lab.a.inside():
            client = socket.create_connection(("127.0.0.1", port), timeout=20 * harness.SLOW)
        try:
            client.sendall(b"x")
            return client.recv(1) == b"x"
        except OSError:
            return False
        finally:
            client.close()
    crowd.close(list(crowd.clients))
    wait_until(served, 20, "a new client to be served")


def test_strangers_at_a_relay_with_few_descriptors(t):
    """They get a part of the reserve for subflows: those of a client find room."""
    lab, pair, port = setting(t, "relay")
    with lab.a.inside():
        strangers = [socket.create_connection((RELAY, pair.relay_ports[0])) for _ in range(FILES)]
    for stranger in strangers:
        stranger.sendall(b"garbage")
    pair.local.kill()
    pair.start_local()
    pair.local.wait_output("session .* begins")
    t.equal(len(Crowd(lab, port, 10).begin().served), 10, "clients of a new session")
    for stranger in strangers:
        stranger.close()


def test_what_a_relay_holds_from_the_start(t):
    """Many ports and workers take nothing from the reserve for clients; where they leave nothing at
    all, check and the start say so."""
    server = t.server()
    pair = t.pair(relay={"workers": 8}, relay_ports=100, start=False)
    pair.local_config["relay"]["ports"] = pair.relay_ports[:1]
    pair.write_configs()
    pair.start_relay(under=FEW)
    pair.start_local()
    clients = [pair.open("127.0.0.1", server.port) for _ in range(15)]
    for client in clients:
        client.sendall(b"x")
        t.equal(harness.recv_exactly(client, 1), b"x", "an echo")
    for client in clients:
        client.close()
    for words in (["check", "relay", pair.relay_path], ["relay", "-c", pair.relay_path]):
        result = subprocess.run(["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", SPLITSOCKS, *words],
                                text=True, stderr=subprocess.PIPE, timeout=20 * harness.SLOW)
        t.check(result.returncode != 0 and "workers take 124 descriptors" in result.stderr,
                f"{words[0]}: {result.returncode} {result.stderr}")


if __name__ == "__main__":
    harness.main(globals())
