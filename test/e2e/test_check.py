#!/usr/bin/env python3
"""What `check` and a start say of files as people have them."""
import os
import re
import subprocess

import harness

KEY = "A" * 43 + "="
ROLES = ("local", "relay")


def run(t, *arguments, **options):
    """The exit status and what was said on standard error."""
    done = subprocess.run([harness.SPLITSOCKS, *arguments], stdout=subprocess.PIPE, text=True,
                          errors="replace", stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=60 * harness.SLOW, **options)
    t.note(done.stderr.strip())
    return done.returncode, done.stderr


def refused(t, role, path):
    """What both `check` and a start say, with which nothing starts; line by line."""
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
    for command in (["connect", "-c", pair.relay_path, "192.0.2.1", "1"],
                    ["status", "-c", pair.relay_path]):
        status, said = run(t, *command)
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


if __name__ == "__main__":
    harness.main(globals())
