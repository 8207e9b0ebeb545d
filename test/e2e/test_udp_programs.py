#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs with datagrams that nobody here wrote: dig, socksify, node's socks, mosh, iperf3."""
import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time

import harness
from datagrams import Association, DatagramServer, forward
from harness import (SLOW, Failure, Server, echo, free_port, need, recv_exactly, socks_connect,
                     wait_until)
from test_udp import document, with_listeners

SOURCE = os.environ.get("TOP_SRCDIR", os.path.join(harness.HERE, "..", ".."))
# Debian's package node-socks, and the one that npm brings along.
NODE_MODULES = "/usr/share/nodejs", "/usr/lib/node_modules/npm/node_modules"


def run(command, seconds=60, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=seconds * SLOW, **options)


def start_dnsmasq(t, host, port, *more, **options):
    t.process("dnsmasq", [
        need("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
        f"--port={port}", f"--listen-address={host}", "--bind-interfaces", "--user=root",
        "--pid-file=", "--log-facility=-", "--edns-packet-max=4096",
        "--host-record=four.test,192.0.2.4", *more], **options).wait_output("started")


def dig(port):
    return [need("dig"), "@127.0.0.1", "-p", str(port), "+short", "+notcp", "+tries=10"]


def test_dig(t):
    """Questions and answers, large ones too, through a forward listener."""
    port = free_port(socket.SOCK_DGRAM)
    long_text = ",".join(["x" * 200] * 10)
    start_dnsmasq(t, "127.0.0.1", port, f"--txt-record=long.test,{long_text}")
    listener, address = forward(("127.0.0.1", port))
    with_listeners(t, listener)
    words = dig(address[1])
    for _ in range(5):  # each from a port of its own
        t.equal(run([*words, "four.test", "A"]).stdout, "192.0.2.4\n", "address")
    answer = run([*words, "+bufsize=4096", "+ignore", "long.test", "TXT"]).stdout
    t.equal(answer.count("x" * 200), 10, "parts of a long answer")


def sample(name):
    with open(os.path.join(SOURCE, "config", name)) as file:
        return json.load(file)


RESOLVER = "9.9.9.9"  # the one that the sample names; here it is a namespace's address


def test_the_sample(t):
    """config/local-udp.json and config/relay.json as they are, but for the relay's host and the keys."""
    here, server, world = (t.netns(name) for name in ("here", "server", "world"))
    t.link(here, server)
    t.link(server, world, "11.0.0", name="uplink", device="u")
    world.ip(f"addr add {RESOLVER}/32 dev lo")
    server.ip(f"route add {RESOLVER}/32 via 11.0.0.2")
    start_dnsmasq(t, RESOLVER, 53, netns=world)
    with world.inside():
        call, other, web = (DatagramServer(t, RESOLVER, port=port) for port in (3478, 3479, 443))
        page = Server(echo, RESOLVER, 443)
        t.stack.callback(page.close)

    pair = t.pair(local_netns=here, relay_netns=server, start=False)
    pair.local_config, pair.relay_config = sample("local-udp.json"), sample("relay.json")
    pair.local_config["relay"].update(host="10.77.0.2", public_key=pair.relay_key)
    pair.relay_config["clients"][0]["public_key"] = pair.local_key
    pair.write_configs()
    pair.start_relay()
    pair.start_local()

    t.equal(run(here.enter([*dig(5353), "four.test", "A"])).stdout, "192.0.2.4\n", "address")
    with here.inside():
        association = Association(t, 1080, (RESOLVER, call.port))
        calm = Association(t, 1080, (RESOLVER, other.port))
        association.ask(b"a call")
        calm.ask(b"something else")
        calm.destination = RESOLVER, web.port
        calm.send(b"QUIC")
        stream, code = socks_connect(1080, RESOLVER, web.port)
    with stream:
        t.equal(code, 0, "reply to a stream to the same port")
        stream.sendall(b"HTTP")
        t.equal(recv_exactly(stream, 4), b"HTTP", "echo of the stream")
    wait_until(lambda: document(pair)["datagrams_dropped"]["blocked"] == 1, what="the drop")
    t.equal(web.seen, [], "datagrams to port 443")
    modes = {flow["destination"]: flow["mode"] for flow in document(pair)["flows"]}
    t.equal(modes[f"{RESOLVER}:{call.port}"], "redundant", "mode of a call")
    t.equal(modes[f"{RESOLVER}:53"], "auto", "mode of a query")


def test_socksify(t):
    """dante-client puts an association under a program that knows nothing of SOCKS."""
    program, netcat = need("socksify", "nc")
    pair, server = t.pair(), DatagramServer(t)
    config = t.write("socks.conf", "\n".join([
        "logoutput: stderr", "resolveprotocol: fake", "route {",
        "  from: 0.0.0.0/0 to: 0.0.0.0/0 via: 127.0.0.1 port = %d" % pair.socks_port,
        "  proxyprotocol: socks_v5", "  command: connect udpassociate", "  protocol: tcp udp",
        "  method: none", "}", ""]))
    with subprocess.Popen([program, netcat, "-u", "-w", "2", "127.0.0.1", str(server.port)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "SOCKS_CONF": config}) as client:
        try:
            client.stdin.write(b"through the relay\n")
            client.stdin.flush()
            t.check(select.select([client.stdout], [], [], 30 * SLOW)[0], "no answer")
            t.equal(os.read(client.stdout.fileno(), 100), b"through the relay\n", "answer")
        finally:
            client.kill()
    t.check("an association of" in pair.local.log(), "socksify did not use the proxy")


NODE_CLIENT = """
const {SocksClient} = require('socks'), dgram = require('dgram');
const [proxy, host, port] = process.argv.slice(2);
const client = new SocksClient({
  proxy: {host: '127.0.0.1', port: +proxy, type: 5}, command: 'associate',
  destination: {host: '0.0.0.0', port: 0}});
client.on('established', info => {
  const socket = dgram.createSocket('udp4');
  const send = () => socket.send(SocksClient.createUDPFrame(
    {remoteHost: {host, port: +port}, data: Buffer.from('hello')}),
    info.remoteHost.port, info.remoteHost.host);
  socket.on('message', message => {
    const {remoteHost, data} = SocksClient.parseUDPFrame(message);
    console.log(`${data} from ${remoteHost.host}:${remoteHost.port}`);
    process.exit(0);
  });
  send();
  setInterval(send, 500);
});
client.on('error', error => { console.log(error.message); process.exit(1); });
client.connect();
"""


def test_socks_of_node(t):
    node = need("node")
    if not any(os.path.isdir(os.path.join(folder, "socks")) for folder in NODE_MODULES):
        raise harness.Skip("node-socks is not installed")
    pair, server = t.pair(), DatagramServer(t)
    script = t.write("client.js", NODE_CLIENT)
    result = run([node, script, str(pair.socks_port), "127.0.0.1", str(server.port)],
                 env={**os.environ, "NODE_PATH": ":".join(NODE_MODULES)})
    t.equal(result.stdout, f"hello from 127.0.0.1:{server.port}\n", "answer")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, test, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execve(command[0], command, env)
        self.text = b""
        test.stack.callback(self.close)

    def wait_for(self, word, seconds=60):
        deadline = time.monotonic() + seconds * SLOW
        while word not in self.text:
            if time.monotonic() > deadline:
                raise Failure(f"waited in vain for {word!r}; there is {self.text[-500:]!r}")
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 65536)
                except OSError as error:
                    raise Failure(f"the program has ended, and said {self.text[-500:]!r}") from error

    def close(self):
        os.close(self.fd)  # hangs up
        os.waitpid(self.pid, 0)


