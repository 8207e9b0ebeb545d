#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""UDP as the relay does it: like a good NAT towards the client, and a wall towards all others."""
import socket
import struct

import harness
from datagrams import (HEADER_4, HEADER_6, LARGEST, Association, DatagramClient, DatagramServer,
                       forward, is_bound)
from fakedns import A, FakeDns
from harness import SLOW, need, wait_until
from lab import RELAY, Lab

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
QUIET = 0.3  # seconds without a datagram: none comes


def tell_port(data, peer):
    """What a server answers: the port that it sees, and what came."""
    return b"%d %s" % (peer[1], data)


def teller(t, host=HOSTS[0], port=None):
    return DatagramServer(t, host, tell_port, port)


def send(association, data, host, port):
    association.destination = host, port
    association.send(data)


def receive(association, seconds=10):
    """(bytes, (host, port)) of the next datagram; None when none comes."""
    return association.receive(seconds * SLOW)


def quiet(association):
    return receive(association, QUIET) is None


def held_port(association, server):
    """The relay's port of the flow, as the server sees it."""
    for _ in range(10):
        send(association, b"hello", server.host, server.port)
        while answer := receive(association, 2):
            if answer[0].endswith(b" hello"):
                return int(answer[0].split()[0])
    raise harness.Failure(f"{server.host}:{server.port} does not answer")


