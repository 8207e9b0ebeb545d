#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`splitsocks status`: the document, the tables, the words, and the socket that they come by."""
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess

import harness
from fakedns import FakeDns
from harness import SLOW, SPLITSOCKS, wait_until
from lab import NETWORKS, RELAY, Lab
from statuses import ask

# 192.0.2.9 (RFC 5737) is no address of this machine.
PATHS = [{"source": "127.0.0.1"}, {"source": "127.0.0.2"}, {"source": "192.0.2.9"}]


def document(t, pair):
    return json.loads(ask(t, pair.local_path, "--json"))


def wait_for(t, pair, condition, what):
    """Polls until the document meets the condition; returns it."""
    def look():
        found = document(t, pair)
        return found if condition(found) else None
    return wait_until(look, 30, what)


def stream_waits(found, what):
    return any(what in stream["waits_for"] for stream in found["streams"])


# The document.

PATH_NAMES = {
    "name", "interface", "source", "state", "reason", "detail", "use", "rival", "limits",
    "subflows", "dials", "slots_wanted", "ports", "rtt_ms", "delivers_ms", "estimated_up_bps", "estimated_down_bps",
    "goodput_up_bps", "goodput_down_bps", "share", "payload_up_bytes", "payload_down_bytes",
    "wire_up_bytes", "wire_down_bytes", "queued_up_bytes", "requeued_bytes", "reinjected_bytes",
    "duplicate_bytes"}
PORT_NAMES = {
    "port", "limit", "budget_up_bytes", "budget_down_bytes", "connections_max",
    "dials_per_second_max", "says"}
SESSION_NAMES = {
    "state", "id", "relays", "heard_ms", "linger_ms", "goodput_up_bps", "goodput_down_bps",
    "payload_up_bytes", "payload_down_bytes", "wire_up_bytes", "wire_down_bytes",
    "waiting_up_bytes", "waiting_down_bytes", "requeued_bytes", "reinjected_bytes",
    "duplicate_bytes", "resumes", "subflows"}
STREAM_NAMES = {
    "id", "destination", "state", "mode", "copies", "paths", "up_bytes", "down_bytes",
    "waiting_up_bytes", "unacknowledged_bytes", "unread_bytes", "waits_for", "reader_idle_ms"}


def test_the_document(t):
    """Its names, as splitsocks(1) has them, and that its numbers fit together."""
    # On loopback one path would do for all of it; with ceilings each has its part.
    ceilings = {"rate_down": "200Mbit", "rate_up": "200Mbit"}
    pair = t.pair({"paths": [{**path, **ceilings} for path in PATHS], "budget": "1MiB"})
    origin = t.origin()
    pair.load(origin.dest, "--down", "20M", "--up", "10M")
    host, port = origin.dest.split(":")
    with pair.open(host, int(port)):
        found = document(t, pair)
    t.equal(set(found), {"format", "version", "pid", "config", "session", "paths", "streams",
                         "streams_omitted", "flows", "flows_omitted", "datagrams_dropped",
                         "listeners", "retired"}, "names of the document")
    t.equal((found["format"], found["pid"], found["config"], found["retired"]),
            (1, pair.local.pid, os.path.realpath(pair.local_path), []), "what it says of itself")
    session, paths = found["session"], found["paths"]
    t.check(set(session) >= SESSION_NAMES, f"names of session: {sorted(session)}")
    t.equal((session["state"], session["relays"]), ("up", ["127.0.0.1"]), "the session")
    t.check(session["id"] in pair.local.log(), "the log has another session")
    t.equal([p["name"] for p in paths], [p["source"] for p in PATHS], "names of the paths")
    for path in paths:
        t.check(set(path) >= PATH_NAMES, f"names of a path: {sorted(path)}")
    for name in ("payload_up_bytes", "payload_down_bytes", "wire_up_bytes", "requeued_bytes",
                 "reinjected_bytes", "duplicate_bytes"):
        t.equal(sum(p[name] for p in paths), session[name], f"sum of the paths' {name}")
    t.check(session["payload_down_bytes"] >= 20_000_000, f"{session['payload_down_bytes']} down")
    t.check(session["payload_up_bytes"] >= 10_000_000, f"{session['payload_up_bytes']} up")
    t.check(session["goodput_down_bps"] > 0, "no goodput behind a transfer")
    t.check(abs(sum(p["share"] for p in paths) - 1) < 0.001, "the shares are not 1 together")
    for path in paths[:2]:
        t.equal((path["state"], path["use"]), ("up", "carries"), f"path {path['name']}")
        t.check(path["rtt_ms"] > 0 and path["wire_down_bytes"] > path["payload_down_bytes"],
                f"path {path}")
        t.check(path["subflows"]["recycled"] > 0, f"no subflow was recycled: {path['subflows']}")
        port, = path["ports"]
        t.equal(set(port), PORT_NAMES, "names of a port")
        t.equal((port["port"], port["limit"], port["connections_max"], port["says"]),
                (pair.relay_ports[0], None, None, []), "a port without limits")
        # The configured budget is the bound of what is learned. On a busy machine connections
        # slow down by themselves, and a smaller budget is learned.
        for way in ("up", "down"):
            t.check(0 < port[f"budget_{way}_bytes"] <= 1048576, f"the budget {way}: {port}")
    dead = paths[2]
    t.equal((dead["state"], dead["reason"], dead["use"], dead["share"], dead["rtt_ms"]),
            ("down", "unusable", "down", 0, None), "the dead path")
    t.check("192.0.2.9" in dead["detail"], f"why: {dead['detail']}")
    stream, = found["streams"]
    t.check(set(stream) >= STREAM_NAMES, f"names of a stream: {sorted(stream)}")
    t.equal((stream["destination"], stream["mode"], stream["state"], stream["waits_for"]),
            (origin.dest, "split", "open", []), "the stream")