def test_mosh(t):
    """A shell by mosh; its server is started without ssh."""
    server, client = need("mosh-server", "mosh-client")
    port = free_port(socket.SOCK_DGRAM)
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "MOSH_SERVER_NETWORK_TMOUT": "60"}
    began = run([server, "new", "-i", "127.0.0.1", "-p", str(port), "--", "/bin/sh", "-c",
                 "read line; echo $line-$((6 * 7)); read line"], env=env)
    found = re.search(r"MOSH CONNECT (\d+) (\S+)", began.stdout)
    t.check(found, f"mosh-server says {began.stdout}")
    listener, address = forward(("127.0.0.1", int(found.group(1))))
    with_listeners(t, listener)
    terminal = Terminal(t, [client, "127.0.0.1", str(address[1])],
                        {**env, "MOSH_KEY": found.group(2), "MOSH_PREDICTION_DISPLAY": "never"})
    os.write(terminal.fd, b"typed\r")
    terminal.wait_for(b"typed-42")
    os.write(terminal.fd, b"\r")  # ends the shell, and so the server
    terminal.wait_for(b"[mosh is exiting.]")


def test_iperf3(t):
    """Its control connection and its datagrams by a forward of both networks."""
    iperf3 = need("iperf3")
    port = free_port()
    t.process("iperf3", [iperf3, "-s", "-p", str(port), "-B", "127.0.0.1",
                         "--forceflush"]).wait_output("listening")
    listener, address = forward(("127.0.0.1", port), network="both")
    with_listeners(t, listener)
    for way in ([], ["-R"]):
        result = run([iperf3, "-c", "127.0.0.1", "-p", str(address[1]), "-u", "-l", "1200", "-b",
                      "2M", "-t", "2", "-J", *way])
        report = json.loads(result.stdout)
        t.check(result.returncode == 0, f"iperf3: {report.get('error')}")
        total = report["end"]["sum"]
        t.note(f"{way}: {total['packets']} datagrams, {total['lost_packets']} lost")
        t.check(total["packets"] > total["lost_packets"] >= 0, "all datagrams were lost")


if __name__ == "__main__":
    harness.main(globals())
