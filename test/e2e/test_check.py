#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`check` and a start explain the mistakes in files as people have them."""
import json
import os
import re
import shutil
import subprocess

import harness

KEY = "A" * 43 + "="
ROLES = ("local", "relay")


def run(t, *arguments, **options):
    """The exit status, and the text on standard error."""
    done = subprocess.run([harness.SPLITSOCKS, *arguments], stdout=subprocess.PIPE, text=True,
                          errors="replace", stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=60 * harness.SLOW, **options)
    t.note(done.stderr.strip())
    return done.returncode, done.stderr


def refused(t, role, path):
    """The lines that `check` and a start both print, after which nothing starts."""
    status, said = run(t, "check", role, path)
    t.equal(status, 2, f"check {role} of {path}")
    status, log = run(t, role, "-c", path)
    t.equal(status, 2, f"start of {role} with {path}")
    lines = said.splitlines()
    t.equal(re.findall(r"splitsocks: error: (.*)", log), lines, "what the start says")
    return lines


def test_all_errors_in_order(t):
    relay = t.write("r.json", """{
      "listen": [ { "ports": [0] }, { "address": "here" } ],
      "private_key_file": 5,
      "clients": [
        { "name": "a", "public_key": "x" },
        { "name": "b", "publickey": "%s" },
        { "name": "b", "public_key": "%s" } ],
      "workers": 0
    }""" % (KEY, KEY))
    places = [re.sub(r".*?:(\d+: \S+): .*", r"\1", line) for line in refused(t, "relay", relay)]
    t.equal(places, ["2: listen[0].ports[0]", "2: listen[1].address", "3: private_key_file",
                     "5: clients[0].public_key", "6: clients[1].publickey",
                     "6: clients[1].public_key", "7: clients[2].name", "8: workers"], "the errors")


def test_a_file_of_the_other_side(t):
    pair = t.pair(start=False)
    for role, path in (("local", pair.relay_path), ("relay", pair.local_path)):
        other = "relay" if role == "local" else "local"
        lines = refused(t, role, path)
        t.equal(len(lines), 1, "lines")
        t.check(f"this is the configuration of a {other}" in lines[0], lines[0])
    status, said = run(t, "connect", "-c", pair.relay_path, "192.0.2.1", "1")
    t.check(status != 0 and "this is the configuration of a relay" in said, said)


def test_encodings(t):
    pair = t.pair(start=False)
    text = open(pair.relay_path).read()
    for name, data in (("bom", b"\xef\xbb\xbf" + text.encode()),
                       ("crlf", text.replace("\n", "\r\n").encode())):
        t.equal(run(t, "check", "relay", t.write(name, data))[0], 0, name)
    latin = text.replace('"test"', '"caf\u00e9"')
    for name, data, word in (
            ("utf16", text.encode("utf-16"), "UTF-16"),
            ("utf16be", text.encode("utf-16-be"), "zero byte"),
            ("latin1", latin.encode("latin-1"), "UTF-8"),
            ("comment", b"// mine\n" + text.encode(), "comment"),
            ("comma", text.rstrip().rstrip("}").encode() + b",\n}", "comma behind the last"),
            ("nul", text.encode() + b"\0", "zero byte")):
        lines = refused(t, "relay", t.write(name, data))
        t.equal(len(lines), 1, f"lines of {name}")
        t.check(word in lines[0] and re.match(r".*:\d+: ", lines[0]), f"{name}: {lines[0]}")


def test_things_that_are_no_files(t):
    os.mkfifo(t.path("fifo"))
    status, said = run(t, "check", "local", t.path("fifo"))
    t.check(status == 2 and "nothing was written" in said, said)
    for path, word in ((t.directory, "it is a folder"), ("/dev/null", "is empty"), (t.write("empty", ""), "is empty"),
                       ("/dev/zero", "larger than"), (t.path("absent"), "No such file")):
        lines = refused(t, "local", path)
        t.check(len(lines) == 1 and word in lines[0], f"{path}: {lines}")


