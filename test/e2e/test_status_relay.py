#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`splitsocks status` of a relay: the document, the tables, the words, and the socket."""
import json
import os
import signal
import stat

import harness
from datagrams import Association, DatagramServer
from pairs import two_clients
from statuses import ask

CLOSED_PORT = 25  # the relay's default
HELD = {"subflows", "destinations", "names", "buffered_bytes", "record_bytes", "datagram_bytes"}
CLIENT_NAMES = {"name", "refusal", "held", "most", "rate", "quota", "expires_s", "dials", "refused",
                "datagrams_dropped", "sessions"}
SESSION_NAMES = {"id", "worker", "heard_ms", "streams", "flows", "subflows", "goodput_up_bps",
                 "goodput_down_bps", "payload_up_bytes", "payload_down_bytes", "wire_up_bytes",
                 "wire_down_bytes", "waiting_down_bytes", "resumes", "datagrams_dropped"}


def document(t, pair):
    return json.loads(ask(t, pair.relay_path, "--json"))


def client_of(found, name):
    return next(client for client in found["clients"] if client["name"] == name)


def wait_for(t, pair, name, condition, what):
    """Polls until the client of that name meets the condition; returns it."""
    def look():
        client = client_of(document(t, pair), name)
        return client if condition(client) else None
    return harness.wait_until(look, 30, what)


def test_the_document(t):
    """Its names, as splitsocks(1) has them, and that its numbers fit together."""
    server = t.server()
    pair, guest = two_clients(t, {"max_streams": 9, "max_sessions": 3}, {"workers": 2})
    streams = [guest.open("127.0.0.1", server.port) for _ in range(2)]
    pair.fetch("127.0.0.1", server.port, bytes(3_000_000))
    guest.reply("127.0.0.1", CLOSED_PORT)
    # What the local has received counts when the local has acknowledged it.
    wait_for(t, pair, "test", lambda c: c["held"]["streams"] == 0 and
             c["sessions"][0]["payload_down_bytes"] == 3_000_000, "the end of the transfer")
    found = document(t, pair)
    t.equal(set(found), {"format", "version", "pid", "config", "role", "process", "workers", "clients",
                         "clients_omitted", "sessions_omitted"}, "names of the document")
    t.equal((found["format"], found["pid"], found["config"], found["role"]),
            (1, pair.relay.pid, os.path.realpath(pair.relay_path), "relay"), "what it says of itself")
    t.equal((found["clients_omitted"], found["sessions_omitted"]), (0, 0), "omitted")
    process, workers = found["process"], found["workers"]
    t.check(process["resident_bytes"] > 1_000_000, f"memory of {process['resident_bytes']} bytes")
    t.equal(set(process["held"]), HELD | {"streams", "flows"}, "what the process holds")
    t.equal(set(process["most"]), HELD | {"streams", "flows", "descriptors"}, "its bounds")
    t.equal([(w["worker"], w["answered"], w["sessions"]) for w in workers],
            [(0, True, 1), (1, True, 1)], "the workers: one session each")
    for name in HELD:
        t.equal(sum(w["held"][name] for w in workers), process["held"][name], f"sum of {name}")
    t.check(all(w["cpu_ms"] > 0 and 0 <= w["load"] <= 1 for w in workers), f"load of {workers}")
    t.equal(process["handshakes"]["answered"], 2, "handshakes")
    t.equal({c["name"] for c in found["clients"]}, {"test", "guest"}, "clients")
    for client in found["clients"]:
        t.equal(set(client), CLIENT_NAMES, f"names of {client['name']}")
        session, = client["sessions"]
        t.equal(set(session), SESSION_NAMES, "names of a session")
        t.equal((client["held"]["sessions"], client["held"]["subflows"]), (1, session["subflows"]),
                f"what {client['name']} holds")
        t.check(session["id"] in pair.relay.log(), "the log has another session")
    mover, quiet = client_of(found, "test"), client_of(found, "guest")
    session = mover["sessions"][0]
    t.equal((session["payload_up_bytes"], session["payload_down_bytes"]), (3_000_000, 3_000_000),
            "bytes of streams")
    t.check(session["wire_up_bytes"] > 3_000_000, f"on the wire {session['wire_up_bytes']}")
    t.equal((quiet["held"]["streams"], quiet["most"]["streams"], quiet["most"]["sessions"]), (2, 9, 3),
            "streams of the guest")
    t.equal((quiet["refused"], quiet["refusal"], quiet["quota"], quiet["rate"]["up_bps_max"]),
            ({"destinations": 1}, None, None, None), "what the guest may do")
    t.equal(process["held"]["streams"], len(streams), "streams of all")