def test_tables(t):
    pair, origin = t.pair({"paths": PATHS}), t.origin()
    pair.load(origin.dest, "--down", "20M")
    text = ask(t, pair.local_path)
    t.note(text)
    lines = text.splitlines()
    t.check(re.match(r"session [0-9a-f]{16} with 127.0.0.1: up, heard ", lines[0]), lines[0])
    row = [line.split() for line in lines if line.startswith("127.0.0.2 ")][0]
    t.equal(row[1], "up", "the state of a path")
    row = [line.split() for line in lines if line.startswith("192.0.2.9 ")][0]
    t.equal(row[1:3], ["unusable", "-"], "a dead path")
    t.check("no streams" in lines, "there are streams")
    t.check(max(map(len, lines)) <= 100, "a line is longer than 100 columns")
    t.check("\033" not in text, "escapes where there is no terminal")


def test_watch(t):
    pair = t.pair()
    watch = t.process("watch", [SPLITSOCKS, "status", "-c", pair.local_path, "--watch=0.1"],
                      env={"XDG_RUNTIME_DIR": t.directory})
    wait_until(lambda: watch.output().count("session ") >= 3, what="three tables")
    pair.local.stop()
    t.equal(watch.wait(), 1, "status when the local has ended")


def test_a_reader_that_does_not_read(t):
    pair, origin = t.pair(), t.origin()
    load = pair.start_load(origin.dest, "--down", "10G", "--read-rate", "1kbit")
    found = wait_for(t, pair, lambda f: stream_waits(f, "reader"), "a stream that is not read")
    stream, = found["streams"]
    t.check(stream["unread_bytes"] > 0 and stream["reader_idle_ms"] >= 0, f"stream {stream}")
    text = ask(t, pair.local_path, "--explain")
    t.check(re.search(rf"^The stream to {origin.dest} waits .*for the program on this machine to "
                      r"read: [0-9.]+ [kM]B are here, and it has taken nothing for", text, re.M),
            text)
    load.kill()
    wait_for(t, pair, lambda f: f["streams"] == [], "the stream to end")


def test_a_destination_that_does_not_read(t):
    pair, origin = t.pair(), t.origin()
    load = pair.start_load(origin.dest, "--up", "10G", "--mode", "deaf")
    wait_for(t, pair, lambda f: stream_waits(f, "peer_reader"), "a stream that is not read")
    text = ask(t, pair.local_path, "--explain")
    t.check("for the destination to read" in text, text)
    load.kill()


