#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Local and relay give up files and system calls that they do not need; all other tests of this
folder run inside what is left."""
import glob
import os
import re
import shutil
import signal
import subprocess

import harness


def fields(process, name):
    """The value of a field of /proc/PID/status, of each thread."""
    values = []
    for path in glob.glob(f"/proc/{process.pid}/task/*/status"):
        with open(path) as f:
            values.append(re.search(rf"^{name}:\s+(\S+)", f.read(), re.M).group(1))
    return set(values)


def fields_of_this_process():
    with open("/proc/self/status") as f:
        return {re.search(r"^Seccomp:\s+(\S+)", f.read(), re.M).group(1)}


def has_seccomp():
    with open("/proc/self/status") as f:
        kernel = "\nSeccomp:" in f.read()
    libraries = subprocess.run(["ldd", harness.SPLITSOCKS], text=True, stdout=subprocess.PIPE)
    return kernel and "libseccomp" in libraries.stdout


def start(t, **options):
    pair = t.pair(relay={"workers": 3}, start=False)
    options.setdefault("env", {"SPLITSOCKS_SANDBOX": "on"})  # whatever the environment says
    pair.start_relay(**options)
    pair.start_local(**options)
    return pair


def test_all_threads_are_confined(t):
    if t.sanitized or not has_seccomp():
        raise harness.Skip("this build or kernel has no seccomp")
    pair, origin = start(t), t.origin()
    for daemon in (pair.local, pair.relay):
        t.equal(fields(daemon, "Seccomp"), {"2"}, f"filters of {daemon.name}'s threads")
        t.equal(fields(daemon, "NoNewPrivs"), {"1"}, f"new privileges of {daemon.name}'s threads")
    pair.load(origin.dest, "--up", "1M", "--down", "1M")


def test_connect_is_confined(t):
    """Through a running local, and with a session of its own."""
    if t.sanitized or not has_seccomp():
        raise harness.Skip("this build or kernel has no seccomp")
    pair, server = start(t), t.server()
    for running in (True, False):
        if not running:
            t.equal(pair.local.stop(), 0, "exit status of local")
        connect = subprocess.Popen(
            [harness.SPLITSOCKS, "connect", "-c", pair.local_path, "127.0.0.1", str(server.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "SPLITSOCKS_SANDBOX": "on"})
        t.stack.callback(connect.kill)
        connect.stdin.write(b"word")
        connect.stdin.flush()
        t.equal(connect.stdout.read(4), b"word", "the echo")
        for name, value in (("Seccomp", "2"), ("NoNewPrivs", "1")):
            t.equal(fields(connect, name), {value}, f"{name} of connect's threads")
        connect.stdin.close()
        t.equal(connect.stdout.read(), b"", "the rest")
        t.equal(connect.wait(60 * harness.SLOW), 0, "exit status of connect")


def test_reloads_and_states_inside(t):
    pair, origin = start(t), t.origin()
    for daemon in (pair.local, pair.relay):
        for _ in range(2):
            before = daemon.log().count("the configuration was read again")
            daemon.signal(signal.SIGHUP)
            harness.wait_until(
                lambda: daemon.log().count("the configuration was read again") > before, 20, "reload")
    pair.load(origin.dest, "--up", "100k", "--down", "100k", "--count", 4)
    status = subprocess.run([harness.SPLITSOCKS, "status", "-c", pair.local_path], text=True,
                            stdout=subprocess.PIPE, env={**os.environ, "XDG_RUNTIME_DIR": t.directory})
    t.equal(status.returncode, 0, "status")
    for name in ("state", "relay.stamps"):
        t.check(os.path.getsize(t.path(f"splitsocks/{name}")) > 0, f"{name} is empty")
    for daemon in (pair.local, pair.relay):
        t.equal(daemon.stop(), 0, f"exit status of {daemon.name}")


def test_a_reload_that_needs_other_files(t):
    """What the configuration named at the start stays within reach; the log says what to do."""
    pair, server = start(t), t.server()
    os.mkdir(t.path("elsewhere"))
    for name in ("local", "relay"):
        os.rename(t.path(f"{name}.key"), t.path(f"elsewhere/{name}.key"))
    os.rename(t.path("elsewhere"), t.directory + "-elsewhere")
    t.stack.callback(shutil.rmtree, t.directory + "-elsewhere")
    for daemon, config in ((pair.local, pair.local_config), (pair.relay, pair.relay_config)):
        config["private_key_file"] = f"{t.directory}-elsewhere/{daemon.role}.key"
        pair.write_configs()
        daemon.signal(signal.SIGHUP)
        said = daemon.wait_output("the configuration was read again|stays as it was.*").group(0)
        t.note(said)
        if "stays" in said:
            t.check("(files in folders that it did not name at the start need a restart)" in said, said)
    with pair.open("127.0.0.1", server.port) as s:
        s.sendall(b"x")
        t.equal(s.recv(1), b"x", "the old configuration goes on")


def test_it_can_be_left_out(t):
    pair, origin = start(t, env={"SPLITSOCKS_SANDBOX": "off"}), t.origin()
    before = fields_of_this_process()
    t.equal(fields(pair.local, "Seccomp"), before, "filters of local")
    t.equal(fields(pair.relay, "Seccomp"), before, "filters of the relay")
    pair.load(origin.dest, "--up", "100k", "--down", "100k")


def expand(words):
    """The system calls that words of SystemCallFilter stand for."""
    calls = set()
    for word in words:
        if word.startswith("@"):
            text = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout
            lines = [line.strip() for line in text.splitlines()[1:]]
            calls |= expand(line for line in lines if line and not line.startswith("#"))
        else:
            calls.add(word)
    return calls


def units():
    """The units as they are in the source, with a program that exists."""
    for path in glob.glob(os.path.join(harness.HERE, "../../contrib/systemd/*.service.in")):
        with open(path) as f:
            yield os.path.basename(path)[:-3], f.read().replace("@bindir@/splitsocks", "/bin/true")


def test_units_expose_little(t):
    harness.need("systemd-analyze")
    for name, text in units():
        result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                                 "--no-pager", t.write(name, text)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if "unrecognized option" in result.stdout:
            raise harness.Skip("this systemd-analyze rates no files")
        t.note(result.stdout.strip().splitlines()[-1])
        t.equal(result.returncode, 0, f"{name}: the exposure is above 2.0")


def test_units_allow_what_the_daemons_need(t):
    """Systemd would end a daemon for a call outside of the unit's filter."""
    harness.need("systemd-analyze")
    with open(os.path.join(harness.HERE, "../../src/app/sandbox_calls.c")) as f:
        table = re.search(r"calls\[\] = \{(.*?)\};", f.read(), re.S).group(1)
    needed = set(re.findall(r'"(\w+)"', table)) | {
        "clone", "ioctl", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
        "mmap", "mprotect", "prctl", "seccomp", "tgkill"}
    known = expand(["@known"])
    for name, text in units():
        allowed = set()
        for words in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
            if words.startswith("~"):
                allowed -= expand(words[1:].split())
            else:
                allowed |= expand(words.split())
        t.equal((needed & known) - allowed, set(), f"calls that {name} forbids")


if __name__ == "__main__":
    harness.main(globals())