def test_pipes_are_read(t):
    pair = t.pair(start=False)
    text = open(pair.relay_path).read().replace('"relay.key"', f'"{t.path("relay.key")}"')
    done = subprocess.run([harness.SPLITSOCKS, "check", "relay", "/dev/stdin"], input=text, text=True)
    t.equal(done.returncode, 0, "check of /dev/stdin")
    fifo = t.path("fifo")
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"sleep 0.3; cat > {fifo}"], stdin=subprocess.PIPE)
    writer.stdin.write(text.encode())
    writer.stdin.close()
    t.equal(run(t, "check", "relay", fifo)[0], 0, "check of a FIFO that is written to later")
    t.equal(writer.wait(), 0, "the writer")


def test_key_files(t):
    pair = t.pair(start=False)
    private = open(t.path("local.key")).read().strip()
    public = pair.relay_key

    def start(name, data):
        t.write("local.key", data, 0o600)
        return run(t, "check", "local", pair.local_path)
    for name, data in (("bom", b"\xef\xbb\xbf" + private.encode() + b"\n"), ("crlf", private + "\r\n"),
                       ("blanks", f" \n{private} \t\n\n"), ("no newline", private)):
        t.equal(start(name, data)[0], 0, name)
    for data, word in ((private.encode("utf-16"), "UTF-16"), (b"", "it is empty"),
                       (public + "\n", "relay.public_key and the private key in local.key are the same"),
                       ("{}\n", "looks like a configuration"),
                       ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "another program")):
        status, said = start(word, data)
        t.check(status == 2 and word in said, f"{word}: {said}")
        status, said = run(t, "local", "-c", pair.local_path)
        t.check(status == 2 and word in said, f"start: {word}: {said}")
    os.unlink(t.path("local.key"))
    status, said = run(t, "check", "local", pair.local_path)
    t.check(status == 2 and "this makes a key: splitsocks keygen" in said, said)
    os.mkdir(t.path("local.key"))
    status, said = run(t, "check", "local", pair.local_path)
    t.check(status == 2 and "it is a folder" in said, said)
    # The relay was given one of its clients' public keys.
    t.write("relay.key", pair.local_key + "\n", 0o600)
    status, said = run(t, "check", "relay", pair.relay_path)
    t.check(status == 2 and "clients[0].public_key and the private key" in said, said)


def check(t, pair, role="local"):
    """The answer of `check` to a pair's configuration as it is now."""
    pair.write_configs()
    return run(t, "check", role, getattr(pair, f"{role}_path"))


def test_others_who_can_read_passwords(t):
    """A warning, by a check and by a start, that tells how to mend it."""
    pair = t.pair(start=False)
    for users, mode, owner, said in (
            ({"ann": "secret"}, 0o644, 0, "every user can read it (mode 0644); do: chmod 600 "),
            ({"ann": "secret"}, 0o640, 0, "its group can read it (mode 0640); do: chmod 600 "),
            ({"ann": "secret"}, 0o600, 0, None), (None, 0o644, 0, None),
            # How a service reads a file that is not its own.
            ({"ann": "secret"}, 0o640, 1, None),
            ({"ann": "secret"}, 0o644, 1, "every user can read it (mode 0644); do: chmod o= ")):
        if owner != 0 and os.geteuid() != 0:
            continue
        pair.local_config["listen"][0]["users"] = users
        pair.write_configs()
        os.chmod(pair.local_path, mode)
        if owner != 0:
            os.chown(pair.local_path, owner, -1)
        wanted = said and f"{pair.local_path} holds passwords, and {said}{pair.local_path}"
        status, checked = run(t, "check", "local", pair.local_path)
        t.equal(status, 0, "check")
        local = pair.start_local()
        log = local.log()
        t.equal(local.stop(), 0, "local's exit status")
        for text in (checked, log):
            t.equal("passwords" in text, wanted is not None, f"a warning for mode {mode:o} in {text}")
            t.check(wanted is None or wanted in text, f"wanted {wanted} in {text}")