@contextlib.contextmanager
def unanswered(pair):
    """A client's connection to a destination that does not answer, since its backlog is full."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        s = stack.enter_context(harness.socks_dial(pair.socks_port))
        s.sendall(b"\5\1\0" + harness.socks_request(*full.getsockname()))
        yield


def test_a_destination_that_does_not_answer(t):
    pair = t.pair()
    with unanswered(pair):
        found = wait_for(t, pair, lambda f: stream_waits(f, "connect"), "a stream to wait")
        t.equal(found["streams"][0]["state"], "opening", "the state of the stream")
        text = ask(t, pair.local_path, "--explain")
        t.check("waits for the destination to answer" in text, text)


def test_names_are_kept(t):
    """A stream is shown by the name that was asked for, while it lasts."""
    pair = t.pair({"dns": {"resolve": "relay"}},
                  {"dns": {"servers": [FakeDns(t, mode="silent").server]}})
    with harness.socks_dial(pair.socks_port) as s:
        s.sendall(b"\5\1\0" + harness.socks_request("some.example", 80))
        found = wait_for(t, pair, lambda f: f["streams"], "the stream")
        t.equal(found["streams"][0]["destination"], "some.example:80", "what is shown of it")


def ask_while(t, pair, target, holds, *arguments):
    """Asks while a connection to the target waits, which is not for long: with a new one each time,
    until the output has the wanted text."""
    def look():
        with harness.socks_dial(pair.socks_port) as s:
            s.sendall(b"\5\1\0" + harness.socks_request(*target))
            harness.recv_exactly(s, 2)
            text = ask(t, pair.local_path, *arguments)
            return text if holds(text) else None
    return wait_until(look, 30, f"{arguments} to tell of {target}")


def test_connections_that_are_no_streams(t):
    """Those whose name is being resolved, and those that a rule sends past the relay."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        dns.bind(("127.0.0.1", 0))  # it hears, and does not answer
        server = t.server()
        pair = t.pair({"dns": {"servers": [f"127.0.0.1:{dns.getsockname()[1]}"]},
                       "rules": [{"port": server.port, "action": "direct"}]})
        with pair.open("127.0.0.1", server.port) as s:
            s.sendall(b"x" * 100)
            harness.recv_exactly(s, 100)
            named = ("some.example", 80)
            found = json.loads(ask_while(t, pair, named, lambda x: "some.example" in x, "--json"))
            ask_while(t, pair, named, lambda x: "The stream to some.example:80 waits for its name "
                      "to be resolved." in x, "--explain")
    waiting = [x for x in found["streams"] if x["destination"] == "some.example:80"][0]
    direct, = (x for x in found["streams"] if x["mode"] == "direct")
    for stream in (waiting, direct):
        t.equal(set(stream), STREAM_NAMES, "names of a connection")
    t.equal((waiting["state"], waiting["waits_for"]), ("opening", ["name"]), "the one that waits")
    t.equal((direct["destination"], direct["up_bytes"], direct["down_bytes"]),
            (f"127.0.0.1:{server.port}", 100, 100), "the one past the relay")


def test_direct_connections_that_wait(t):
    """Past the relay, too, it is shown for whom data waits, and for what."""
    origin = t.origin()
    pair = t.pair({"rules": [{"cidr": "127.0.0.0/8", "action": "direct"}]})
    loads = [pair.start_load(origin.dest, "--down", "10G", "--read-rate", "1kbit"),
             pair.start_load(origin.dest, "--up", "10G", "--mode", "deaf")]
    with unanswered(pair):
        for what in ("reader", "peer_reader", "connect"):
            found = wait_for(t, pair, lambda f: stream_waits(f, what), what)
            t.equal({x["mode"] for x in found["streams"]}, {"direct"}, "modes")
    for load in loads:
        load.kill()


def test_no_relay(t):
    pair = t.pair(start=False)
    pair.start_local()
    closed = ("127.0.0.1", 9)
    found = json.loads(ask_while(t, pair, closed, lambda x: stream_waits(json.loads(x), "session"),
                                 "--json"))
    t.equal((found["session"]["state"], found["session"]["id"]), ("connecting", None),
            "the session")
    words = ("no session with the relay yet", "waits for a session",
             "the relay's machine refuses connections")
    ask_while(t, pair, closed, lambda x: all(word in x for word in words), "--explain")


