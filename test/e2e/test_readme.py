"""What README.md tells the user to write is accepted: its two complete configurations, and each
fragment of the table of uses put into one of them. Prints TAP."""

import json
import os
import re
import subprocess
import tempfile

SPLITSOCKS = os.environ.get("SPLITSOCKS", "./splitsocks")
README = os.path.join(os.environ.get("TOP_SRCDIR", "."), "README.md")
KEY = "A" * 43 + "="


def check(kind, config):
    """What `splitsocks check` says about `config`; None when it is content."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, kind + ".json")
        subprocess.run([SPLITSOCKS, "keygen", os.path.join(folder, kind + ".key")],
                       stdout=subprocess.DEVNULL, check=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        result = subprocess.run([SPLITSOCKS, "check", kind, path], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if result.returncode == 0 else result.stdout


def use(text, relay, local):
    """The kind and the configuration that a fragment of the table makes."""
    fragment = json.loads("{" + text + "}")
    if "users" in fragment:
        return "local", {**local, "listen": [{**local["listen"][0], **fragment}]}
    if "destinations" in fragment:
        return "relay", {**relay, **fragment}
    if "ports" in fragment or "host" in fragment:
        return "local", {**local, "relay": {**local["relay"], **fragment}}
    if "quota" in fragment:
        return "local", {**local, "paths": [{"interface": "wwan0", **fragment}]}
    return "local", {**local, **fragment}


with open(README, encoding="utf-8") as readme:
    text = readme.read()
relay, local = (json.loads(re.sub("THE KEY [^\"]*", KEY, block))
                for block in re.findall(r"```json\n(.*?)```", text, re.S))
cases = [("the relay's configuration", "relay", relay),
         ("local's configuration", "local", local)]
for row in re.findall(r"^\| (?:.*?) \| (.*) \|$", text, re.M):
    fragments = re.findall(r"`(\"[^`]*)`", row)
    if fragments:
        cases.append((fragments[0], *use(", ".join(fragments), relay, local)))

print(f"1..{len(cases) + 1}")
for number, (name, kind, config) in enumerate(cases, 1):
    complaint = check(kind, config)
    print(f"{'not ok' if complaint else 'ok'} {number} - {name}")
    if complaint:
        print("# " + complaint.replace("\n", "\n# "))
print(f"{'ok' if len(cases) > 8 else 'not ok'} {len(cases) + 1} - the table of uses was found")
