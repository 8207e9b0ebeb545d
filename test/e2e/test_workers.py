#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A relay with several workers: each client's session goes to the worker that has fewest."""
import re

import harness
from pairs import clients_of_one_relay

WORKERS = 3
CLIENTS = 6


def worker_of(relay, client):
    """The second byte of a session's id is the worker's number."""
    found = re.findall(rf"client-{client} begins session ..(..)", relay.log())
    return int(found[-1], 16) if found else None


def begin(t, relay, pair, client):
    pair.start_local()
    harness.wait_until(lambda: worker_of(relay, client) is not None, 20, "a session")


def test_sessions_are_spread(t):
    pairs = clients_of_one_relay(t, CLIENTS + 2, {"workers": WORKERS})
    pairs[0].start_relay()
    relay, server = pairs[0].relay, t.server()
    for i in range(CLIENTS):
        begin(t, relay, pairs[i], i)
    workers = [worker_of(relay, i) for i in range(CLIENTS)]
    t.equal(sorted(workers), sorted([*range(WORKERS)] * (CLIENTS // WORKERS)),
            "the workers of the sessions")
    for pair in pairs[:CLIENTS]:
        t.equal(pair.reply("127.0.0.1", server.port), 0, "a stream's reply")
    # Those that leave make room for those that come.
    left = [i for i in range(CLIENTS) if workers[i] == workers[-1]]
    for i in left:
        pairs[i].local.stop()
        relay.wait_output(f"session .* of client-{i} has ended")
    for i in range(CLIENTS, CLIENTS + len(left)):
        begin(t, relay, pairs[i], i)
        t.equal(worker_of(relay, i), workers[-1], "the worker of a later session")


if __name__ == "__main__":
    harness.main(globals())