def stranger(t, host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.stack.callback(s.close)
    s.bind((host, 0))
    return s


# STUN, RFC 3489: the server has two addresses and two ports.

BINDING, RESPONSE = 0x0001, 0x0101
MAPPED_ADDRESS, CHANGE_REQUEST = 1, 3
CHANGE_IP, CHANGE_PORT = 4, 2


def stun_request(number, change=0):
    attributes = struct.pack(">HHI", CHANGE_REQUEST, 4, change)
    return struct.pack(">HH", BINDING, len(attributes)) + struct.pack(">QQ", 7, number) + attributes


def stun_mapped(text):
    kind, length = struct.unpack(">HH", text[:4])
    at = 20
    while kind == RESPONSE and at < 20 + length:
        attribute, size = struct.unpack(">HH", text[at:at + 4])
        if attribute == MAPPED_ADDRESS:
            return struct.unpack(">H", text[at + 6:at + 8])[0]
        at += 4 + size
    raise harness.Failure(f"no MAPPED-ADDRESS: {text!r}")


class StunServer:
    def __init__(self, t, netns=None):
        self.hosts = HOSTS[1:]
        self.ports = [harness.free_port(socket.SOCK_DGRAM) for _ in range(2)]
        t.process("stund", [need("stund"), "-h", self.hosts[0], "-a", self.hosts[1],
                            "-p", str(self.ports[0]), "-o", str(self.ports[1])], netns=netns)


def stun_ask(association, number, host, port, change=0, tries=5):
    """(mapped port, host and port of the answer); None without one."""
    for _ in range(tries):
        send(association, stun_request(number, change), host, port)
        while answer := receive(association, 1):
            if struct.unpack(">Q", answer[0][12:20])[0] == number:
                return (stun_mapped(answer[0]), *answer[1])
    return None


def stun_behaviour(t, association, server):
    """What the tests of RFC 5780 section 4.3 and 4.4 find: the mapping is one, and the filter lets in
    answers from (another port, another address)."""
    (host, other), (port, second) = server.hosts, server.ports
    first = stun_ask(association, 1, host, port)
    t.check(first, "no answer from the STUN server")
    t.equal(first[1:], (host, port), "where the answer came from")
    for number, place in enumerate(((other, port), (host, second), (other, second)), 2):
        t.equal(stun_ask(association, number, *place), (first[0], *place), f"mapping to {place}")
    return first[0]


def test_mapping_and_filter_are_independent_of_the_endpoint(t):
    server, pair = StunServer(t), t.pair()
    association = Association(t, pair.socks_port)
    port = stun_behaviour(t, association, server)
    # A flow of its own has sent nothing to the other address yet.
    association = Association(t, pair.socks_port)
    (host, other), (first, second) = server.hosts, server.ports
    answer = stun_ask(association, 9, host, first, CHANGE_IP | CHANGE_PORT)
    t.equal(answer and answer[1:], (other, second), "another address and port may answer")
    t.check(answer[0] != port, "each flow has a port of its own")


def test_filter_by_address(t):
    server, pair = StunServer(t), t.pair({"udp": {"filter": "address"}})
    association = Association(t, pair.socks_port)
    (host, other), (first, second) = server.hosts, server.ports
    answer = stun_ask(association, 9, host, first, CHANGE_PORT)
    t.equal(answer and answer[1:], (host, second), "another port of the same address may answer")
    t.equal(stun_ask(association, 10, host, first, CHANGE_IP, tries=1), None,
            "another address may not")
    stun_behaviour(t, association, server)
    answer = stun_ask(association, 11, host, first, CHANGE_IP)
    t.equal(answer and answer[1:], (other, first), "an address that was asked may answer")


def test_strangers_may_call(t):
    pair, server = t.pair(), teller(t)
    association = Association(t, pair.socks_port)
    port = held_port(association, server)
    caller = stranger(t, HOSTS[1])
    caller.sendto(b"ring", ("127.0.0.1", port))
    t.equal(receive(association), (b"ring", caller.getsockname()), "a stranger's datagram")


def test_each_datagram_is_checked_both_ways(t):
    pair = t.pair(relay={"destinations": {"allow": [f"{HOSTS[0]}/32", f"{HOSTS[2]}/32"]}})
    good = teller(t)
    bad = teller(t, HOSTS[1], good.port)
    association = Association(t, pair.socks_port)
    port = held_port(association, good)
    for _ in range(3):
        send(association, b"out", bad.host, bad.port)
        send(association, b"out", f"::ffff:{bad.host}", bad.port)
        t.equal(held_port(association, good), port, "the port that the good server sees")
    t.equal(bad.seen, [], "what the forbidden server has seen")
    pair.relay.wait_output(rf"test: datagrams to {bad.host}:{bad.port} are dropped: {bad.host} is in")
    # What comes in is checked, too.
    stranger(t, HOSTS[1]).sendto(b"in", ("127.0.0.1", port))
    t.check(quiet(association), "a datagram came from a forbidden address")
    stranger(t, HOSTS[2]).sendto(b"in", ("127.0.0.1", port))
    t.equal(receive(association)[0], b"in", "a datagram from an address that is allowed")


def check_a_name(t, where):
    dns = FakeDns(t, {"both.test": [HOSTS[1], HOSTS[2]], "bad.test": [HOSTS[1]]})
    servers = {"servers": [dns.server]}
    pair = t.pair({"dns": {"resolve": where, **servers}},
                  {"dns": servers,
                   "destinations": {"allow": [f"{HOSTS[0]}/32", f"{HOSTS[2]}/32"]}},
                  name=t.unique("names"))
    port = harness.free_port(socket.SOCK_DGRAM)
    bad, good = (teller(t, host, port) for host in HOSTS[1:])
    association = Association(t, pair.socks_port)
    for i in range(8):
        send(association, b"%d" % i, "both.test", port)
    answers = [receive(association) for _ in range(8)]
    t.equal(sorted(answer[0].split()[1] for answer in answers), [b"%d" % i for i in range(8)],
            "answers to what has waited for the name")
    t.equal({answer[1] for answer in answers}, {(good.host, port)}, "the true source")
    t.equal(dns.asked["both.test", A], 1, "questions for one binding")
    send(association, b"x", "bad.test", port)
    send(association, b"x", "none.test", port)
    t.check(quiet(association), "a name that leads to a forbidden address, or to none")
    t.equal(bad.seen, [], "what the forbidden server has seen")
    t.equal(len(good.seen), 8, "datagrams at the other: never more than were sent")


def test_a_name_is_checked_by_its_addresses_and_leads_to_one(t):
    check_a_name(t, "relay")


def test_a_name_that_local_resolves_is_checked_by_its_addresses(t):
    check_a_name(t, "local")


SIX, FOUR, SECOND = "2001:db8:7::1", "10.77.0.1", "10.77.0.2"  # of a namespace's own machine


class BothFamilies:
    """A relay in a namespace, and a name with `addresses`, of which the machine has `present`; a
    server is at each."""

    def __init__(self, t, present, allow=("2001:db8:7::/64", "10.77.0.0/16"), where="relay",
                 addresses=(SIX, FOUR), **local):
        self.netns = t.netns("families")
        for host in present:
            self.add(host)
        with self.netns.inside():
            dns = FakeDns(t, {"both.test": list(addresses)})
            self.port = harness.free_port(socket.SOCK_DGRAM)
            self.servers = {host: teller(t, host, self.port) for host in present}
        servers = {"servers": [dns.server]}
        pair = t.pair({"dns": {"resolve": where, **servers}, "udp": {"max_age": "10s"}, **local},
                      {"dns": servers, "destinations": {"allow": list(allow)}},
                      local_netns=self.netns, relay_netns=self.netns, name=t.unique("families"))
        with self.netns.inside():
            self.association = Association(t, pair.socks_port)

    def family(self, host):
        return "-6" if ":" in host else "-4"

    def add(self, host):
        """An address of IPv6 is tentative at first, and nobody may bind it, unless nodad is said."""
        self.netns.ip(f"{self.family(host)} addr add {host} dev lo {'nodad' if ':' in host else ''}")

    def unreachable(self, host, kind="unreachable"):
        self.netns.ip(f"{self.family(host)} route del local {host} dev lo table local")
        self.netns.ip(f"{self.family(host)} route add {kind} {host} metric 1")

    def reachable(self, host):
        self.netns.ip(f"{self.family(host)} route del {host} metric 1")
        self.netns.ip(f"{self.family(host)} route add local {host} dev lo table local")

    def ask(self, data):
        send(self.association, data, "both.test", self.port)

    def answer_to(self, data, seconds):
        """The host from which it comes; None without one."""
        while answer := receive(self.association, seconds):
            if answer[0].endswith(data):
                return answer[1][0]
        return None

    def answered_by(self, data):
        """The same for one of several datagrams: some may be lost when a route changes."""
        for _ in range(20):
            self.ask(data)
            if host := self.answer_to(data, 0.5):
                return host
        raise harness.Failure("no answer")

    def unanswered(self, data):
        self.ask(data)
        return self.answer_to(data, QUIET) is None


def reach_the_one(t, host):
    both = BothFamilies(t, [host])
    both.ask(b"first")
    answer = receive(both.association)
    t.check(answer, "the first datagram was lost")
    t.equal(answer[1], (host, both.port), "the true source")


def test_a_name_of_both_families_on_a_machine_with_ipv6(t):
    reach_the_one(t, SIX)


def test_a_name_of_both_families_on_a_machine_with_ipv4(t):
    reach_the_one(t, FOUR)


def test_a_name_of_both_families_obeys_the_rules(t):
    both = BothFamilies(t, [SIX, FOUR], ["10.77.0.0/16"])
    t.equal(both.answered_by(b"x"), FOUR, "the address that is allowed")
    both.unreachable(FOUR)
    t.check(both.unanswered(b"y"), "an answer came although no allowed address can be reached")
    t.equal(both.servers[SIX].seen, [], "what the forbidden server has seen")


def test_a_name_of_both_families_whose_routes_change(t):
    """The other family's address is used where the first cannot be sent to, and is kept then."""
    both = BothFamilies(t, [SIX, FOUR])
    t.equal(both.answered_by(b"1"), SIX, "at first")
    both.unreachable(SIX)
    t.equal(both.answered_by(b"2"), FOUR, "without a way to the first")
    both.reachable(SIX)
    t.equal(both.answered_by(b"3"), FOUR, "while the second works")
    both.unreachable(FOUR, "prohibit")
    t.equal(both.answered_by(b"4"), SIX, "without a way to the second")
    both.unreachable(SIX)
    t.check(both.unanswered(b"5"), "an answer came by no way")
    both.reachable(FOUR)
    t.equal(both.answered_by(b"6"), FOUR, "when there is a way again")


def test_no_flow_reaches_another(t):
    pair, server = t.pair(), teller(t)
    first, second = (Association(t, pair.socks_port) for _ in range(2))
    ports = [held_port(association, server) for association in (first, second)]
    for port in ports:
        send(first, b"hairpin", "127.0.0.1", port)
    t.equal(held_port(first, server), ports[0], "the first goes on")
    t.check(quiet(first) and quiet(second), "a datagram came from one flow to another")


def test_the_largest_datagrams_over_paths_that_lose(t):
    """Each way, of either family: they go in parts, and parts of one are lost on the way."""
    lab = Lab(t, ["rate=50Mbit delay=5ms loss=0.02"] * 2)
    lab.b.ip(f"addr add {SIX}/128 dev lo nodad")
    pair = lab.pair(t, relay={"destinations": {"allow": [f"{RELAY}/32", f"{SIX}/128"]}})
    for host, header in ((RELAY, HEADER_4), (SIX, HEADER_6)):
        size = LARGEST - header
        with lab.b.inside():
            server = DatagramServer(t, host, lambda data, _: data if data[:1] == b"e" else data[:9])
        with lab.a.inside():
            association = Association(t, pair.socks_port, (host, server.port))
        text = bytes(range(256)) * 256
        for i in range(5):
            up, echo = (b"%c%d" % (letter, i) + text[:size - 2] for letter in b"ue")
            association.ask(up, up[:9], what=f"an answer to {size} bytes up to {host}")
            association.ask(echo, what=f"{size} bytes each way to {host}")
        t.equal({len(data) for data in server.seen}, {size}, "sizes at the server")


def test_many_flows_while_a_path_dies(t):
    """Flows that are opened and closed before, while and after one of two paths is a black hole: each
    is served, and none of the session's is left behind."""
    lab = Lab(t, ["rate=50Mbit delay=5ms"] * 2)
    with lab.b.inside():
        server = DatagramServer(t, RELAY)
    listener, address = forward((RELAY, server.port))
    pair = lab.pair(t, {"listen": [listener], "udp": {"max_flows": 20}})
    for i in range(300):
        if i in (100, 200):
            (lab.cut if i == 100 else lab.mend)(0)
        with lab.a.inside():
            client = DatagramClient(t, address)
        client.ask(b"%d" % i, what=f"an answer to client {i}")
        client.socket.close()
    with lab.b.inside():
        wait_until(lambda: sum(is_bound(peer) for peer in set(server.peers)) <= 20, 20,
                   "the relay to close the ports of flows that have ended")
    t.equal(pair.relay.log().count("begins session"), 1, "sessions")


# Where local resolves the name, for the relay or for itself.
RESOLVED_HERE = ({"where": "local"}, {"where": "local", "rules": [{"action": "direct"}]})


def test_a_name_that_local_resolves(t):
    """The relay gets an address of each family; `direct` has the same choice."""
    for options in RESOLVED_HERE:
        for host in (SIX, FOUR):
            both = BothFamilies(t, [host], **options)
            t.equal(both.answered_by(b"x"), host, f"with {host} alone and {options}")


def test_the_first_of_two_addresses_is_out_of_reach(t):
    """Both are of one family, and the machine has no route to the first."""
    for options in ({"where": "relay"}, *RESOLVED_HERE):
        both = BothFamilies(t, [SECOND], addresses=(FOUR, SECOND), **options)
        t.equal(both.answered_by(b"x"), SECOND, f"with {options}")


def test_routes_change_where_local_resolves(t):
    for options in RESOLVED_HERE:
        both = BothFamilies(t, [SIX, FOUR], **options)
        t.equal(both.answered_by(b"1"), FOUR, f"at first, with {options}")
        both.unreachable(FOUR)
        t.equal(both.answered_by(b"2"), SIX, f"without a way to the first, with {options}")


def test_icmp_ends_nothing(t):
    pair, server = t.pair(), teller(t)
    association = Association(t, pair.socks_port)
    port = held_port(association, server)
    for _ in range(5):
        send(association, b"nobody", "127.0.0.1", harness.free_port(socket.SOCK_DGRAM))
        t.equal(held_port(association, server), port, "the port after a closed one was tried")


def test_icmp_in_a_run_of_datagrams(t):
    """None of those behind it is lost, whoever sends."""
    for rules in ([], [{"action": "direct"}]):
        pair = t.pair({"rules": rules, "udp": {"max_age": "10s"}}, name=t.unique("icmp"))
        server, association = teller(t), Association(t, pair.socks_port)
        held_port(association, server)
        closed = harness.free_port(socket.SOCK_DGRAM)
        sent = [b"%d" % i for i in range(50)]
        for text in sent:
            send(association, text, server.host, server.port)
            send(association, b"nobody", "127.0.0.1", closed)
        wait_until(lambda: set(sent) <= set(server.seen), 20, "the datagrams at the server")
        t.equal([server.seen.count(text) for text in sent], [1] * 50, "times that each came")
        t.equal(len(set(server.peers)), 1, "ports")


def test_a_resume_keeps_the_port(t):
    pair, server = t.pair(proxy=True), teller(t)
    association = Association(t, pair.socks_port)
    port = held_port(association, server)
    pair.proxy.command("refuse")
    pair.proxy.command("reset")
    pair.local.wait_output("no contact with the relay")
    pair.proxy.command("accept")
    pair.relay.wait_output("goes on with session", 60)
    t.equal(held_port(association, server), port, "the port after the resume")


def test_dns_flows_are_answered_by_their_servers_alone(t):
    net = t.netns("dns")
    pair = t.pair(local_netns=net, relay_netns=net)
    with net.inside():
        server, other = teller(t, HOSTS[0], 53), teller(t, HOSTS[2])
        forger = stranger(t, HOSTS[1])
        association = Association(t, pair.socks_port)
        port = held_port(association, server)
        forger.sendto(b"forged", ("127.0.0.1", port))
        t.check(quiet(association), "another server's answer came in")
        # A flow that talks to others, too, is open to strangers.
        t.equal(held_port(association, other), port, "the port")
        forger.sendto(b"a call", ("127.0.0.1", port))
        t.equal(receive(association)[0], b"a call", "a stranger's datagram")


def limited(t, pair):
    """More flows than the three that the relay allows."""
    server = teller(t)
    associations = [Association(t, pair.socks_port) for _ in range(5)]
    ports = [held_port(association, server) for association in associations]
    t.equal(held_port(associations[4], server), ports[4], "the newest keeps its port")
    t.equal(held_port(associations[2], server), ports[2], "those within the bound do")
    # One that had to go gets another port, in the place of one that was silent for longer.
    t.check(held_port(associations[0], server) != ports[0], "the oldest kept its port")
    t.equal(held_port(associations[2], server), ports[2], "the others go on")


def test_the_oldest_flow_of_all_makes_room(t):
    limited(t, t.pair(relay={"limits": {"flows": 6}}))


def test_the_oldest_flow_of_a_session_makes_room(t):
    pair = t.pair(start=False)
    pair.relay_config["clients"][0]["max_flows"] = 3
    pair.write_configs()
    pair.start_relay()
    pair.start_local()
    limited(t, pair)


def test_flows_leave_descriptors_to_streams(t):
    """Where there are few, the oldest flows make room, and streams are opened all the same."""
    pair, server, tcp = t.pair(start=False), teller(t), t.server()
    pair.start_relay(under=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"))
    pair.start_local()
    associations = [Association(t, pair.socks_port) for _ in range(150)]
    for association in associations:
        held_port(association, server)
    t.at_most(pair.relay.descriptors(), 128, "descriptors of the relay")
    for _ in range(20):
        t.equal(pair.fetch("127.0.0.1", tcp.port, b"hello"), b"hello", "a stream")
    held_port(associations[0], server)


def test_without_udp(t):
    pair, server = t.pair(relay={"udp": False}), t.server()
    t.equal(Association(t, pair.socks_port).code, 7, "the reply to UDP ASSOCIATE")
    t.equal(pair.fetch("127.0.0.1", server.port, b"hello"), b"hello", "streams go on")


def unread(port):
    """Bytes that wait in the kernel for the socket on the port."""
    with open("/proc/net/udp") as f:
        rows = [line.split() for line in f.read().splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows
               if int(row[1].split(":")[1], 16) == port)


def test_strangers_take_no_room_from_answers(t):
    """While datagrams wait for the client, a stranger's flood does not drive out the answers."""
    pair = t.pair({"udp": {"max_age": "10s"},
                   "paths": [{"source": "127.0.0.1", "rate_down": "256kbit"}]})
    server = teller(t)
    association = Association(t, pair.socks_port)
    port = held_port(association, server)
    answers = [b"answer %d " % i + b"a" * 1000 for i in range(20)]
    for text in answers:
        server.send(text, ("127.0.0.1", port))
    flood = stranger(t, HOSTS[1])
    for _ in range(4):
        for _ in range(40):
            flood.sendto(b"f" * 1000, ("127.0.0.1", port))
        wait_until(lambda: unread(port) == 0, 20, "the relay to read")
    found = []
    while len([text for text in found if text in answers]) < len(answers):
        answer = receive(association)
        t.check(answer, f"{len(found)} datagrams came, and not all of the answers")
        found.append(answer[0])




def test_strangers_get_no_answer(t):
    """The relay sends nothing to those who send to a flow's port: it reflects nothing."""
    pair = t.pair(relay={"destinations": {"allow": [f"{HOSTS[0]}/32"]}})
    server = DatagramServer(t, handle=lambda data, _: None)
    association = Association(t, pair.socks_port)
    send(association, b"out", server.host, server.port)
    wait_until(lambda: server.peers, 20, "the datagram at the server")
    prober = stranger(t, HOSTS[1])
    prober.settimeout(QUIET)
    for size in (0, 1, 1200, 60000):
        prober.sendto(b"x" * size, ("127.0.0.1", server.peers[0][1]))
    try:
        found = prober.recv(65536)
    except socket.timeout:
        found = None
    t.equal(found, None, "what the relay sent to a stranger")
    t.check(quiet(association), "a stranger's datagram came in")


if __name__ == "__main__":
    harness.main(globals())
