#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections that would come back to the listener that they came from: seen at once by their address,
or else ended by a bound, without harm to others."""
import contextlib
import socket
import subprocess
import threading

import harness
from harness import SPLITSOCKS, Failure, free_port, wait_until

OTHER = "192.0.2.77"  # an address of the machine beside loopback


def forward(port, to, **keys):
    return {"protocol": "forward", "port": port, "to": to, **keys}


def send_and_wait(port, address="127.0.0.1"):
    """The bytes that come back until the connection ends."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(20 * harness.SLOW)
        try:
            s.connect((address, port))
            s.sendall(b"x")
            return harness.recv_all(s)
        except ConnectionError:
            return b""
        except socket.timeout:
            raise Failure(f"the connection to port {port} does not end") from None


def check_refused(t, pair, port, before, address="127.0.0.1"):
    """It ends at once, and has made no more than a handful of others."""
    lines = pair.local.log().count("connect to itself")
    t.equal(send_and_wait(port, address), b"", "what came back")
    wait_until(lambda: pair.local.log().count("connect to itself") > lines,
               what="a word about it")
    t.check(pair.local.descriptors() < before + 30, f"{pair.local.descriptors()} descriptors")


def test_own_listeners_by_address(t):
    """Through the relay, which runs on this machine, and past it."""
    netns = t.netns("n")
    netns.ip(f"addr add {OTHER}/32 dev lo")
    netns.ip("addr add 2001:db8::77/128 dev lo nodad")
    with netns.inside():
        server = t.server()
        for name, rules in (("proxy", []), ("direct", [{"action": "direct"}])):
            ports = [free_port() for _ in range(9)]
            pair = t.pair({"rules": rules, "paths": [{"source": "127.0.0.1"}]},
                          {"destinations": {"allow": ["0.0.0.0/0", "::/0"]}}, start=False,
                          name=name, local_netns=netns, relay_netns=netns)
            pair.local_config["listen"] += [
                forward(ports[0], f"127.0.0.1:{ports[0]}"),
                forward(ports[1], f"localhost:{ports[1]}"),
                forward(ports[2], f"{OTHER}:{ports[2]}", address="0.0.0.0"),
                forward(ports[3], f"127.9.9.9:{ports[3]}", address="0.0.0.0"),
                forward(ports[4], f"[::ffff:127.0.0.1]:{ports[4]}"),
                forward(ports[5], f"127.0.0.1:{ports[6]}"),
                forward(ports[6], f"127.0.0.1:{ports[5]}"),
                forward(ports[7], f"[2001:db8::77]:{ports[7]}", address="::"),
                forward(ports[8], f"127.0.0.1:{ports[8]}", address="::ffff:127.0.0.1"),
                # This one leads elsewhere: nobody is on that address, nor asked for it.
                forward(server.port, f"127.0.0.2:{server.port}", address="127.0.0.3"),
            ]
            pair.write_configs()
            pair.start_relay()
            pair.start_local()
            pair.local.wait_output("session .* begins")
            before = pair.local.descriptors()
            for port in ports[:7] + ports[8:]:
                check_refused(t, pair, port, before)
            check_refused(t, pair, ports[7], before, "::1")
            for host, port in (("127.0.0.1", pair.socks_port), (OTHER, ports[2])):
                t.equal(pair.reply(host, port), 2, f"reply to a SOCKS client for {host}:{port}")
            t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "another stream")
            lines = pair.local.log().count("connect to itself")
            t.equal(send_and_wait(server.port, "127.0.0.3"), b"", "nobody's answer")
            t.equal(pair.local.log().count("connect to itself"), lines, "lines about loops")
            t.equal(pair.local.stop(), 0, "exit status")


def test_the_same_port_of_the_relays_host(t):
    """As with `ssh -L 8080:localhost:8080`: the relay's own loopback address is meant."""
    from lab import Lab
    lab = Lab(t, ["delay=1ms"])
    port = free_port()
    with lab.b.inside():
        server = t.server()
    pair = lab.pair(t, relay={"destinations": {"allow": harness.LOOPBACK}}, start=False)
    pair.local_config["listen"].append(forward(server.port, f"127.0.0.1:{server.port}"))
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    with lab.a.inside(), socket.create_connection(("127.0.0.1", server.port), 20 * harness.SLOW) as s:
        s.sendall(b"x")
        t.equal(s.recv(1), b"x", "an echo")
    t.check(port, "a port")


