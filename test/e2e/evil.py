# SPDX-License-Identifier: MIT
"""A hostile client: it knows a client's key and the wire protocol (doc/protocol.md), and sends
whatever a test wants. It keeps no state of streams and obeys no rule by itself."""
import base64
import selectors
import socket
import struct
import time

from basics import SLOW, Failure, Skip, wait_until

try:
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:
    X25519PrivateKey = None

NOISE_NAME = b"Noise_IK_25519_ChaChaPoly_SHA256"
MAJOR = b"\x01"
TAG = 16
CHUNK_MAX = 16384
FIRST_CHUNK_MAX = 1200


def _sha256(*parts):
    digest = hashes.Hash(hashes.SHA256())
    for part in parts:
        digest.update(part)
    return digest.finalize()


def _hmac(key, *parts):
    mac = hmac.HMAC(key, hashes.SHA256())
    for part in parts:
        mac.update(part)
    return mac.finalize()


def _raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def varint(value):
    """RFC 9000 section 16, in the shortest form."""
    for bits, length in ((6, 1), (14, 2), (30, 4), (62, 8)):
        if value < 1 << bits:
            return (value | (length.bit_length() - 1) << (8 * length - 2)).to_bytes(length, "big")
    raise ValueError(value)


def read_varint(data, at):
    length = 1 << (data[at] >> 6)
    value = int.from_bytes(data[at:at + length], "big") & ((1 << (8 * length - 2)) - 1)
    return value, at + length


# Frames.

PING = b"\x01"


def subflow(path=0, up=0, down=0):
    return b"\x02" + varint(path) + varint(up) + varint(down)


def ack(tag, *entries):
    """Entries are (number, chunks)."""
    body = b"".join(varint(number << 1) + varint(chunks) for number, chunks in entries)
    return b"\x04" + varint(tag) + varint(len(entries)) + body


def stream_open(stream, host, port):
    """`host` is an IPv4 address or a name."""
    head = b"\x05" + varint(stream) + struct.pack(">H", port)
    try:
        return head + b"\x01\x01\x04" + socket.inet_aton(host)
    except OSError:
        return head + b"\x02" + bytes([len(host)]) + host.encode()


def stream_reset(stream, final=0, code=0):
    return b"\x07" + varint(stream) + varint(code) + varint(final)


def stream_window(stream, maximum):
    return b"\x08" + varint(stream) + varint(maximum)


def close(code=0):
    return b"\x0c" + varint(code) + varint(0)


def data(stream, offset, octets, fin=False):
    return (bytes([0x12 | fin]) + varint(stream) + varint(offset) + varint(len(octets)) + octets)


class Told:
    """What the relay has told in a session."""

    FIELDS = {0x00: 0, 0x01: 0, 0x03: 0, 0x06: 1, 0x07: 3, 0x08: 2, 0x09: 1, 0x0a: 1, 0x0b: 2,
              0x14: 2, 0x15: 3}

    def __init__(self):
        self.acked = {}        # chunks, by subflow
        self.opened = set()    # streams
        self.resets = {}       # codes, by stream
        self.received = {}     # highest offsets, by stream
        self.closed = None     # code and reason

    def take(self, plain):
        """The frames of one chunk."""
        at = 0
        while at < len(plain):
            kind = plain[at]
            at += 1
            if kind == 0x04:
                at = self._take_ack(plain, at)
            elif kind & ~3 == 0x10:
                at = self._take_data(plain, at, kind)
            elif kind == 0x0c:
                code, at = read_varint(plain, at)
                length, at = read_varint(plain, at)
                self.closed = code, plain[at:at + length].decode()
                at += length
            else:
                at = self._take_fields(plain, at, kind)

    def _take_fields(self, plain, at, kind):
        fields = []
        for _ in range(self.FIELDS[kind]):
            field, at = read_varint(plain, at)
            fields.append(field)
        if kind == 0x06:
            self.opened.add(fields[0])
        elif kind == 0x07:
            self.resets[fields[0]] = fields[1]
        return at

    def _take_ack(self, plain, at):
        _, at = read_varint(plain, at)
        count, at = read_varint(plain, at)
        for _ in range(count):
            number, at = read_varint(plain, at)
            chunks, at = read_varint(plain, at)
            self.acked[number >> 1] = max(chunks, self.acked.get(number >> 1, 0))
        return at

    def _take_data(self, plain, at, kind):
        stream, at = read_varint(plain, at)
        offset, at = read_varint(plain, at)
        length = len(plain) - at
        if kind & 2:
            length, at = read_varint(plain, at)
        self.received[stream] = max(offset + length, self.received.get(stream, 0))
        return at + length