def test_what_a_start_would_not_find(t):
    """Errors where the start fails, and at once all of them."""
    pair = t.pair(start=False)
    port = pair.socks_port
    changes = {"listen": [{"address": a, "port": port} for a in ("127.0.0.1", "0.0.0.0")],
               "control": "no/such/folder/x.sock"}
    pair.local_config.update(changes)
    os.chmod(t.path("local.key"), 0o644)
    status, said = check(t, pair)
    t.equal(status, 2, "exit status")
    for word in (f"both 0.0.0.0:{port} and 127.0.0.1:{port}", "others can access it",
                 "x.sock cannot be the control socket"):
        t.check(word in said, f"no word of {word}: {said}")
    for name, mend in (("others can access it", lambda: os.chmod(t.path("local.key"), 0o600)),
                       ("control socket", lambda: pair.local_config.pop("control")),
                       ("cannot listen", None)):
        status, log = run(t, "local", "-c", pair.local_path)
        t.check(status in (1, 2) and name in log, f"the start says of {name}: {log}")
        if mend:
            mend()
            pair.write_configs()
    pair.local_config["control"] = "x" * 120
    t.check("longer than 107 bytes" in check(t, pair)[1], "no word of a long name")
    pair.relay_config["control"] = "no/such/folder/x.sock"
    for status, said in (check(t, pair, "relay"), run(t, "relay", "-c", pair.relay_path)):
        t.check(status in (1, 2) and "x.sock cannot be the control socket" in said, said)
    del pair.relay_config["control"]
    pair.relay_config["listen"] = [{"address": "0.0.0.0", "ports": [port]}] * 2
    status, said = check(t, pair, "relay")
    t.check(status == 2 and f"both 0.0.0.0:{port} and 0.0.0.0:{port}" in said, said)


def test_what_may_mend_itself_is_a_warning(t):
    pair = t.pair({"paths": [{"interface": "nosuch0"}, {"source": "192.0.2.77"}],
                   "congestion_control": "nosuch", "state_file": "relay.key/state"}, start=False)
    pair.local_config["listen"].append({"address": "192.0.2.78", "port": harness.free_port()})
    pair.relay_config["listen"] = [{"address": "192.0.2.79"}]
    status, said = check(t, pair)
    t.equal(status, 0, "exit status")
    t.check(all(line.startswith("warning: ") for line in said.splitlines()), said)
    for word in ("no interface nosuch0", "192.0.2.77", "congestion control \"nosuch\"",
                 "relay.key/state cannot be written", "cannot listen on 192.0.2.78"):
        t.check(word in said, f"no word of {word}: {said}")
    status, said = check(t, pair, "relay")
    t.check(status == 0 and "warning: cannot listen on 192.0.2.79:443" in said, said)


def test_a_budget_beyond_a_known_limit_is_a_warning(t):
    pair = t.pair({"budget": {"down": 64000}}, start=False)
    port = pair.local_config["relay"]["ports"][0]
    limit = {"kind": "freeze", "position": 15000, "rate": 0}
    pair.local_config["state_file"] = t.write("state", json.dumps(
        {"splitsocks_state": 1, "limits": {"default": {str(port): {"down": limit}}}}))
    status, said = check(t, pair)
    t.equal(status, 0, "exit status")
    t.check(f"warning: the budget down is 64000, but on path default, port {port}" in said, said)
    pair.local_config["budget"] = {"down": 12000}
    status, said = check(t, pair)
    t.check("budget" not in said, said)


def test_a_pool_beyond_known_limits_is_a_warning(t):
    pair = t.pair(start=False)
    port = pair.local_config["relay"]["ports"][0]
    pair.local_config["state_file"] = t.write("state", json.dumps(
        {"splitsocks_state": 1,
         "limits": {"default": {str(port): {"connections": 4, "dials_per_second": 8.5}}}}))
    pair.local_config["pool"] = {"dials_per_second": 8}
    t.equal(check(t, pair), (0, ""), "what is said of defaults")
    pair.local_config["pool"] = {"size": 6, "dials_per_second": 20}
    status, said = check(t, pair)
    t.equal(status, 0, "exit status")
    for words in (f"warning: the pool is to have up to 6 connections, but on path default, port {port}",
                  f"warning: dials_per_second is 20, but on path default, port {port}"):
        t.check(words in said, said)


