# SPDX-License-Identifier: MIT
"""The harness of the end-to-end tests: all that a test script needs, from the modules below.

    basics      the machine: programs, sizes, free ports, waiting
    processes   processes, tools, daemons, socksload
    namespaces  network namespaces and emulated links
    sockets     clients and servers in the process of the test
    pairs       a local and a relay
    context     Test, which each test function gets
    evil        a client that sends what it likes (not imported here)
    tap         runs the test functions and prints TAP

A test script defines functions test_*(t) and ends with harness.main(globals()). Each function gets
a Test: whatever it starts through that is stopped when the function ends, and a daemon that did not
end as asked, or left a sanitizer's report, fails the test. Words on the command line select tests.

Environment: SPLITSOCKS (the program), TOP_BUILDDIR (where the test programs are), SPLITSOCKS_FULL=1
(the full sizes rather than what suits `make check`).
"""
from basics import (HERE, SLOW, SPLITSOCKS, TOP_BUILDDIR, Failure, Skip, bulk, free_port, full, need,
                    rest, tool, wait_until)
from context import Test
from namespaces import Link, Netns, count_time_wait, tcp_states
from pairs import LOOPBACK, merge
from processes import die_with_parent
from sockets import (Server, echo, recv_all, recv_exactly, socks_connect, socks_dial, socks_reply,
                     socks_request)
from tap import main

__all__ = ["HERE", "LOOPBACK", "SLOW", "SPLITSOCKS", "TOP_BUILDDIR", "Failure", "Link", "Netns",
           "Server", "Skip", "Test", "bulk", "count_time_wait", "die_with_parent", "echo",
           "free_port", "full", "main", "merge", "need", "recv_all", "recv_exactly", "rest",
           "socks_connect", "socks_dial", "socks_reply", "socks_request", "tcp_states", "tool",
           "wait_until"]
