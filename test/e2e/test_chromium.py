#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Headless Chromium: a page with a dozen resources, by a name that only the proxy's side knows."""
import base64
import subprocess

import harness
from fakedns import FakeDns
from harness import need
from web import Web, sample

# A transparent PNG of one pixel.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kg"
                         "AAAABJRU5ErkJggg==")
IMAGES, DOCUMENTS = 6, 6
PAGE = f"""<!doctype html><html><head><title>loading</title><link rel="stylesheet" href="style.css">
<script src="script.js"></script></head><body>
{"".join(f'<img src="image{i}.png">' for i in range(IMAGES))}
<script>
  let sizes = Promise.all([...Array({DOCUMENTS}).keys()].map(
      i => fetch('document' + i).then(r => r.arrayBuffer()).then(b => b.byteLength)));
  addEventListener('load', () => sizes.then(s => {{
      let images = [...document.images].filter(i => i.naturalWidth == 1).length;
      let style = getComputedStyle(document.body).color;
      document.title = [fromScript, images, style, s.reduce((a, b) => a + b)].join(' ');
  }}));
</script></body></html>"""


def test_page_with_many_resources(t):
    chromium = need("chromium")
    pages = {"/": (PAGE.encode(), "text/html"), "/style.css": (b"body{color:rgb(1,2,3)}", "text/css"),
             "/script.js": (b"let fromScript='script'", "text/javascript")}
    pages |= {f"/image{i}.png": (PIXEL, "image/png") for i in range(IMAGES)}
    pages |= {f"/document{i}": (sample(100000 + i), "text/plain") for i in range(DOCUMENTS)}
    web = Web(t, pages)
    dns = FakeDns(t, {"page.test": ["127.0.0.1"]})
    pair = t.pair({"dns": {"servers": [dns.server]}})
    result = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", f"--user-data-dir={t.path('chromium')}",
         f"--proxy-server=socks5://127.0.0.1:{pair.socks_port}", "--proxy-bypass-list=<-loopback>",
         "--virtual-time-budget=20000", "--timeout=40000", "--dump-dom",
         f"http://page.test:{web.port}/"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90 * harness.SLOW)
    total = sum(100000 + i for i in range(DOCUMENTS))
    wanted = f"<title>script {IMAGES} rgb(1, 2, 3) {total}</title>"
    t.check(wanted.encode() in result.stdout,
            f"no {wanted} in {result.stdout[-1500:]!r}\n{result.stderr[-1500:].decode()}")
    t.check(set(pages) <= set(web.requests), f"requests: {web.requests}")


if __name__ == "__main__":
    harness.main(globals())