def test_bounds_of_a_client(t):
    """Rate, quota and what was refused, in the document and in words."""
    server = t.server()
    quota = 1 << 20
    pair, guest = two_clients(t, {"quota": quota, "rate": {"down": "20Mbit"}, "max_streams": 1},
                              {"state_file": "relay.state", "rate": {"up": "90Mbit"}})
    twin = t.pair(name="twin", start=False)
    twin.local_config.update({"relay": guest.local_config["relay"], "state_file": "twin.state",
                              "private_key_file": guest.local_config["private_key_file"]})
    twin.write_configs()
    twin.start_local()
    stream = guest.open("127.0.0.1", server.port)
    t.check(twin.reply("127.0.0.1", server.port) != 0, "a second stream was opened")
    found = document(t, pair)
    whole, client = found["process"]["rate"], client_of(found, "guest")
    t.equal((whole["up_bps_max"], whole["down_bps_max"]), (90_000_000, None), "rate of all")
    t.equal(client["refused"], {"max_streams": 1}, "what was refused")
    t.equal((client["rate"]["up_bps_max"], client["rate"]["down_bps_max"]), (None, 20_000_000), "rate")
    t.equal((client["quota"]["bytes"], client["held"]["sessions"]), (quota, 2), "quota and sessions")
    t.check(0 < client["quota"]["used_bytes"] < quota, f"used {client['quota']['used_bytes']}")
    text = ask(t, pair.relay_path, "--explain")
    for words in (r"guest has used", "as many as it may have in all its sessions", "1.0 MB"):
        t.check(words in text, f"no {words!r} in {text}")
    try:
        stream.sendall(bytes(2 * quota))
        while stream.recv(65536):
            pass
    except OSError:
        pass
    client = wait_for(t, pair, "guest", lambda c: c["refusal"] and c["refused"].get("not_served"),
                      "a refusal")
    t.check("clients[].quota" in client["refusal"] and client["quota"]["used_bytes"] >= quota, f"{client}")
    t.check("guest is not served: this key's quota" in ask(t, pair.relay_path, "--explain"), "no word")


def test_datagrams(t):
    """Flows, and the datagrams that were dropped, also those of a session that has ended."""
    server = DatagramServer(t)
    pair, guest = two_clients(t, {})
    association = Association(t, guest.socks_port, (server.host, server.port))
    association.ask(b"passes")
    Association(t, guest.socks_port, ("192.168.7.7", 9)).send(b"denied")
    client = wait_for(t, pair, "guest", lambda c: c["datagrams_dropped"].get("denied"), "the drop")
    t.equal((client["held"]["flows"], client["sessions"][0]["flows"]), (2, 2), "flows")
    t.check("dropped:" in ask(t, pair.relay_path, "--explain"), "no word of datagrams")
    guest.local.stop()
    client = wait_for(t, pair, "guest", lambda c: not c["sessions"], "the end of the session")
    t.equal((client["datagrams_dropped"]["denied"], client["held"]["flows"]), (1, 0), "afterwards")


def test_strangers_are_counted(t):
    pair = t.pair(start=False)
    pair.start_relay()
    pair.local_config["relay"]["public_key"] = pair.local_key
    pair.write_configs()
    pair.start_local()
    harness.wait_until(lambda: document(t, pair)["process"]["handshakes"]["refused"].get("stranger"), 30,
                       "a stranger")
    t.check("they do not know the relay's public key" in ask(t, pair.relay_path, "--explain"), "no word")


def test_tables(t):
    pair, guest = two_clients(t, {"quota": "1GiB"}, {"state_file": "relay.state"})
    for name in ("test", "guest"):
        wait_for(t, pair, name, lambda c: c["sessions"], "a session")
    lines = ask(t, pair.relay_path).splitlines()
    tables = {line.split()[0]: i for i, line in enumerate(lines) if line[:1].isupper()}
    t.equal(list(tables), ["WORKER", "CLIENT", "SESSION"], f"tables of {lines}")
    t.equal({line.split()[0] for line in lines[tables["CLIENT"] + 1:tables["SESSION"] - 1]},
            {"test", "guest"}, "clients")
    t.equal(len(lines) - tables["SESSION"] - 1, 2, "sessions")
    t.check(any("of 1.1 GB" in line for line in lines), f"no quota in {lines}")
    guest.local.stop()


def control_path(t, name="relay"):
    return t.path(f"splitsocks/{name}.sock")


def test_the_socket(t):
    """Only the owner may ask; a reload moves the socket, or stays as it is; none without one."""
    pair = t.pair()
    t.equal(stat.S_IMODE(os.stat(control_path(t)).st_mode), 0o600, "mode of the socket")
    moved = control_path(t, "moved")
    pair.relay_config["control"] = moved
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    harness.wait_until(lambda: os.path.exists(moved) and not os.path.exists(control_path(t)),
                       what="the socket to move")
    t.equal(document(t, pair)["pid"], pair.relay.pid, "who answers")
    pair.relay_config["control"] = "relay.key"
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    pair.relay.wait_output("the configuration stays as it was")
    pair.relay_config["control"] = None
    pair.write_configs()
    t.check("control is null" in ask(t, pair.relay_path, status=1), "no word about null")
    pair.relay.signal(signal.SIGHUP)
    harness.wait_until(lambda: not os.path.exists(moved), what="the socket to go")
    del pair.relay_config["control"]
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    harness.wait_until(lambda: os.path.exists(control_path(t)), what="the socket to come")
    t.equal(pair.relay.stop(), 0, "exit status")
    t.check(not os.path.exists(control_path(t)), "the socket is left behind")
    text = ask(t, pair.relay_path, status=1)
    t.check("nobody listens at /run/splitsocks/relay/relay.sock" in text, text)


if __name__ == "__main__":
    harness.main(globals())
