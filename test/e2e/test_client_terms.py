#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the relay's operator grants one client and not the others: destinations, and a date;
and that no client takes the flows of the others."""
import datetime

import harness
from datagrams import Association, DatagramServer
from pairs import grant, two_clients

DENIED = 2  # RFC 1928 section 6


def from_now(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def drops_datagrams(t, pair, guest, server, reason):
    """The relay drops those of the guest, and says so, and passes on those of the other client."""
    association = Association(t, guest.socks_port, (server.host, server.port))
    association.send(b"of the guest")
    pair.relay.wait_output(rf"guest: datagrams to 127\.0\.0\.1:{server.port} are dropped: {reason}")
    Association(t, pair.socks_port, (server.host, server.port)).ask(b"of the other")
    t.equal(set(server.seen), {b"of the other"}, "datagrams that arrived")


def wait_end(stream):
    stream.settimeout(30)
    try:
        while stream.recv(4096):
            pass
    except ConnectionResetError:
        pass


def test_destinations_of_one_client(t):
    server, udp = t.server(), DatagramServer(t)
    pair, guest = two_clients(t, {"destinations": {"deny": ["127.0.0.0/8"]}})
    t.equal(pair.reply("127.0.0.1", server.port), 0, "the other client")
    t.equal(guest.reply("127.0.0.1", server.port), DENIED, "the guest")
    pair.relay.wait_output(r"guest: .*127\.0\.0\.1 is in 127\.0\.0\.0/8, which the relay's "
                           r'"clients\[\]\.destinations\.deny" lists')
    drops_datagrams(t, pair, guest, udp, "127.0.0.1 is in ")
    # Streams that begin after a reload follow the new rules.
    grant(pair, destinations={"ports": [server.port]})
    harness.wait_until(lambda: guest.reply("127.0.0.1", server.port) == 0, 20, "what is allowed")
    t.equal(guest.reply("127.0.0.1", server.port ^ 1), DENIED, "another port")
    drops_datagrams(t, pair, guest, udp,
                    rf"port {udp.port} is not among the relay's \"clients\[\]\.destinations\.ports\"")


def test_one_client_reaches_more(t):
    server = t.server()
    pair, guest = two_clients(t, {"destinations": {"allow": ["127.0.0.0/8"]}},
                              relay={"destinations": {"allow": ["::1/128"]}})
    t.equal(pair.reply("127.0.0.1", server.port), DENIED, "the other client")
    t.equal(guest.reply("127.0.0.1", server.port), 0, "the guest")


def expires(t, workers):
    server = t.server()
    pair, guest = two_clients(t, {"expires": from_now(3600)}, relay={"workers": workers})
    stream, other = (p.open("127.0.0.1", server.port) for p in (guest, pair))
    grant(pair, expires=from_now(2))
    wait_end(stream)
    reason = r"the relay served this key until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC " \
             r"\(clients\[\]\.expires\)"
    guest.local.wait_output(reason)
    pair.relay.wait_output(f"guest has ended: {reason}")
    pair.relay.wait_output(f"a further session of guest was refused: {reason}")
    t.check(guest.reply("127.0.0.1", server.port) != 0, "it is served on")
    other.sendall(b"still here")
    t.equal(other.recv(10), b"still here", "the other client's stream")
    grant(pair, expires=None)
    harness.wait_until(lambda: guest.reply("127.0.0.1", server.port) == 0, 20, "a longer time")


def test_a_client_expires(t):
    expires(t, 1)


def test_a_client_expires_in_another_worker(t):
    expires(t, 2)


def test_flows_of_one_client(t):
    """A client that opens more flows than limits.flows leaves it loses its own."""
    ports = {}

    def note_port(data, peer):
        ports.setdefault(data, set()).add(peer[1])
        return data

    server = DatagramServer(t, handle=note_port)
    pair, guest = two_clients(t, {}, relay={"workers": 1, "limits": {"flows": 12}})
    flows = {b"flow %d" % i: Association(t, pair.socks_port, (server.host, server.port))
             for i in range(3)}
    for text, flow in flows.items():
        flow.ask(text)
    guests = [Association(t, guest.socks_port, (server.host, server.port)) for _ in range(20)]
    for flow in guests:
        flow.ask(b"the guest's")
    pair.relay.wait_output("guest has as many flows as limits.flows leaves it")
    guests[0].ask(b"the guest's")
    for text, flow in flows.items():
        flow.ask(text)
        t.equal(len(ports[text]), 1, "ports of the other client's flow")
    t.check(len(ports[b"the guest's"]) > len(guests), "the guest's first flow kept its port")


if __name__ == "__main__":
    harness.main(globals())
