#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals, exit statuses, configurations and keys that are refused."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import harness
from harness import SPLITSOCKS, wait_until


def run(*words, **options):
    return subprocess.run([SPLITSOCKS, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60 * harness.SLOW, **options)


def wait_refusal(pair):
    """Waits until local takes no new connections."""
    def refused():
        try:
            socket.create_connection(("127.0.0.1", pair.socks_port)).close()
            return False
        # Reset: the listener was closed in the middle of the handshake.
        except (ConnectionRefusedError, ConnectionResetError):
            return True
    wait_until(refused, what="new connections to be refused")


def test_sigterm_when_idle(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        pair, origin = t.pair(name=number.name), t.origin()
        pair.load(origin.dest, "--down", 1000)
        for process in (pair.local, pair.relay):
            process.signal(number)
            t.equal(process.wait(), 0, f"exit status of {process.name} after {number}")


def test_signals_while_ending(t):
    """Somebody impatient sends signals until the process has ended."""
    pair = t.pair()
    for process in (pair.local, pair.relay):
        while process.running():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                process.signal(number)
            time.sleep(0.001)  # so that it gets on
        t.equal(process.wait(), 0, f"exit status of {process.name}")


def test_sigterm_lets_streams_finish(t):
    """The process takes nothing new, lets its streams end, and then ends itself."""
    for role in ("local", "relay"):
        pair, origin = t.pair(name=role), t.origin()
        load = pair.start_load(origin.dest, "--down", "4M", "--read-rate", "16Mbit",
                               "--mode", "late")
        wait_until(lambda: origin.report()["sent"] > 0, what="the transfer to run")
        process = getattr(pair, role)
        process.signal(signal.SIGTERM)
        if role == "local":
            wait_refusal(pair)
        load.result(60)
        t.equal(process.wait(60), 0, f"exit status of {process.name}")


def test_sigterm_waits_for_every_worker(t):
    """The first worker, which serves nobody, is done at once; the stream is another's."""
    pair, origin = t.pair(relay={"workers": 4}), t.origin()
    for _ in range(40):
        found = wait_until(lambda: re.search(r"session 01([0-9a-f]{2})[0-9a-f]{12} with",
                                             pair.local.log()), what="a session")
        if found.group(1) != "00":
            break
        t.equal(pair.local.stop(), 0, "exit status of local")
        pair.start_local()
    t.check(found.group(1) != "00", "the first worker gets every session")
    load = pair.start_load(origin.dest, "--down", "4M", "--read-rate", "16Mbit",
                           "--mode", "late")
    wait_until(lambda: origin.report()["sent"] > 0, what="the transfer to run")
    pair.relay.signal(signal.SIGTERM)
    load.result(60)
    t.equal(pair.relay.wait(60), 0, "exit status of relay")


def test_sigterm_ends_with_new_sessions(t):
    """A client whose session is closed begins another at once; it must not be served, or a relay
    that waits for a slower session would never end."""
    pair, server = t.pair(), t.server()
    gone = t.pair(start=False, name="gone")
    gone.local_config["relay"] = pair.local_config["relay"]
    pair.relay_config["clients"].append({"name": "gone", "public_key": gone.local_key})
    pair.write_configs()
    gone.write_configs()
    pair.relay.signal(signal.SIGHUP)
    pair.relay.wait_output("read again")
    gone.start_local()
    gone.local.wait_output("session .* begins")
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "before")
    gone.local.signal(signal.SIGSTOP)
    pair.relay.signal(signal.SIGTERM)
    t.equal(pair.relay.wait(20), 0, "exit status of relay")
    gone.local.signal(signal.SIGCONT)


def drip(client):
    """Sends for as long as anybody listens."""
    while True:
        client.sendall(b"drop")
        time.sleep(0.1)


def test_sigterm_does_not_wait_for_idle_streams(t):
    """Streams that are merely open end at once, whatever the bound: through the relay, past it, still
    without an answer, and with a client that takes none of its data."""
    patient = {"timeouts": {"stop": "1h"}}
    for role in ("local", "relay"):
        direct, origin, echo = t.server(), t.origin(), t.server()
        pair = t.pair({**patient, "rules": [{"port": direct.port, "action": "direct"}]}, patient,
                      name=role)
        held = [pair.open("127.0.0.1", port) for port in (echo.port, direct.port)]
        for s in held:
            s.sendall(b"idle")
            t.equal(harness.recv_exactly(s, 4), b"idle", "before")
        held.append(socket.create_connection(("127.0.0.1", pair.socks_port)))
        stuck = pair.start_load(origin.dest, "--down", "1G", "--read-rate", "1", "--count", 1)
        harness.rest(lambda: origin.report()["sent"], quiet=1.5)
        process = getattr(pair, role)
        process.signal(signal.SIGTERM)
        t.equal(process.wait(30), 0, f"exit status of {role}")
        stuck.kill()


def test_sigterm_waits_for_what_moves_within_the_bound(t):
    for role in ("local", "relay"):
        bounded = {"timeouts": {"stop": 2 * harness.SLOW}}
        pair, server = t.pair(bounded, bounded, name=role), t.server(drip)
        moving, idle = pair.open("127.0.0.1", server.port), pair.open("127.0.0.1", t.server().port)
        harness.recv_exactly(moving, 4)
        process = getattr(pair, role)
        process.signal(signal.SIGTERM)
        begun = time.monotonic()
        while time.monotonic() < begun + 1.2 * harness.SLOW:
            harness.recv_exactly(moving, 4)
        t.check(process.running(), f"{role} left a stream that moves")
        t.equal(process.wait(30), 0, f"exit status of {role}")
        moving.close()
        idle.close()


def test_sigterm_after_a_reload_ends_old_streams_too(t):
    """A reload leaves idle streams alone for as long as they are open; a stop does not."""
    pair, server = t.pair({"timeouts": {"stop": "1h"}}), t.server()
    held = pair.open("127.0.0.1", server.port)
    pair.local.signal(signal.SIGHUP)
    pair.local.wait_output("read again")
    time.sleep(1.5)
    held.sendall(b"still here")
    t.equal(harness.recv_exactly(held, 10), b"still here", "after the reload")
    pair.local.signal(signal.SIGTERM)
    t.equal(pair.local.wait(30), 0, "exit status")
    held.close()


def test_a_second_signal_ends_at_once(t):
    pair, server = t.pair({"timeouts": {"stop": "1h"}}), t.server(drip)
    moving = pair.open("127.0.0.1", server.port)
    harness.recv_exactly(moving, 4)
    pair.local.signal(signal.SIGTERM)
    wait_refusal(pair)  # signals that come together are one
    time.sleep(0.3)
    t.check(pair.local.running(), "local left a stream that moves at the first signal")
    pair.local.signal(signal.SIGTERM)
    t.equal(pair.local.wait(5), 0, "exit status")


def test_sighup_takes_new_clients(t):
    pair, server = t.pair(), t.server()
    newcomer = t.pair(start=False, name="newcomer")
    newcomer.local_config["relay"] = pair.local_config["relay"]
    newcomer.write_configs()
    newcomer.start_local()
    held = pair.open("127.0.0.1", server.port)
    pair.relay_config["clients"].append({"name": "newcomer", "public_key": newcomer.local_key})
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    wait_until(lambda: newcomer.reply("127.0.0.1", server.port, timeout=40) == 0, 40,
               "the newcomer to be served")
    held.sendall(b"still here")
    t.equal(harness.recv_exactly(held, 10), b"still here", "a stream opened before the reload")
    held.close()


def test_sighup_takes_new_rules(t):
    pair, server = t.pair(), t.server()
    t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", "before")
    pair.relay_config["destinations"] = {"allow": ["127.0.0.2"]}
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    wait_until(lambda: pair.reply("127.0.0.1", server.port) == 2, what="the new rule to hold")


def test_sighup_with_a_broken_configuration(t):
    """It says so and goes on with the old one."""
    pair, server = t.pair(), t.server()
    for process, path in ((pair.local, pair.local_path), (pair.relay, pair.relay_path)):
        with open(path, "w") as f:
            f.write('{ "lissten": [] }')
        lines = len(process.log().splitlines())
        process.signal(signal.SIGHUP)
        wait_until(lambda: "lissten" in "\n".join(process.log().splitlines()[lines:]),
                   what=f"{process.name} to name the mistake")
        t.equal(pair.fetch("127.0.0.1", server.port, b"x"), b"x", f"after {process.name}'s reload")


def test_keys_that_others_can_read(t):
    pair = t.pair(start=False)
    for role, path, key in (("local", pair.local_path, "local.key"),
                            ("relay", pair.relay_path, "relay.key")):
        t.equal(os.stat(t.path(key)).st_mode & 0o777, 0o600, "mode of a new key")
        for mode in (0o640, 0o604, 0o644):
            os.chmod(t.path(key), mode)
            result = run(role, "-c", path)
            t.check(result.returncode in (1, 2), f"exit status {result.returncode}")
            t.check(key in result.stderr, f"no word about {key}: {result.stderr}")
            t.check("ready" not in result.stdout + result.stderr, f"{role} started")
        os.chmod(t.path(key), 0o600)


def test_keys_that_do_not_match(t):
    """The relay says nothing to a client that it does not know, but both logs do."""
    pair = t.pair()
    stranger = t.pair(start=False, name="stranger")
    stranger.local_config["relay"] = pair.local_config["relay"]
    stranger.write_configs()
    stranger.start_local()
    t.equal(stranger.reply("127.0.0.1", 1, timeout=40), 1, "reply without a relay")
    stranger.local.wait_output("does not answer")
    pair.relay.wait_output("its public key is not listed")
    t.check("does not answer" not in pair.local.log(), pair.local.log())


def test_paths_of_a_family_that_the_relay_lacks(t):
    pair = t.pair(local={"paths": [{"source": "::1"}]})
    t.equal(pair.reply("127.0.0.1", 1, timeout=40), 1, "reply without a relay")
    pair.local.wait_output(r"no address of a family that path ::1 can use")


def test_closed_standard_streams(t):
    pair, server = t.pair(), t.server()
    command = f"exec {SPLITSOCKS} connect -c {pair.local_path} 127.0.0.1 {server.port}"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        result = subprocess.run(["sh", "-c", f"{command} {closed}"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                timeout=60 * harness.SLOW)
        t.equal(result.returncode, 0, f"exit status with {closed} ({result.stderr})")


def test_connect_names_what_it_cannot_reach(t):
    pair = t.pair()
    port = str(harness.free_port())
    result = run("connect", "-c", pair.local_path, "127.0.0.1", port)
    t.equal(result.returncode, 1, "exit status")
    t.check(f"cannot connect to 127.0.0.1 port {port}: connection refused" in result.stderr,
            result.stderr)
    result = run("connect", "-c", pair.local_path, "127.0.0.1", "http")
    t.equal(result.returncode, 2, "exit status for a port that is none")
    t.check("not a port: http" in result.stderr, result.stderr)


def test_keygen(t):
    path = t.path("new.key")
    result = run("keygen", path)
    t.equal(result.returncode, 0, "exit status")
    t.equal(len(result.stdout.strip()), 44, "length of the public key in base64")
    with open(path) as f:
        private = f.read()
    t.check(private.strip() not in result.stdout + result.stderr, "the private key was printed")
    t.equal(run("keygen", "-y", path).stdout, result.stdout, "the public key, again")
    t.equal(run("keygen", path).returncode, 1, "status for a file that exists")
    with open(path) as f:
        t.equal(f.read(), private, "the existing key")


def test_usage(t):
    for words in ([], ["nonsense"], ["local"], ["relay"], ["local", "-c"], ["check"],
                  ["check", "local"], ["keygen"], ["local", "--nonsense"],
                  ["check", "neither", "file"]):
        result = run(*words)
        t.equal(result.returncode, 2, f"exit status for {words}")
        t.check(result.stderr, f"no word about {words}")
    for word in ("--help", "--version"):
        result = run(word)
        t.equal(result.returncode, 0, f"exit status of {word}")
        t.check("splitsocks" in result.stdout, word)
    for command in ("local", "relay", "connect", "check", "keygen"):
        result = run(command, "--help")
        t.equal(result.returncode, 0, f"exit status of {command} --help")
        t.check(f"splitsocks {command}" in result.stdout, result.stdout)


def test_configurations_that_are_refused(t):
    pair = t.pair(start=False)
    good = {"local": pair.local_config, "relay": pair.relay_config}
    for role in good:
        path = t.write_json("checked.json", good[role])
        result = run("check", role, path)
        t.equal(result.returncode, 0, f"status of check {role} ({result.stderr})")
    cases = [
        ("local", {"pol": {}}, "pool"), ("local", {"pool": {"size": 0}}, "pool"),
        ("local", {"budget": {"up": 100}}, "256"), ("local", {"mode": "coded"}, "mode"),
        ("local", {"rules": [{"port": 0}]}, "port"), ("local", {"paths": "all"}, "paths"),
        ("local", {"relay": {"public_key": "x"}}, "public_key"),
        ("local", {"linger": "soon"}, "linger"), ("local", {"private_key_file": ...}, "private_key"),
        ("relay", {"clients": ...}, "clients"), ("relay", {"client": []}, "clients"),
        ("relay", {"destinations": {"allow": ["10.0.0.0/33"]}}, "allow"),
        ("relay", {"listen": [{"address": "::1", "ports": ["9-8"]}]}, "ports"),
    ]
    for role, change, word in cases:
        path = t.write_json("checked.json", harness.merge(good[role], change))
        for command in (["check", role, path], [role, "-c", path]):
            result = run(*command)
            t.equal(result.returncode, 2, f"status of {command[0]} for {change} ({result.stderr})")
            t.check("checked.json" in result.stderr and word in result.stderr,
                    f"{change}: {result.stderr}")
    path = t.write("checked.json", json.dumps(good["local"])[:-5])
    t.equal(run("local", "-c", path).returncode, 2, "status for broken JSON")
    t.equal(run("local", "-c", t.path("no-such-file")).returncode in (1, 2), True, "no such file")


def test_a_port_that_is_taken(t):
    pair = t.pair()
    for role, path in (("local", pair.local_path), ("relay", pair.relay_path)):
        result = run(role, "-c", path)
        t.equal(result.returncode, 1, f"exit status of {role}")
        t.check(result.stderr, "no word about it")


def test_ready_names_the_addresses(t):
    pair = t.pair(relay_ports=3)
    t.equal(sorted(pair.relay.ports()), sorted(pair.relay_ports), "the relay's ports")
    t.equal(pair.local.ports(), [pair.socks_port], "local's port")


if __name__ == "__main__":
    harness.main(globals())
