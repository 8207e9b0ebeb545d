# SPDX-License-Identifier: MIT
"""A web server for the tests with real HTTP clients; plain, or TLS with a throw-away certificate."""
import contextlib
import hashlib
import http.server
import random
import socket
import ssl
import subprocess
import threading

from harness import free_port, need


def sample(length, seed=1):
    return random.Random(seed).randbytes(length)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/octet-stream", status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.server.requests.append(self.path)
        page = self.server.pages.get(self.path.split("?")[0])
        if page is None:
            self.answer(b"no such page", "text/plain", 404)
        else:
            self.answer(*page)

    def do_PUT(self):
        """Answers with the hash of what was sent."""
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left:
            part = self.rfile.read(min(left, 1 << 16))
            digest.update(part)
            left -= len(part)
        self.answer(digest.hexdigest().encode(), "text/plain")

    do_POST = do_PUT


class Web(http.server.ThreadingHTTPServer):
    """`pages` maps a path to (bytes, content type); .requests lists the paths asked for."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, test, pages=None, host="127.0.0.1", tls=False):
        self.pages, self.requests = dict(pages or {}), []
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, free_port()), Handler)
        self.port = self.server_address[1]
        self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        if tls:
            self._use_tls(test)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        test.stack.callback(self.stop)

    def _use_tls(self, test):
        self.certificate, key = test.path("web.crt"), test.path("web.pem")
        subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                        "-keyout", key, "-out", self.certificate, "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"],
                       check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def stop(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that went away is no news."""
        with contextlib.suppress(Exception):
            request.close()