def redirector(t, to):
    """A server that leads to another port, as an accident of somebody's forwarding might."""
    def handle(client):
        with socket.create_connection(("127.0.0.1", to())) as onward:
            def back():
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        client.sendall(data)
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            with contextlib.suppress(OSError):
                while data := client.recv(65536):
                    onward.sendall(data)
            with contextlib.suppress(OSError):
                onward.shutdown(socket.SHUT_RDWR)
            thread.join()
    return t.server(handle)


def bound(number):
    return f"{number} connections to it are open already.*max_per_target"


def check_bounded(t, pair, port, server, word):
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "a stream before")
    before = pair.local.descriptors()
    t.equal(send_and_wait(port), b"", "what came back")
    pair.local.wait_output(word)
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "another stream")
    wait_until(lambda: pair.local.descriptors() < before + 30, 30, "the descriptors of the loop")


def test_a_loop_by_way_of_another_program(t):
    """Through the relay, and past it, from a forward listener."""
    server = t.server()
    for name, rules in (("proxy", []), ("direct", [{"action": "direct"}])):
        port = free_port()
        other = redirector(t, lambda port=port: port)
        pair = t.pair({"rules": rules}, start=False, name=name)
        pair.local_config["listen"].append(
            forward(port, f"127.0.0.1:{other.port}", max_per_target=60))
        pair.write_configs()
        pair.start_relay()
        pair.start_local()
        check_bounded(t, pair, port, server, bound(60))


def test_two_locals_that_lead_to_each_other(t):
    server = t.server()
    ports = [free_port(), free_port()]
    pairs = []
    for i in range(2):
        pair = t.pair(start=False, name=f"l{i}")
        # Of these the first meets its bound.
        pair.local_config["listen"].append(
            forward(ports[i], f"127.0.0.1:{ports[1 - i]}", **({} if i else {"max_per_target": 200})))
        pair.write_configs()
        pair.start_relay()
        pair.start_local()
        pairs.append(pair)
    check_bounded(t, pairs[0], ports[0], server, bound(200))
    t.equal(pairs[1].fetch("127.0.0.1", server.port, b"x"), b"x", "a stream of the other local")


def test_a_loop_with_few_descriptors(t):
    """The descriptors that clients may have are the bound then, through the relay and past it."""
    for name, rules in (("proxy", []), ("direct", [{"action": "direct"}])):
        server, port = t.server(), free_port()
        other = redirector(t, lambda port=port: port)
        pair = t.pair({"rules": rules}, start=False, name=name)
        pair.local_config["listen"].append(forward(port, f"127.0.0.1:{other.port}"))
        pair.write_configs()
        pair.start_relay()
        pair.start_local(under=("sh", "-c", 'ulimit -n 300; exec "$@"', "sh"))
        check_bounded(t, pair, port, server, "no descriptor is left for clients")


def test_check_warns(t):
    pair = t.pair(start=False)
    port, elsewhere = free_port(), free_port()
    base = pair.local_config["listen"]
    for to, warned in ((f"127.0.0.1:{port}", True), (f"localhost:{port}", True),
                       (f"0.0.0.0:{port}", True), (f"127.0.0.1:{pair.socks_port}", True),
                       (f"127.0.0.2:{port}", False), (f"127.0.0.1:{elsewhere}", False)):
        pair.local_config["listen"] = base + [forward(port, to)]
        pair.write_configs()
        result = subprocess.run([SPLITSOCKS, "check", "local", pair.local_path], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        t.equal(result.returncode, 0, f"status of check ({result.stderr})")
        t.equal("would come back" in result.stderr, warned, f"a warning of {to}: {result.stderr}")


if __name__ == "__main__":
    harness.main(globals())
