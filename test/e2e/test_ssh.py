#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""OpenSSH through `splitsocks connect` and `nc -X 5`: commands, copies, both ways of connecting."""
import getpass
import os
import shutil
import subprocess

import harness
from harness import SPLITSOCKS, full, need
from web import sample


def start_sshd(t, address="127.0.0.1", netns=None):
    """An sshd of our own with throw-away keys; returns (port, the client's options)."""
    sshd, ssh_keygen = need("sshd", "ssh-keygen")
    need("ssh", "scp")
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        # Where packages put it at boot; sshd started by root insists on it.
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    for name in ("host", "client"):
        subprocess.run([ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-f", t.path(name)], check=True)
    shutil.copy(t.path("client.pub"), t.path("authorized"))
    port = harness.free_port()
    config = t.write("sshd_config", f"""
Port {port}
ListenAddress {address}
HostKey {t.path("host")}
AuthorizedKeysFile {t.path("authorized")}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
""")
    t.process("sshd", [sshd, "-D", "-e", "-f", config], netns=netns).wait_output("Server listening")
    with open(t.path("host.pub")) as key:
        t.write("known", f"[{address}]:{port} {key.read()}")
    options = ["-F", "none", "-i", t.path("client"), "-o", "BatchMode=yes", "-o",
               f"UserKnownHostsFile={t.path('known')}", "-o", "IdentitiesOnly=yes"]
    return port, options


def run(t, words, **options):
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=60 * harness.SLOW, **options)
    t.equal(result.returncode, 0, f"exit status of {words[0]} ({result.stderr.decode()[-500:]})")
    return result.stdout


def exercise(t, port, options, proxy_command, megabytes):
    """Logs in, moves data through the shell both ways, copies a file there and back."""
    user = getpass.getuser()
    words = [*options, "-o", f"ProxyCommand={proxy_command}"]
    ssh = [need("ssh"), *words, "-p", str(port), f"{user}@127.0.0.1"]
    t.equal(run(t, [*ssh, "echo", "$((6 * 7))"]), b"42\n", "output of a command")
    data = sample(megabytes << 20)
    t.check(run(t, [*ssh, "cat"], input=data) == data, "data came back changed")
    there, back = t.path("there"), t.path("back")
    original = t.write("original", data)
    scp = [need("scp"), "-q", *words, "-P", str(port)]
    run(t, [*scp, original, f"{user}@127.0.0.1:{there}"])
    run(t, [*scp, f"{user}@127.0.0.1:{there}", back])
    for path in (there, back):
        with open(path, "rb") as f:
            t.check(f.read() == data, f"{os.path.basename(path)} differs")


def test_connect_through_a_running_local(t):
    port, options = start_sshd(t)
    pair = t.pair()
    exercise(t, port, options, f"{SPLITSOCKS} connect -c {pair.local_path} %h %p", full(4, 64))


def test_connect_with_a_session_of_its_own(t):
    port, options = start_sshd(t)
    pair = t.pair(start=False)
    pair.start_relay()
    exercise(t, port, options, f"{SPLITSOCKS} connect -c {pair.local_path} %h %p", full(4, 64))


def test_netcat(t):
    need("nc")
    port, options = start_sshd(t)
    pair = t.pair()
    exercise(t, port, options, f"nc -X 5 -x 127.0.0.1:{pair.socks_port} %h %p", full(4, 64))


def test_over_a_tight_pool(t):
    port, options = start_sshd(t)
    pair = t.pair({"budget": {"up": 1000, "down": 1000}, "pool": {"size": 8, "burst": 8}})
    exercise(t, port, options, f"{SPLITSOCKS} connect -c {pair.local_path} %h %p", 1)


def test_connect_ends_as_its_stream_does(t):
    pair = t.pair(start=False)
    pair.start_relay()

    def answer(client):
        client.sendall(harness.recv_all(client).upper())

    server = t.server(answer)
    command = [SPLITSOCKS, "connect", "-c", pair.local_path]
    for running in (False, True):
        if running:
            pair.start_local()
        t.equal(run(t, [*command, "127.0.0.1", str(server.port)], input=b"hello"), b"HELLO",
                f"output, local {'is' if running else 'is not'} running")
        result = subprocess.run([*command, "127.0.0.1", str(harness.free_port())],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=60 * harness.SLOW)
        t.equal((result.returncode, result.stdout), (1, b""), "status for a refused destination")
        t.check(b"refused" in result.stderr, f"stderr: {result.stderr}")


def test_connect_wants_a_host_and_a_port(t):
    pair = t.pair(start=False)
    for words in ([], ["host"], ["host", "port"], ["host", "0"], ["host", "65536"], ["a", "1", "2"]):
        result = subprocess.run([SPLITSOCKS, "connect", "-c", pair.local_path, *words],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                timeout=60 * harness.SLOW)
        t.equal(result.returncode, 2, f"exit status for {words}")
        t.check(result.stderr, f"no word about {words}")


if __name__ == "__main__":
    harness.main(globals())
