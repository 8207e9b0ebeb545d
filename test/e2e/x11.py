# SPDX-License-Identifier: MIT
"""As much of the X protocol (version 11) as shows whether a remote desktop is alive: the colour of
the root window, where the pointer is, and what is on the screen of an Xvfb.

Requests and replies are those of the X Window System Protocol, X11R7.7, appendix B.
"""
import socket
import struct

from harness import recv_exactly, wait_until

CHANGE_WINDOW_ATTRIBUTES, QUERY_POINTER, WARP_POINTER, CLEAR_AREA = 2, 38, 41, 61
BACK_PIXEL = 2


def _connected(path):
    """A socket, or None: the server's own is there before it listens."""
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
    except OSError:
        s.close()
        return None
    return s


class Display:
    """A connection to an X server of this machine that asks for no authorization."""

    def __init__(self, number):
        self.socket = wait_until(lambda: _connected(f"/tmp/.X11-unix/X{number}"), 20,
                                 f"the X server {number}")
        self.socket.settimeout(20)
        self.socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        head = recv_exactly(self.socket, 8)
        body = recv_exactly(self.socket, 4 * struct.unpack_from("<H", head, 6)[0])
        if head[0] != 1:
            raise OSError(f"the X server {number} refuses: {body!r}")
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        self.root = struct.unpack_from("<I", body, 32 + (vendor + 3) // 4 * 4 + 8 * formats)[0]

    def _request(self, code, data, body):
        self.socket.sendall(struct.pack("<BBH", code, data, 1 + len(body) // 4) + body)

    def _reply(self):
        while True:
            head = recv_exactly(self.socket, 32)
            if head[0] == 0:
                raise OSError(f"X error {head[1]}")
            if head[0] == 1:
                return head + recv_exactly(self.socket, 4 * struct.unpack_from("<I", head, 4)[0])

    def paint(self, pixel):
        """Fills the root window."""
        self._request(CHANGE_WINDOW_ATTRIBUTES, 0, struct.pack("<III", self.root, BACK_PIXEL, pixel))
        self._request(CLEAR_AREA, 0, struct.pack("<IhhHH", self.root, 0, 0, 0, 0))
        self.pointer()  # its answer comes when both have been done

    def pointer(self):
        """Where it is: (x, y)."""
        self._request(QUERY_POINTER, 0, struct.pack("<I", self.root))
        return struct.unpack_from("<hh", self._reply(), 16)

    def move_pointer(self, x, y):
        self._request(WARP_POINTER, 0, struct.pack("<IIhhHHhh", 0, self.root, 0, 0, 0, 0, x, y))
        self.pointer()

    def close(self):
        self.socket.close()


def pixel_of(dump, x, y):
    """The pixel in the screen file of an Xvfb with -fbdir: an XWD file of 32 bits a pixel."""
    with open(dump, "rb") as f:
        header = struct.unpack(">25I", f.read(100))
        header_size, byte_order, line, colours = header[0], header[7], header[12], header[19]
        f.seek(header_size + 12 * colours + y * line + 4 * x)
        return int.from_bytes(f.read(4), "big" if byte_order else "little") & 0xffffff
