#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""curl through local and relay: addresses, names, TLS, passwords, large transfers."""
import hashlib
import subprocess

import harness
from harness import need, full
from web import Web, sample


def curl(t, *words, status=0):
    """Runs curl; returns what it printed."""
    result = subprocess.run([need("curl"), "-sS", "--noproxy", "", "--max-time", str(60 * harness.SLOW),
                             *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.equal(result.returncode, status, f"curl's exit status ({result.stderr.decode().strip()})")
    return result.stdout


def test_ipv4_and_ipv6_addresses(t):
    pair = t.pair()
    for host in ("127.0.0.1", "::1"):
        web = Web(t, {"/": (b"it works", "text/plain")}, host)
        for option in ("--socks5", "--socks5-hostname"):
            page = curl(t, option, f"127.0.0.1:{pair.socks_port}", "-g", f"http://{web.authority}/")
            t.equal(page, b"it works", f"{option} {host}")


def test_names_resolved_here_and_at_the_relay(t):
    web = Web(t, {"/": (b"it works", "text/plain")})
    for where in ("local", "relay"):
        pair = t.pair({"dns": {"resolve": where}}, name=where)
        page = curl(t, "--socks5-hostname", f"127.0.0.1:{pair.socks_port}",
                    f"http://localhost:{web.port}/")
        t.equal(page, b"it works", where)


def test_tls(t):
    pair = t.pair()
    web = Web(t, {"/": (sample(300000), "text/plain")}, tls=True)
    page = curl(t, "--socks5-hostname", f"127.0.0.1:{pair.socks_port}", "--cacert", web.certificate,
                f"https://localhost:{web.port}/")
    t.equal(page, sample(300000), "page")


def test_user_and_password(t):
    users = {"ann": "secret", "bob": "p:w d"}
    port = harness.free_port()
    pair = t.pair({"listen": [{"protocol": "socks5", "address": "127.0.0.1", "port": port,
                               "users": users}]})
    pair.socks_port = port
    web = Web(t, {"/": (b"it works", "text/plain")})
    url = f"http://{web.authority}/"
    for user in ("ann:secret", "bob:p:w d"):
        page = curl(t, "--proxy", f"socks5h://127.0.0.1:{port}", "--proxy-user", user, url)
        t.equal(page, b"it works", user)
    for words in (["--proxy-user", "ann:wrong"], ["--proxy-user", "eve:secret"], []):
        curl(t, "--proxy", f"socks5h://127.0.0.1:{port}", *words, url, status=97)
    t.equal(len(web.requests), 2, "requests that came through")
    t.check("secret" not in pair.local.log(), "a password is in the log")


def test_large_download_and_upload(t):
    body = sample(full(24, 256) << 20)
    pair = t.pair()
    web = Web(t, {"/big": (body, "application/octet-stream")})
    path = t.write("body", body)
    proxy = ("--proxy", f"socks5h://127.0.0.1:{pair.socks_port}")
    both = t.path("fetched")
    answer = curl(t, *proxy, "-Z", "-o", both, f"http://{web.authority}/big",
                  "--next", "-sS", "--noproxy", "", *proxy, "-T", path, "-H", "Expect:",
                  f"http://{web.authority}/put")
    t.equal(answer.decode(), hashlib.sha256(body).hexdigest(), "hash of the upload")
    with open(both, "rb") as f:
        t.check(f.read() == body, "the download differs")


def test_many_requests_at_once(t):
    count = full(60, 300)
    pair = t.pair()
    pages = {f"/{i}": (sample(20000 + i, i), "text/plain") for i in range(count)}
    web = Web(t, pages)
    curl(t, "--proxy", f"socks5h://127.0.0.1:{pair.socks_port}", "-Z", "--parallel-max", "30",
         f"http://{web.authority}/[0-{count - 1}]", "-o", t.path("page-#1"))
    for i in range(count):
        with open(t.path(f"page-{i}"), "rb") as f:
            t.check(f.read() == pages[f"/{i}"][0], f"page {i} differs")


def test_refused_and_denied_destinations(t):
    pair = t.pair(relay={"destinations": {"allow": ["127.0.0.1"]}})
    proxy = ("--socks5", f"127.0.0.1:{pair.socks_port}")
    curl(t, *proxy, f"http://127.0.0.1:{harness.free_port()}/", status=97)
    curl(t, *proxy, "http://127.0.0.2:1/", status=97)


if __name__ == "__main__":
    harness.main(globals())