def test_two_links_of_which_one_dies(t):
    lab = Lab(t, ["rate=20Mbit delay=10ms limit=128k"] * 2)
    origin = t.origin(f"{RELAY}:5000", netns=lab.b)
    pair = t.pair({"paths": lab.sources}, {"destinations": {"allow": [f"{RELAY}/32"]}},
                  local_netns=lab.a, relay_netns=lab.b, relay_address=RELAY)
    load = pair.start_load(origin.dest, "--down", "10G")
    both = wait_for(t, pair, lambda f: all(p["goodput_down_bps"] > 1e6 for p in f["paths"]),
                    "both paths to carry")
    t.check(all(p["state"] == "up" and 20 < p["rtt_ms"] < 500 for p in both["paths"]), f"{both}")
    lab.link.set("off=1", name="l1")
    dead = wait_for(t, pair, lambda f: f["paths"][1]["state"] == "down", "the path to be down")
    t.check(dead["paths"][1]["reason"] in ("silent", "timed_out"), f"{dead['paths'][1]}")
    dead = wait_for(t, pair, lambda f: f["paths"][1]["goodput_down_bps"] == 0, "it to rest")
    t.equal([p["use"] for p in dead["paths"]], ["carries", "down"], "use")
    text = ask(t, pair.local_path, "--explain")
    t.check(re.search(rf"^{NETWORKS[0]}.1: it carries 100% of the traffic now", text, re.M), text)
    t.check(re.search(rf"^{NETWORKS[1]}.1: (sent data is no longer acknowledged|"
                      r"connections are not answered)", text, re.M), text)
    lab.link.set("off=0", name="l1")
    wait_for(t, pair, lambda f: f["paths"][1]["use"] == "carries", "the path to be used again")
    load.kill()


def explained(t, pair, name):
    """One path as `status --explain` tells of it, and as the document has it."""
    path, = (p for p in document(t, pair)["paths"] if p["name"] == name)
    text = ask(t, pair.local_path, "--explain")
    return re.search(rf"^{re.escape(name)}: (.*)$", text, re.M).group(1), path


def test_paths_that_are_spared(t):
    """A backup, a dear path, and one whose interface is down say so."""
    lab = Lab(t, ["rate=20Mbit delay=10ms limit=128k"] * 3)
    origin = t.origin(f"{RELAY}:5000", netns=lab.b)
    paths = [{"interface": "ta0"}, {"interface": "ta1", "backup": True},
             {"interface": "ta2", "cost": 2, "quota": "1GB", "rate_up": "5Mbit"}]
    pair = t.pair({"paths": paths, "state_file": "usage"},
                  {"destinations": {"allow": [f"{RELAY}/32"]}},
                  local_netns=lab.a, relay_netns=lab.b, relay_address=RELAY)
    pair.load(origin.dest, "--ping", 20)
    wait_for(t, pair, lambda f: f["paths"][0]["state"] == "up", "the first path to work")
    words, path = explained(t, pair, "ta1")
    t.equal((words, path["use"], path["rival"], path["limits"]["backup"]),
            ("it is a backup, and ta0 works.", "backup", "ta0", True), "the backup")
    wait_for(t, pair, lambda f: f["paths"][2]["use"] != "carries", "the dear path to rest")
    words, path = explained(t, pair, "ta2")
    t.equal((words, path["use"]), ("it costs more (2) than ta0 (0), which is not full.", "cost"),
            "the dear path")
    limits = path["limits"]
    t.equal((limits["cost"], limits["quota_bytes"], limits["rate_up_bps"], limits["rate_down_bps"]),
            (2, 10**9, 5_000_000, None), "its limits")
    t.check(0 <= limits["quota_used_bytes"] < 10**6, f"{limits}")
    t.check(re.search(r"^ta2 .* of 1 GB$", ask(t, pair.local_path), re.M), "no quota in the table")
    lab.a.ip("link set ta0 down")
    wait_for(t, pair, lambda f: f["paths"][0]["reason"] == "unusable" and
             f["paths"][2]["state"] == "up", "the dear path to take over")
    words, path = explained(t, pair, "ta0")
    t.equal((words, path["use"]), ("interface ta0: down.", "down"), "the one that is gone")
    t.equal(explained(t, pair, "ta1")[0], "it is a backup, and ta2 works.", "the backup")


