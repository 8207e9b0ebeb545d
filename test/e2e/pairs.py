# SPDX-License-Identifier: MIT
"""A local and a relay with their keys and configurations."""
import signal
import socket

from basics import Failure, free_port
from sockets import recv_all, socks_connect


LOOPBACK = ["127.0.0.0/8", "::1/128"]


def merge(base, changes):
    """Dictionaries are merged, anything else replaces; a value of ... removes the key."""
    result = dict(base)
    for key, value in changes.items():
        if value is ...:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


class Pair:
    """A local and a relay that know each other, on loopback or in two network namespaces."""

    def __init__(self, test, local=None, relay=None, *, proxy=False, relay_ports=1,
                 local_netns=None, relay_netns=None, relay_address="127.0.0.1", start=True,
                 name="", dial_address=None):
        self.test, self.name = test, name
        self.local_netns, self.relay_netns = local_netns, relay_netns
        self.directory = test.directory
        self.relay_key, self.local_key = test.keygen(f"relay{name}"), test.keygen(f"local{name}")
        self.relay_ports = [free_port() for _ in range(relay_ports)]
        self.socks_port = free_port()
        self.proxy = None
        dial_ports = self.relay_ports
        if proxy:
            dial_ports = [free_port() for _ in self.relay_ports]
            forwards = [word for listen, server in zip(dial_ports, self.relay_ports)
                        for word in ("--forward", f"{relay_address}:{listen}={relay_address}:{server}")]
            self.proxy = test.tool("wireproxy", forwards, netns=relay_netns, name=f"proxy{name}")
        self.dial_ports = dial_ports
        self.local_config = merge({
            "relay": {"host": dial_address or relay_address, "ports": dial_ports,
                      "public_key": self.relay_key},
            "private_key_file": f"local{name}.key",
            "listen": [{"protocol": "socks5", "address": "127.0.0.1", "port": self.socks_port}],
        }, local or {})
        self.relay_config = merge({
            "listen": [{"address": relay_address, "ports": self.relay_ports}],
            "private_key_file": f"relay{name}.key",
            "clients": [{"name": "test", "public_key": self.local_key}],
            "destinations": {"allow": LOOPBACK},
        }, relay or {})
        self.write_configs()
        self.local = self.relay = None
        if start:
            self.start_relay()
            self.start_local()

    def write_configs(self):
        self.local_path = self.test.write_json(f"local{self.name}.json", self.local_config)
        self.relay_path = self.test.write_json(f"relay{self.name}.json", self.relay_config)

    def start_relay(self, **options):
        self.relay = self.test.daemon("relay", self.relay_path, self.relay_netns,
                                      f"relay{self.name}", **options)
        return self.relay

    def start_local(self, **options):
        self.local = self.test.daemon("local", self.local_path, self.local_netns,
                                      f"local{self.name}", **options)
        return self.local

    def connect(self, host, port, timeout=20):
        return socks_connect(self.socks_port, host, port, timeout)

    def reply(self, host, port, timeout=20):
        """The code of the reply to one connection, which is closed at once."""
        s, code = self.connect(host, port, timeout)
        s.close()
        return code

    def open(self, host, port, timeout=20):
        """A connected stream; fails the test unless the reply is success."""
        s, code = self.connect(host, port, timeout)
        if code != 0:
            raise Failure(f"{host}:{port}: reply {code}")
        return s

    def fetch(self, host, port, request=b"", timeout=20):
        with self.open(host, port, timeout) as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            return recv_all(s)

    def load(self, dest, *arguments, **options):
        """Runs socksload through this pair's local to its end; see Test.load."""
        return self.test.load("--proxy", f"127.0.0.1:{self.socks_port}", "--dest", dest, *arguments,
                              netns=self.local_netns, **options)

    def start_load(self, dest, *arguments, **options):
        return self.test.start_load("--proxy", f"127.0.0.1:{self.socks_port}", "--dest", dest,
                                    *arguments, netns=self.local_netns, **options)


def two_clients(t, terms, relay=None):
    """A pair whose client has no terms of its own, and a second local of the same relay."""
    pair, guest = t.pair(relay=relay, start=False), t.pair(name="guest", start=False)
    guest.local_config["relay"] = pair.local_config["relay"]
    pair.relay_config["clients"].append({"name": "guest", "public_key": guest.local_key, **terms})
    pair.write_configs()
    guest.write_configs()
    pair.start_relay()
    pair.start_local()
    guest.start_local()
    return pair, guest


def clients_of_one_relay(t, count, relay=None, name=""):
    """Pairs that use the relay of the first one; none is started."""
    pairs = [t.pair(relay=relay, name=f"{name}-{i}", start=False) for i in range(count)]
    first = pairs[0]
    first.relay_config["clients"] = [{"name": f"client-{i}", "public_key": pair.local_key}
                                     for i, pair in enumerate(pairs)]
    for pair in pairs:
        pair.local_config["relay"] = first.local_config["relay"]
        pair.write_configs()
    return pairs


def grant(pair, **terms):
    """Changes the terms of the last client."""
    pair.relay_config["clients"][-1].update(terms)
    pair.write_configs()
    pair.relay.signal(signal.SIGHUP)
