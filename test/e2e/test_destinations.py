#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the relay does not connect to by default: its own machine, and the port of mail."""
import signal

import harness

OWN, LATER = "11.22.33.44", "11.22.33.55"
DENIED = 2  # RFC 1928 section 6


def lonely_pair(t, relay=None):
    """A pair in a namespace that has public addresses of its own, and a server on all of them."""
    net = t.netns("own")
    net.ip(f"addr add {OWN}/32 dev lo")
    port = harness.free_port()
    t.origin(f"0.0.0.0:{port}", f"127.0.0.1:25", netns=net)
    return net, port, t.pair(relay=relay, relay_netns=net, local_netns=net)


def replies(pair, net, *places):
    with net.inside():
        return [pair.reply(host, port) for host, port in places]


def reload_until(pair, net, places, wanted, what):
    """Gives the relay the changed configuration. It counts for the streams that begin later."""
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
    harness.wait_until(lambda: replies(pair, net, *places) == wanted, 20, what)


def test_own_addresses(t):
    net, port, pair = lonely_pair(t)
    t.equal(replies(pair, net, ("127.0.0.1", port), (OWN, port), (f"::ffff:{OWN}", port)),
            [0, DENIED, DENIED], "replies")
    pair.relay.wait_output(rf"{OWN} is in {OWN}/32 \(the relay's own machine\), which a relay refuses "
                        "by default")
    # Addresses that come and go count at once.
    t.check(replies(pair, net, (LATER, port))[0] not in (0, DENIED), "no way to it yet")
    net.ip(f"addr add {LATER}/32 dev lo")
    t.equal(replies(pair, net, (LATER, port)), [DENIED], "once the machine has the address")
    net.ip(f"addr del {LATER}/32 dev lo")
    t.check(replies(pair, net, (LATER, port))[0] not in (0, DENIED), "no way to it any more")
    # The operator may open them.
    pair.relay_config["destinations"]["allow"].append(f"{OWN}/32")
    reload_until(pair, net, [(OWN, port)], [0], "an address that is allowed now")


def test_the_port_of_mail(t):
    net, port, pair = lonely_pair(t)
    places = [("127.0.0.1", port), ("127.0.0.1", 25)]
    t.equal(replies(pair, net, *places), [0, DENIED], "replies")
    pair.relay.wait_output(r"port 25 \(mail transfer, RFC 5321\) is closed by default")
    pair.relay_config["destinations"]["ports"] = ["1-65535"]
    reload_until(pair, net, places, [0, 0], "all ports open")
    pair.relay_config["destinations"]["ports"] = [25]
    reload_until(pair, net, places, [DENIED, 0], "one port open")
    pair.relay.wait_output(f"port {port} is not among the relay's \"destinations.ports\"")


if __name__ == "__main__":
    harness.main(globals())