def test_a_path_that_carries_little(t):
    lab = Lab(t, ["rate=40Mbit delay=10ms limit=256k", "rate=4Mbit delay=60ms limit=128k"])
    origin = t.origin(f"{RELAY}:5000", netns=lab.b)
    pair = t.pair({"paths": lab.interfaces}, {"destinations": {"allow": [f"{RELAY}/32"]}},
                  local_netns=lab.a, relay_netns=lab.b, relay_address=RELAY)
    load = pair.start_load(origin.dest, "--down", "10G")

    def both_carry(found):
        rates = [p["goodput_down_bps"] for p in found["paths"]]
        return rates[1] > 0 and rates[0] > 4 * rates[1]
    wait_for(t, pair, both_carry, "both paths to carry")
    words = wait_until(lambda: re.match(
        r"it carries \d+% of the traffic now, .*; the relay gives it only data that would arrive "
        r"in time: the round trip is .*, on ta0 .*", explained(t, pair, "ta1")[0]),
        30, "the words about the slow path")
    t.note(words.group(0))
    load.kill()


# The socket.

def control_path(t, name="local"):
    return t.path(f"splitsocks/{name}.sock")


def test_only_the_owner_may_ask(t):
    pair = t.pair()
    mode = os.stat(control_path(t)).st_mode
    t.check(stat.S_ISSOCK(mode), "no socket")
    t.equal(stat.S_IMODE(mode), 0o600, "mode of the socket")
    t.equal(stat.S_IMODE(os.stat(t.path("splitsocks")).st_mode), 0o700, "mode of its folder")
    pair.local.stop()
    t.check(not os.path.exists(control_path(t)), "the socket is left behind")


def test_where_it_is(t):
    """By the key, by systemd's folder, by the user's; or nowhere."""
    pair = t.pair({"control": "x.sock"}, start=False)
    pair.start_relay()
    pair.start_local()
    t.check(os.path.exists(t.path("x.sock")), "not where the key says")
    document(t, pair)
    pair.local.stop()
    pair.local_config["control"] = None
    pair.write_configs()
    pair.start_local()
    t.check(not os.path.exists(control_path(t)), "there is one in spite of null")
    t.check("control is null" in ask(t, pair.local_path, status=1), "no word about null")
    pair.local.stop()
    del pair.local_config["control"]
    pair.write_configs()
    os.mkdir(t.path("run"), 0o700)
    env = {"RUNTIME_DIRECTORY": f"{t.path('run')}:/nowhere"}
    local = t.daemon("local", pair.local_path, env=env)
    t.check(os.path.exists(t.path("run/local.sock")), "not in systemd's folder")
    ask(t, pair.local_path, env=env)
    local.stop()


def test_no_local_runs(t):
    pair = t.pair(start=False)
    text = ask(t, pair.local_path, status=1)
    t.check(f"nobody listens at {control_path(t)}" in text, text)
    t.check("nobody listens at /run/splitsocks/local/local.sock" in text, text)
    pair.start_relay()
    pair.start_local().kill()
    t.check(os.path.exists(control_path(t)), "there is no socket of a killed local")
    ask(t, pair.local_path, status=1)
    # The socket that a killed local has left is replaced.
    pair.start_local()
    t.equal(document(t, pair)["pid"], pair.local.pid, "who answers")


def test_no_text_gives_orders_to_a_terminal(t):
    """The name of a file has a control sequence, one of C1, and turns the line round."""
    pair = t.pair(start=False)
    name = "\x1b[2J-\x9b2J-\u2028-\u202eelif.json"
    os.rename(pair.local_path, t.path(name))
    pair.local_path = t.path(name)
    pair.start_local()
    text = ask(t, pair.local_path, "--json")
    t.check(text.isascii() and text.strip().isprintable(), f"the document has {ascii(text)}")
    t.equal(json.loads(text)["config"], pair.local_path, "config")
    broken = t.write("\x1b[2J-\x9b2J-\u2028-\u202ebroken.json", "{")
    texts = [ask(t, broken, status=2), ask(t, t.path("\x9babsent\u202e"), status=2),
             ask(t, pair.local_path), ask(t, pair.local_path, "--explain"), pair.local.log()]
    for text in texts:
        unprintable = {c for c in text if not c.isprintable()} - {"\n"}
        t.equal(unprintable, set(), f"unprintable characters of {ascii(text)}")


def test_usage(t):
    path = t.pair(start=False).local_path
    for arguments in (["--jsno"], ["--watch=0"], ["--watch=soon"], ["--json", "--explain"], ["x"]):
        ask(t, path, *arguments, status=2)
    ask(t, t.path("nothing.json"), status=2)


