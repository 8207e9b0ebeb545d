# SPDX-License-Identifier: MIT
"""Asks a running local or relay for its status."""
import json
import os
import subprocess

from harness import SLOW, SPLITSOCKS


def ask(t, path, *arguments, status=0, env=None):
    """Runs `splitsocks status`; its text on standard output, or else on standard error."""
    result = subprocess.run([SPLITSOCKS, "status", "-c", path, *arguments], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW,
                            env={**os.environ, "XDG_RUNTIME_DIR": t.directory, **(env or {})})
    t.equal(result.returncode, status, f"status of {arguments} ({result.stderr})")
    return result.stdout if status == 0 else result.stderr


def status_of(t, pair, name="guest"):
    """What the relay's status says of a client."""
    found = json.loads(ask(t, pair.relay_path, "--json"))
    return next(client for client in found["clients"] if client["name"] == name)