class _Noise:
    """The initiator of Noise_IK."""

    def __init__(self, prologue, key, relay):
        self.key, self.relay = key, relay
        self.h = self.ck = NOISE_NAME
        self.k, self.n = None, 0
        self._mix_hash(prologue)
        self._mix_hash(_raw(relay))

    def _mix_hash(self, octets):
        self.h = _sha256(self.h, octets)

    def _mix_key(self, secret):
        temp = _hmac(self.ck, secret)
        self.ck = _hmac(temp, b"\x01")
        self.k, self.n = ChaCha20Poly1305(_hmac(temp, self.ck, b"\x02")), 0

    def _nonce(self):
        self.n += 1
        return bytes(4) + struct.pack("<Q", self.n - 1)

    def _seal(self, plain):
        sealed = self.k.encrypt(self._nonce(), plain, self.h)
        self._mix_hash(sealed)
        return sealed

    def _open(self, sealed):
        plain = self.k.decrypt(self._nonce(), sealed, self.h)
        self._mix_hash(sealed)
        return plain

    def first(self, payload):
        self.e = X25519PrivateKey.generate()
        public = _raw(self.e.public_key())
        self._mix_hash(public)
        self._mix_key(self.e.exchange(self.relay))
        static = self._seal(_raw(self.key.public_key()))
        self._mix_key(self.key.exchange(self.relay))
        return public + static + self._seal(payload)

    def second(self, message):
        remote = X25519PublicKey.from_public_bytes(message[:32])
        self._mix_hash(message[:32])
        self._mix_key(self.e.exchange(remote))
        self._mix_key(self.key.exchange(remote))
        return self._open(message[32:])

    def split(self):
        temp = _hmac(self.ck, b"")
        up = _hmac(temp, b"\x01")
        return up, _hmac(temp, up, b"\x02"), self.h


def write_hello(key, relay, stamp, chunk_size=CHUNK_MAX):
    """A HELLO of the private key `key`, and the handshake that waits for the answer."""
    payload = struct.pack(">QB", stamp, 0) + varint(0) + bytes([2]) + struct.pack(">Q", 0)
    payload += varint(120) + varint(chunk_size) + varint(1 << 24) + varint(1 << 26)
    head, length = b"\x01" + bytes(8), struct.pack(">H", message_length(payload))
    noise = _Noise(b"splitsocks" + MAJOR + head + length, key, relay)
    message = noise.first(payload)
    mac_key = _sha256(b"splitsocks hello", MAJOR, _raw(relay))
    return head + _hmac(mac_key, head, length, message)[:16] + length + message, noise


def message_length(payload):
    """Of message 1: an ephemeral key, a sealed static key, a sealed payload."""
    return 32 + 32 + TAG + len(payload) + TAG


class Session:
    """A session that was begun by a HELLO; `first` is what its first chunk says after SUBFLOW."""

    def __init__(self, evil, first=b"", chunk_size=CHUNK_MAX):
        self.evil = evil
        self.number = 0
        self.told = Told()
        self.socket = evil.dial()
        self._greet(chunk_size)
        self.subflows = [Subflow(self, self.socket, 0, b"", first)]

    def _greet(self, chunk_size):
        evil = self.evil
        self.hello, noise = write_hello(evil.key, evil.relay, evil.stamp(), chunk_size)
        self.socket.sendall(self.hello)
        (size,) = struct.unpack(">H", self._read(2))
        answer = noise.second(self._read(size))
        up, down, h = noise.split()
        _, at = read_varint(answer, 1)
        cipher = answer[at]
        self.id = answer[at + 2:at + 10]
        self.tag = self.id[7] & 63
        self.linger, at = read_varint(answer, at + 10)
        self.stream_window, at = read_varint(answer, at)
        self.session_window, at = read_varint(answer, at)
        self.stream_limit, _ = read_varint(answer, at)
        label = b"splitsocks direction" + answer[:1] + bytes([cipher]) + h
        self.up, self.down = _hmac(up, label, b"\x01"), _hmac(down, label, b"\x01")

    def _read(self, size):
        octets = b""
        while len(octets) < size:
            part = self.socket.recv(size - len(octets))
            if not part:
                raise Failure("the relay does not answer a HELLO")
            octets += part
        return octets

    def join(self, first=b""):
        """One more subflow."""
        self.number += 1
        header = b"\x02" + self.id + varint(self.number)
        self.subflows.append(Subflow(self, self.evil.dial(), self.number, header, first))
        return self.subflows[-1]

    def send(self, frames, chunk=CHUNK_MAX - 2 - TAG):
        """All of the frames on the first subflow, in chunks of at most that size."""
        self.subflows[0].send(frames, chunk)

    @property
    def ended(self):
        return all(each.ended for each in self.subflows)

    def pump(self):
        """Takes what the relay sends, for a moment."""
        for each in self.subflows:
            each.pump(0.01)

    def await_told(self, condition, what, seconds=60):
        """Takes what the relay sends until the condition holds, or the session has ended."""
        wait_until(lambda: self.pump() or condition() or self.ended, seconds, what)

    def deal(self, frames):
        """Sends the frames on the first subflow; the relay has taken all of them."""
        first = self.subflows[0]
        octets, wanted = first.sealed(frames + [PING]), first.sent
        first.write(octets)
        self.await_told(lambda: self.told.acked.get(0, 0) >= wanted, "the ACK of all")
        if self.ended:
            raise Failure(f"the relay has ended the session: {self.told.closed}")

    def close(self):
        for each in self.subflows:
            each.socket.close()


