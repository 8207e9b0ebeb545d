# SPDX-License-Identifier: MIT
"""The lab for several paths: two namespaces, A and B, with an emulated link for each path.

The relay's side, B, has one address that is reached over every link; A's address on link i is
NETWORKS[i].1. A subflow bound to such an address, or to the device, goes by that link.
"""
import subprocess

from harness import Link, Skip, need

NETWORKS = ("10.77.0", "10.78.0", "10.79.0", "10.80.0")
RELAY = "10.99.0.1"


class Lab:
    """`settings` has one entry for each path: linkemu's words for both directions, or a pair
    (A to B, B to A). With `congestion`, every connection in it uses that algorithm; with `mptcp`,
    a connection with IPPROTO_MPTCP uses all paths."""

    def __init__(self, t, settings, congestion=None, mptcp=False):
        self.a, self.b = t.netns("a"), t.netns("b")
        self.count = len(settings)
        self.networks = NETWORKS[:self.count]
        self.link = Link(t, [(f"l{i}", self.a, self.b, network)
                             for i, network in enumerate(self.networks)])
        self.settings = [s if isinstance(s, tuple) else (s, s) for s in settings]
        self.restore()
        self.b.ip(f"addr add {RELAY}/32 dev lo")
        # By route: a namespace may not make every algorithm its default.
        extra = f" congctl {congestion}" if congestion else ""
        for i, network in enumerate(self.networks):
            self.a.ip(f"route add default via {network}.2 dev ta{i} table {100 + i}{extra}")
            self.a.ip(f"rule add from {network}.1 table {100 + i}")
            # Bound to its device, a subflow follows that device's own default route.
            self.a.ip(f"route add default via {network}.2 dev ta{i} metric {10 + i}{extra}")
            self.b.ip(f"route replace {network}.0/24 dev tb{i} src {network}.2{extra}")
        self.a.ip(f"route add {RELAY}/32 via {self.networks[0]}.2{extra}")
        if mptcp:
            self._mptcp()

    def _mptcp(self):
        for netns in (self.a, self.b):
            result = subprocess.run(
                netns.enter([need("ip"), *"mptcp limits set subflows 8 add_addr_accepted 8".split()]),
                stderr=subprocess.PIPE)
            if result.returncode != 0:
                raise Skip("this kernel has no MPTCP")
            netns.sysctl("net.mptcp.enabled", 1)
        for i, network in enumerate(self.networks[1:], 1):
            self.a.ip(f"mptcp endpoint add {network}.1 dev ta{i} subflow")

    @property
    def sources(self):
        return [{"source": f"{network}.1"} for network in self.networks]

    @property
    def interfaces(self):
        return [{"interface": f"ta{i}"} for i in range(self.count)]

    def set(self, index, words, direction="both"):
        """Changes settings of a path; `direction` is up, down or both."""
        self.link.set(words, {"up": "a2b", "down": "b2a", "both": "both"}[direction], f"l{index}")

    def restore(self):
        """The settings that it was made with."""
        for i, (up, down) in enumerate(self.settings):
            self.set(i, up, "up")
            self.set(i, down, "down")

    def cut(self, index, direction="both"):
        self.set(index, "off=1", direction)

    def mend(self, index, direction="both"):
        self.set(index, "off=0", direction)

    def pair(self, t, local=None, relay=None, **options):
        """A local that uses every path unless `local` says otherwise, and its relay."""
        return t.pair({"paths": self.sources, **(local or {})},
                      {"destinations": {"allow": [f"{RELAY}/32"]}, **(relay or {})},
                      local_netns=self.a, relay_netns=self.b, relay_address=RELAY, **options)

    def readdress(self, index, host):
        """Gives A's end of a path another address, as a network that it moved to would."""
        device, network = f"ta{index}", self.networks[index]
        self.a.ip(f"addr flush dev {device}")
        self.a.ip(f"addr add {network}.{host}/24 dev {device}")
        self.a.ip(f"route replace default via {network}.2 dev {device} metric {10 + index}")

    def counters(self, direction):
        """linkemu's report of every path in the direction, up or down."""
        report = self.link.tool.report()
        return [report[f"l{i}"][{"down": "b2a", "up": "a2b"}[direction]] for i in range(self.count)]

    def carried(self, direction):
        """Bytes that came out of every path so far, with IP headers."""
        return [counters["bytes"] for counters in self.counters(direction)]


def budget(size):
    return {"budget": {"up": size, "down": size}}
