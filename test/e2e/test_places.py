#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The place of the control socket without the variables that name one, and the users that it trusts."""
import os
import shutil
import socket
import subprocess

import harness

BARE = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def prepare(t):
    """A local's configuration with a name of its own, a user to whom its files belong and whose
    number nobody else has, and the program where he can run it."""
    if os.geteuid() != 0:
        raise harness.Skip("another user needs root")
    user = 64000 + harness.free_port() % 1000 * 2
    pair = t.pair(start=False)
    name = f"c{harness.free_port()}"
    path = t.write_json(f"{name}.json", pair.local_config)
    os.chmod(t.directory, 0o755)
    for file in (path, t.path("local.key")):
        os.chown(file, user, user)
    folder = f"/tmp/splitsocks-{user}"
    t.stack.callback(lambda: shutil.rmtree(folder, ignore_errors=True))
    splitsocks = t.path("splitsocks-program")
    shutil.copy(harness.SPLITSOCKS, splitsocks)
    return name, path, folder, user, splitsocks


def as_user(user, command):
    return [harness.need("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]


def start(t, user, splitsocks, path, env=None):
    process = t.process("local", ["env", "-i", *[f"{k}={v}" for k, v in {**BARE, **(env or {})}.items()],
                                  f"XDG_STATE_HOME={t.directory}", *as_user(user, [splitsocks, "local", "-c", path])])
    process.wait_output("^ready")
    return process


def status(t, user, splitsocks, path, env=None):
    done = subprocess.run(as_user(user, [splitsocks, "status", "-c", path]), text=True, timeout=60,
                          env={**BARE, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.note(done.stdout)
    return done.returncode, done.stdout


def test_a_place_without_variables(t):
    name, path, folder, user, splitsocks = prepare(t)
    local = start(t, user, splitsocks, path)
    found = os.stat(folder)
    t.equal((found.st_uid, found.st_mode & 0o777), (user, 0o700), "the folder's owner and mode")
    t.equal(status(t, user, splitsocks, path)[0], 0, "status without variables")
    # Asked from a desktop's session, and by root.
    os.mkdir(t.path("xdg"), 0o700)
    os.chown(t.path("xdg"), user, user)
    t.equal(status(t, user, splitsocks, path, {"XDG_RUNTIME_DIR": t.path("xdg")})[0], 0,
            "status with XDG_RUNTIME_DIR")
    t.equal(status(t, 0, splitsocks, path)[0], 0, "root's status")
    local.signal(15)
    t.equal(local.wait(), 0, "exit")
    code, text = status(t, user, splitsocks, path)
    t.check(code == 1 and f"nobody listens at {folder}/{name}.sock" in text, text)


def test_a_home_without_the_variable(t):
    """There is a place for the state file: where the user database says that the home is."""
    pair = t.pair(start=False)
    done = subprocess.run(["env", "-i", harness.SPLITSOCKS, "check", "local", pair.local_path],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.equal((done.returncode, done.stderr), (0, ""), "check without variables")


def test_a_state_folder_that_cannot_be_made(t):
    """The log says why it is not there, and everything else works."""
    _, path, _, user, splitsocks = prepare(t)
    t.daemon("relay", t.path("relay.json"))
    local = start(t, user, splitsocks, path)
    local.wait_output(f"cannot write the state file {t.directory}/splitsocks/state: Permission denied")
    local.wait_output("session [0-9a-f]+ with the relay begins")


def test_root_has_a_place_too(t):
    if os.geteuid() != 0:
        raise harness.Skip("needs root")
    pair = t.pair(start=False)
    path = t.write_json(f"r{harness.free_port()}.json", pair.local_config)
    local = t.process("local", ["env", "-i", f"XDG_STATE_HOME={t.directory}", harness.SPLITSOCKS,
                                  "local", "-c", path])
    local.wait_output("^ready")
    t.equal(status(t, 0, harness.SPLITSOCKS, path)[0], 0, "status")
    local.signal(15)
    t.equal(local.wait(), 0, "exit")


def test_a_foreign_folder_is_not_trusted(t):
    """By none of the two: another user has made it, or put a link there."""
    name, path, folder, user, splitsocks = prepare(t)
    for foreign in ("folder", "link"):
        if foreign == "folder":
            os.mkdir(folder, 0o777)
            os.chmod(folder, 0o777)
            os.chown(folder, user + 1, user + 1)
        else:
            os.mkdir(t.path("own"), 0o700)
            os.chown(t.path("own"), user, user)
            os.symlink(t.path("own"), folder)
            os.chown(folder, user + 1, user + 1, follow_symlinks=False)
        # Somebody answers there.
        fake = socket.socket(socket.AF_UNIX)
        fake.bind(f"{folder}/{name}.sock")
        os.chmod(f"{folder}/{name}.sock", 0o777)
        fake.listen(8)
        fake.settimeout(0.1)
        local = start(t, user, splitsocks, path)
        t.check("there is no control socket" in local.log() and "another user" in local.log(),
                local.log())
        code, text = status(t, user, splitsocks, path)
        t.check(code == 1 and f"did not ask at {folder}/{name}.sock" in text, text)
        try:
            fake.accept()
            raise harness.Failure("a stranger was asked")
        except socket.timeout:
            pass
        fake.close()
        local.signal(15)
        t.equal(local.wait(), 0, "exit")
        shutil.rmtree(folder) if foreign == "folder" else os.unlink(folder)


def test_a_name_that_no_socket_can_have(t):
    pair = t.pair(start=False)
    path = t.write_json("n" * 100 + ".json", pair.local_config)
    local = t.process("local", [harness.SPLITSOCKS, "local", "-c", path],
                      env={"XDG_STATE_HOME": t.directory})
    local.wait_output("^ready")
    t.check("longer than 107 bytes" in local.log() and "there is no control socket" in local.log(),
            local.log())
    code, text = status(t, os.geteuid(), harness.SPLITSOCKS, path)
    t.check(code == 1 and "longer than 107 bytes" in text, text)


if __name__ == "__main__":
    harness.main(globals())
