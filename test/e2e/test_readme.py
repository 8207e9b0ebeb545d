#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""README.md is right: its configurations and the fragments of its table of uses are accepted, and
its five steps, run word by word, end with a download."""
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading

import harness

SOURCE = os.environ.get("TOP_SRCDIR", os.path.join(harness.HERE, "..", ".."))
KEY = "A" * 43 + "="


def readme():
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        return file.read()


# ---- configurations ----

def check(kind, config):
    """The complaints of `splitsocks check` about `config`; None when there are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, kind + ".json")
        subprocess.run([harness.SPLITSOCKS, "keygen", os.path.join(folder, kind + ".key")],
                       stdout=subprocess.DEVNULL, check=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        done = subprocess.run([harness.SPLITSOCKS, "check", kind, path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout


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


def test_configurations_are_accepted(t):
    text = readme()
    relay, local = (json.loads(re.sub("THE KEY [^\"]*", KEY, block))
                    for block in re.findall(r"```json\n(.*?)```", text, re.S))
    cases = [("the relay's configuration", "relay", relay),
             ("local's configuration", "local", local)]
    for row in re.findall(r"^\| (?:.*?) \| (.*) \|$", text, re.M):
        fragments = re.findall(r"`(\"[^`]*)`", row)
        if fragments:
            cases.append((fragments[0], *use(", ".join(fragments), relay, local)))
    t.check(len(cases) > 9, "the table of uses was not found")
    for name, kind, config in cases:
        t.equal(check(kind, config), None, name)


# ---- the five steps ----

# A machine with nothing of splitsocks but the program: its own /etc, /home, /run and network. `sudo`
# is what the steps need of it; they run as root where they begin with it.
MACHINE = r"""
mount -t tmpfs none /mnt && cp -a /etc/. /mnt && mount --move /mnt /etc && rm -rf /etc/splitsocks
mount -t tmpfs none /home && mount -t tmpfs none /run && mount -t tmpfs none /usr/local/bin
sed -i '/^splitsocks:/d; /^you:/d' /etc/passwd /etc/group /etc/shadow
printf 'you:x:64100:64100::/home/you:/bin/sh\n' >> /etc/passwd; printf 'you:x:64100:\n' >> /etc/group
install -d -o 64100 -m 700 /home/you
install -m 755 "$1" /usr/local/bin/splitsocks
mkdir -p /etc/sysusers.d && cp "$2"/contrib/systemd/splitsocks.conf /etc/sysusers.d
printf '127.0.0.1 localhost vps.example.net\n11.0.0.2 example.org\n' > /etc/hosts
printf 'hosts: files\npasswd: files\ngroup: files\nshadow: files\n' > /etc/nsswitch.conf
cat > /usr/local/bin/sudo <<'END'
#!/bin/sh
if [ "$1" = -u ]; then
    user=$2; shift 2
    exec setpriv --reuid="$user" --regid="$user" --clear-groups env HOME=/ "$@"
fi
exec "$@"
END
chmod 755 /usr/local/bin/sudo
ip link set lo up && echo ready && exec sleep 86400
"""


class Machine:
    """Two machines in one: "server", where the administrator types, and "you", a user."""

    def __init__(self, t):
        if os.geteuid() != 0:
            raise harness.Skip("namespaces need root")
        harness.need("setpriv", "useradd", "curl", "ip")
        self.t = t
        self.holder = t.process("machine", [harness.need("unshare"), "--mount", "--net", "sh", "-c",
                                            MACHINE, "sh", os.path.abspath(harness.SPLITSOCKS),
                                            os.path.abspath(SOURCE)])
        try:
            self.holder.wait_output("^ready")
        except harness.Failure as failure:
            raise harness.Skip(f"no machine: {failure}") from None

    def command(self, text, user):
        enter = [harness.need("nsenter"), f"--mount=/proc/{self.holder.pid}/ns/mnt",
                 f"--net=/proc/{self.holder.pid}/ns/net"]
        environment = ["env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       *[f"{k}={v}" for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")]]
        if user == "you":
            return [*enter, "setpriv", "--reuid=you", "--regid=you", "--clear-groups", *environment,
                    "HOME=/home/you", "sh", "-c", f"cd; {text}"]
        return [*enter, *environment, "HOME=/root", "sh", "-c", f"cd /; {text}"]

    def run(self, text, user, status=0):
        done = subprocess.run(self.command(text, user), text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60 * harness.SLOW)
        self.t.note(f"{user}$ {text}\n{done.stdout}{done.stderr}")
        self.t.equal(done.returncode, status, text)
        return done.stdout + done.stderr

    def write(self, path, text, user):
        self.run(f"cat > {path} <<'END'\n{text}\nEND", user)

    def start(self, text, user):
        process = self.t.process("daemon", self.command(f"exec {text}", user))
        process.wait_output("^ready")
        return process


def steps():
    """The blocks of the five steps: ("sh", lines) and ("json", text)."""
    text = readme().split("## Set it up on two machines")[1].split("\n## ")[0]
    blocks = re.findall(r"```(sh|json)\n(.*?)```", text, re.S)
    if [kind for kind, _ in blocks] != ["sh", "sh", "json", "sh", "sh", "json", "sh", "sh"]:
        raise harness.Failure("the five steps have other blocks than this test knows")
    return [(kind, block.replace("\\\n", "").splitlines() if kind == "sh" else block)
            for kind, block in blocks]


def follow(t, systemd):
    """Runs the steps. The service manager is the one thing that is not there: what it would start is
    started as the unit says."""
    machine = Machine(t)
    (_, prepare), (_, keys), (_, relay), (_, service), (_, by_hand), (_, local), (_, run_local), \
        (_, use_it) = steps()
    for line in prepare:
        command, _, otherwise = line.partition("#")
        if "systemd" in command:
            command = re.sub(r"sudo systemctl daemon-reload && ", "", command) if systemd else \
                otherwise.replace("without systemd:", "")
        machine.run(command.strip(), "server")
    public = {}
    for line in keys:
        user, command = re.match(r"(server|you)\$ +(.*)", line).groups()
        public[user] = machine.run(command, user).strip()
    machine.write("/etc/splitsocks/relay.json",
                  relay.replace("THE KEY THAT LOCAL'S KEYGEN PRINTED", public["you"]), "server")
    machine.write(".config/splitsocks/local.json",
                  local.replace("THE KEY THAT THE RELAY'S KEYGEN PRINTED", public["server"]), "you")
    said = machine.run(service[0], "server")
    t.equal(said, "/etc/splitsocks/relay.json: ok\n", "what check says")
    machine.start(unit_command() if systemd else by_hand[0], "server")
    machine.run(run_local[0], "you")
    machine.start(run_local[1], "you")
    with page(machine):
        t.check("it works" in machine.run(use_it[0].replace("https:", "http:"), "you"), "no page")
    return machine


class page:
    """http://example.org/, on another machine: the relay does not connect to its own."""

    def __init__(self, machine):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"it works\n")

            def log_message(self, *_arguments):
                pass
        here = harness.Netns.__new__(harness.Netns)
        here.path = f"/proc/{machine.holder.pid}/ns/net"
        there = machine.t.netns("world")
        machine.t.link(here, there, "11.0.0")
        with there.inside():
            self.server = http.server.HTTPServer(("11.0.0.2", 80), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_exception):
        self.server.shutdown()
        self.server.server_close()