class Subflow:
    def __init__(self, session, connection, number, header, first):
        self.session, self.socket, self.number = session, connection, number
        self.seal, self.opener = (
            ChaCha20Poly1305(_hmac(secret, b"splitsocks subflow" + struct.pack(">Q", number),
                                   b"\x01")) for secret in (session.up, session.down))
        self.sent = self.taken = 0
        self.input, self.output = b"", bytearray()
        self.ended = False
        self.socket.settimeout(60 * SLOW)
        self.socket.sendall(header + self._chunk(subflow() + first, header))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.socket.setblocking(False)

    def _chunk(self, plain, header=b""):
        length = struct.pack(">H", len(plain) + TAG)
        nonce = bytes(4) + struct.pack(">Q", self.sent)
        self.sent += 1
        return length + self.seal.encrypt(nonce, plain, header + length)

    def sealed(self, frames, chunk=CHUNK_MAX - 2 - TAG):
        """The frames in sealed chunks: a list of single frames, none of which is cut."""
        out, plain = [], []
        size = 0
        for frame in frames:
            if size + len(frame) > chunk:
                out.append(self._chunk(b"".join(plain)))
                plain, size = [], 0
            plain.append(frame)
            size += len(frame)
        out.append(self._chunk(b"".join(plain)))
        return b"".join(out)

    def send(self, frames, chunk=CHUNK_MAX - 2 - TAG):
        self.write(self.sealed(frames, chunk))

    def write(self, octets):
        """Writes it all, and takes what the relay sends meanwhile."""
        self.output += octets
        while self.output and not self.ended:
            self._turn(60 * SLOW)

    def pump(self, seconds):
        """Takes what the relay sends, for up to so long."""
        if not self.ended:
            self._turn(seconds)

    def _turn(self, seconds):
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.output else 0)
        self.selector.modify(self.socket, events)
        for _, ready in self.selector.select(seconds):
            if ready & selectors.EVENT_READ:
                self._take()
            if ready & selectors.EVENT_WRITE and not self.ended:
                self._flush()

    def _flush(self):
        try:
            del self.output[:self.socket.send(self.output)]
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def _take(self):
        try:
            octets = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        self.ended = self.ended or not octets
        self.input += octets
        taken = self.taken
        while len(self.input) >= 2:
            (length,) = struct.unpack(">H", self.input[:2])
            if len(self.input) < 2 + length:
                break
            nonce = bytes(4) + struct.pack(">Q", self.taken)
            plain = self.opener.decrypt(nonce, self.input[2:2 + length], self.input[:2])
            self.session.told.take(plain)
            self.input = self.input[2 + length:]
            self.taken += 1
        # Without ACKs the relay takes the subflow for dead after a while.
        if self.taken > taken:
            self.output += self._chunk(ack(self.session.tag, (self.number, self.taken)))


class Evil:
    """A client with a key of its own at the relay of `pair`, whose configuration it extends;
    `bounds` are further members of its entry in `clients`. Make it before the relay starts."""

    def __init__(self, test, pair, name="evil", **bounds):
        if X25519PrivateKey is None:
            raise Skip("python3-cryptography is not installed")
        public = test.keygen(name)
        pair.relay_config["clients"].append({"name": name, "public_key": public, **bounds})
        pair.write_configs()
        with open(test.path(f"{name}.key"), encoding="ascii") as f:
            self.key = X25519PrivateKey.from_private_bytes(base64.b64decode(f.read()))
        self.relay = X25519PublicKey.from_public_bytes(base64.b64decode(pair.relay_key))
        self.port = pair.relay_ports[0]
        self.test = test
        self.last_stamp = 0

    def stamp(self):
        self.last_stamp = max(time.time_ns(), self.last_stamp + 1)
        return self.last_stamp

    def dial(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60 * SLOW)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.test.stack.callback(connection.close)
        return connection

    def session(self, first=b"", **options):
        return Session(self, first, **options)