def test_a_running_daemon_is_no_error(t):
    pair = t.pair()
    for role in ROLES:
        status, said = check(t, pair, role)
        port = pair.socks_port if role == "local" else pair.relay_ports[0]
        t.check(status == 0 and f"warning: cannot listen on 127.0.0.1:{port}" in said, said)
        # As the units' ExecReload has it.
        t.equal(run(t, "check", role, getattr(pair, f"{role}_path"),
                    env={**os.environ, "MAINPID": "1"}), (0, ""), f"{role}, for a reload")
    for daemon in (pair.local, pair.relay):
        t.equal(daemon.stop(), 0, "exit status")
    for role in ROLES:
        t.equal(check(t, pair, role), (0, ""), f"{role}, stopped")


def test_ports_below_the_first_open_one(t):
    """As a user without the capability, in a network that has the usual bound."""
    pair, netns = t.pair(start=False), t.netns("low")
    netns.sysctl("net.ipv4.ip_unprivileged_port_start", 1024)
    pair.relay_config["listen"] = [{"address": "127.0.0.1", "ports": ["1-1000"]}]
    pair.write_configs()
    os.chmod(t.directory, 0o755)
    os.chown(t.path("relay.key"), 64001, 64001)
    program = t.path("program")
    shutil.copy(harness.SPLITSOCKS, program)
    for arguments in (["check", "relay"], ["relay", "-c"]):
        done = subprocess.run(netns.enter([harness.need("setpriv"), "--reuid=64001", "--regid=64001",
                                           "--clear-groups", program, *arguments, pair.relay_path]),
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        t.note(done.stdout)
        t.check(done.returncode in (1, 2), "exit status")
        for word in ("cannot listen on 127.0.0.1:1: Permission denied", "AmbientCapabilities",
                     f"setcap cap_net_bind_service=+ep {program}", "ip_unprivileged_port_start=1"):
            t.check(word in done.stdout, f"no word of {word}")
        t.check(len(done.stdout.splitlines()) <= 3, "a line for each port")


SERVICE = """
mount -t tmpfs none /etc && mkdir /etc/splitsocks && cp "$1"/relay.json "$1"/relay.key /etc/splitsocks
cd / && chmod 711 /etc/splitsocks && chmod 644 /etc/splitsocks/relay.json
printf 'root:x:0:0::/:/bin/sh\\n' > /etc/passwd && printf 'root:x:0:\\n' > /etc/group
"$2" check relay /etc/splitsocks/relay.json && echo --- >&2
printf 'splitsocks:x:64002:64002::/:/bin/sh\\n' >> /etc/passwd
printf 'splitsocks:x:64002:\\n' >> /etc/group
"$2" check relay /etc/splitsocks/relay.json && echo --- >&2
chown 64002 /etc/splitsocks/relay.key
"$2" check relay /etc/splitsocks/relay.json && echo --- >&2
"""


def test_what_the_service_would_find(t):
    """`check`, run by root, finds the faults that the service's own user would meet."""
    pair = t.pair(start=False)
    done = subprocess.run([harness.need("unshare"), "--mount", "sh", "-c", SERVICE, "sh", t.directory,
                           os.path.abspath(harness.SPLITSOCKS)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    t.note(done.stderr)
    if done.returncode != 0 and "---" not in done.stderr:
        raise harness.Skip("no mount namespaces")
    t.equal(done.stdout.count("ok"), 3, "checks that are content")
    nobody, foreign, right, rest = done.stderr.split("---\n")
    t.check("the user splitsocks, which does not exist" in nobody, nobody)
    t.check("relay.key cannot be read by the user splitsocks" in foreign, foreign)
    t.equal((right, rest), ("", ""), "what is said when all is right")


if __name__ == "__main__":
    harness.main(globals())