def unit_command():
    """The command that starts the relay's unit with the user and capabilities that systemd would give."""
    with open(os.path.join(SOURCE, "contrib/systemd/splitsocks-relay.service.in")) as file:
        unit = dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.M))
    capability = unit["AmbientCapabilities"].lower().replace("cap_", "+")
    return (f"setpriv --reuid={unit['User']} --regid={unit['User']} --clear-groups --no-new-privs "
            f"--inh-caps={capability} --ambient-caps={capability} --bounding-set=-all,{capability} "
            + unit["ExecStart"].replace("@bindir@", "/usr/local/bin"))


def test_the_steps_without_systemd(t):
    """The program explains the mistake of a user who leaves a step out."""
    machine = follow(t, False)
    start = "splitsocks relay -c /etc/splitsocks/relay.json"
    said = machine.run(start, "you", 2)
    t.check("its folder belongs to the user splitsocks" in said, said)
    said = machine.run(f"sudo {start}", "server", 1)  # the key is no obstacle; the port is taken
    t.check("in use" in said, said)
    machine.run("echo 1024 > /proc/sys/net/ipv4/ip_unprivileged_port_start", "server")
    said = machine.run(f"sudo -u splitsocks {start}", "server", 1)
    for word in ("Permission denied", "CAP_NET_BIND_SERVICE", "setcap", "ip_unprivileged_port_start=443"):
        t.check(word in said, said)


def test_the_steps_with_systemd(t):
    harness.need("systemd-sysusers")
    follow(t, True)


def test_units_are_valid(t):
    verify = harness.need("systemd-analyze")
    for name, instance in (("splitsocks-relay", ""), ("splitsocks-local@", "home")):
        with open(os.path.join(SOURCE, f"contrib/systemd/{name}.service.in")) as file:
            text = file.read()
        # The manual may not be installed here.
        text = re.sub("^Documentation=.*\n", "", text, flags=re.M)
        text = text.replace("@bindir@/splitsocks", os.path.abspath(harness.SPLITSOCKS))
        path = t.write(f"{name}{instance}.service", text)
        done = subprocess.run([verify, "verify", path], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, "TERM": "dumb"})
        said = "\n".join(line for line in done.stdout.splitlines() if name in line)
        t.equal(said, "", f"what systemd-analyze says of {name}")


if __name__ == "__main__":
    harness.main(globals())
