#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One connection, measured at its user's end: over TCP, kernel MPTCP or a SOCKS5 proxy.

    probe.py serve ADDRESS PORT [--mptcp]
    probe.py run --way {tcp,mptcp,socks:PORT} [--source ADDRESS] --dest ADDRESS PORT WORK...

WORK is one of
    down BYTES | up BYTES                  seconds until the last byte (up: was confirmed)
    echo COUNT SIZE INTERVAL_MS            round trips over one connection
    request COUNT SIZE INTERVAL_MS         times of a small download, each on a connection of its own

Prints JSON, times in seconds. With `down`, "arrivals" tells how many bytes came in each 10 ms,
"gap" the longest time without any, and "gap_at" when it began.
"""
import argparse
import json
import socket
import struct
import sys
import threading
import time

IPPROTO_MPTCP = 262
HEADER = struct.Struct(">4sQ")
BUCKET = 0.01
BLOCK = bytes(256 * 1024)


def recv_exactly(s, length):
    data = bytearray()
    while len(data) < length:
        part = s.recv(length - len(data))
        if not part:
            raise EOFError(f"ended after {len(data)} of {length} bytes")
        data += part
    return bytes(data)


def recv_discard(s, length):
    while length > 0:
        part = s.recv(min(length, 256 * 1024))
        if not part:
            raise EOFError
        length -= len(part)


def send_bytes(s, length):
    while length > 0:
        length -= s.send(BLOCK[:min(length, len(BLOCK))])


def answer(s):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        work, size = HEADER.unpack(recv_exactly(s, HEADER.size))
        if work == b"down":
            send_bytes(s, size)
        elif work == b"up  ":
            recv_discard(s, size)
            s.sendall(b"!")
        else:
            while True:
                s.sendall(recv_exactly(s, size))
        s.shutdown(socket.SHUT_WR)
        s.recv(1)
    except (OSError, EOFError):
        pass
    s.close()


def serve(options):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP if options.mptcp else 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((options.address, options.port))
    s.listen(128)
    print("ready", flush=True)
    while True:
        threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()


def connect(options):
    kind, _, port = options.way.partition(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP if kind == "mptcp" else 0)
    s.settimeout(120)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, dest = options.dest[0], int(options.dest[1])
    if kind == "socks":
        s.connect(("127.0.0.1", int(port)))
        s.sendall(b"\5\1\0")
        recv_exactly(s, 2)
        s.sendall(b"\5\1\0\1" + socket.inet_aton(host) + struct.pack(">H", dest))
        if recv_exactly(s, 10)[1] != 0:
            raise OSError("the proxy could not connect")
        return s
    if options.source:
        s.bind((options.source, 0))
    s.connect((host, dest))
    return s


def down(options, size):
    begin = time.monotonic()
    s = connect(options)
    s.sendall(HEADER.pack(b"down", size))
    arrivals, last, gap, gap_at, left = {}, None, 0, 0, size
    while left > 0:
        length = len(s.recv(min(left, 256 * 1024)))
        if length == 0:
            raise EOFError(f"the download ended with {left} bytes missing")
        now = time.monotonic()
        if last is not None and now - last > gap:
            gap, gap_at = now - last, last - begin
        last, left = now, left - length
        bucket = int((now - begin) / BUCKET)
        arrivals[bucket] = arrivals.get(bucket, 0) + length
    s.close()
    return {"seconds": last - begin, "begin": begin, "bytes": size, "gap": gap, "gap_at": gap_at,
            "arrivals": [arrivals.get(i, 0) for i in range(max(arrivals) + 1)]}


def up(options, size):
    begin = time.monotonic()
    s = connect(options)
    s.sendall(HEADER.pack(b"up  ", size))
    send_bytes(s, size)
    recv_exactly(s, 1)
    return {"seconds": time.monotonic() - begin, "begin": begin, "bytes": size}


def pause(begin, interval):
    left = begin + interval - time.monotonic()
    if left > 0:
        time.sleep(left)


def echo(options, count, size, interval):
    s = connect(options)
    s.sendall(HEADER.pack(b"echo", size))
    times = []
    for _ in range(count):
        begin = time.monotonic()
        s.sendall(BLOCK[:size])
        recv_exactly(s, size)
        times.append(time.monotonic() - begin)
        pause(begin, interval)
    return {"times": times}


def request(options, count, size, interval):
    times = []
    for _ in range(count):
        begin = time.monotonic()
        with connect(options) as s:
            s.sendall(HEADER.pack(b"down", size))
            recv_discard(s, size)
        times.append(time.monotonic() - begin)
        pause(begin, interval)
    return {"times": times}


def run(options):
    work, numbers = options.work[0], [int(word) for word in options.work[1:]]
    if work in ("echo", "request"):
        numbers[2] /= 1000
    report = {"down": down, "up": up, "echo": echo, "request": request}[work](options, *numbers)
    json.dump(report, sys.stdout)
    print()


def main():
    words = argparse.ArgumentParser(description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = words.add_subparsers(required=True)
    server = commands.add_parser("serve")
    server.add_argument("address")
    server.add_argument("port", type=int)
    server.add_argument("--mptcp", action="store_true")
    server.set_defaults(function=serve)
    client = commands.add_parser("run")
    client.add_argument("--way", required=True)
    client.add_argument("--source")
    client.add_argument("--dest", nargs=2, required=True)
    client.add_argument("work", nargs="+")
    client.set_defaults(function=run)
    options = words.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