def test_two_locals_with_one_socket(t):
    """The second does not start, and costs the first nothing; at the usual place, it goes without."""
    first, origin = t.pair({"control": "x.sock"}), t.origin()
    second = t.pair({"control": "x.sock"}, name="2", start=False)
    result = subprocess.run([SPLITSOCKS, "local", "-c", second.local_path], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW)
    t.equal(result.returncode, 1, f"status of the second ({result.stderr})")
    t.check("x.sock cannot be the control socket: another process serves it" in result.stderr,
            result.stderr)
    t.equal(document(t, first)["pid"], first.local.pid, "who answers")
    first.load(origin.dest, "--down", "1M", "--up", "1M")
    first.local.stop()
    del first.local_config["control"]
    first.write_configs()
    os.mkdir(t.path("again"), 0o700)
    os.rename(t.path("local2.key"), t.path("again/local2.key"))
    del second.local_config["control"]
    t.write_json("again/local.json", second.local_config)
    first.start_local()
    other = t.daemon("local", t.path("again/local.json"), name="other")
    t.check("warning: " + control_path(t) + " cannot be the control socket" in other.log(),
            other.log())
    t.equal(document(t, first)["pid"], first.local.pid, "who answers")
    # A user who asks for the second by its file is told which process answers.
    for path, told in ((t.path("again/local.json"), True), (first.local_path, False)):
        for option in "--json", "--explain":
            result = subprocess.run([SPLITSOCKS, "status", "-c", path, option], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW,
                                    env={**os.environ, "XDG_RUNTIME_DIR": t.directory})
            t.equal(f"a process that runs with {os.path.realpath(first.local_path)}" in result.stderr, told,
                    f"status -c {path} {option} says {result.stderr}")


def test_reload(t):
    """The socket stays, or moves as the configuration says; streams of the old one are told of."""
    pair, server = t.pair(), t.server()
    with pair.open("127.0.0.1", server.port) as s:
        pair.local_config["linger"] = "60s"
        pair.write_configs()
        pair.local.signal(signal.SIGHUP)
        found = wait_for(t, pair, lambda f: f["retired"], "the reload")
        t.equal(found["streams"], [], "streams of the new configuration")
        t.equal([x["destination"] for x in found["retired"][0]["streams"]],
                [f"127.0.0.1:{server.port}"], "streams of the old one")
        t.check("earlier configuration" in ask(t, pair.local_path), "the table says nothing of it")
        s.sendall(b"still here")
        t.equal(harness.recv_exactly(s, 10), b"still here", "the old stream")
    wait_for(t, pair, lambda f: f["retired"] == [], "the old one to end")
    # Within its folder; see SANDBOX in splitsocks(1).
    moved = os.path.join(os.path.dirname(control_path(t)), "moved.sock")
    pair.local_config["control"] = moved
    pair.write_configs()
    pair.local.signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(moved) and
               not os.path.exists(control_path(t)), what="the socket to move")
    t.equal(document(t, pair)["pid"], pair.local.pid, "who answers")
    # One that cannot be had leaves everything as it is.
    pair.local_config["control"] = "local.key"
    pair.write_configs()
    pair.local.signal(signal.SIGHUP)
    pair.local.wait_output("the configuration stays as it was")
    pair.local_config["control"] = moved
    pair.write_configs()
    t.equal(document(t, pair)["pid"], pair.local.pid, "who answers")


def test_clients_of_the_socket_hold_nothing_up(t):
    """They connect, and say nothing, or too much, or something else."""
    pair, origin = t.pair(), t.origin()
    clients = []
    for request in (b"", b"stat", b"status", b"x" * 1000, b"reboot\n"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(control_path(t))
        client.sendall(request)
        clients.append(client)
    answer = json.loads(harness.recv_all(clients[-1]))
    t.check("unknown request" in answer["error"], f"{answer}")
    pair.load(origin.dest, "--down", "5M", "--up", "5M")
    document(t, pair)
    for client in clients:
        client.close()
    t.check(pair.local.running(), "local has ended")


def test_many_streams(t):
    """An answer is bounded; the rest is counted."""
    pair, server = t.pair(), t.server()
    streams = [pair.open("127.0.0.1", server.port) for _ in range(1100 // SLOW)]
    found = document(t, pair)
    t.equal(len(found["streams"]) + found["streams_omitted"], len(streams), "streams")
    t.equal(len(found["streams"]), min(1000, len(streams)), "streams listed")
    for s in streams:
        s.close()


if __name__ == "__main__":
    harness.main(globals())
