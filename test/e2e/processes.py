# SPDX-License-Identifier: MIT
"""The processes that tests start: any, tools with a control socket, daemons, socksload."""
import contextlib
import ctypes
import glob
import json
import os
import re
import signal
import socket
import subprocess
import time

from basics import SLOW, SPLITSOCKS, Failure, tool, wait_until


def die_with_parent():
    """To run in a child before its program: the kernel kills it when this process ends."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child that dies with us. Its output goes to files, so that it never blocks."""

    def __init__(self, directory, name, command, netns=None, stdin=subprocess.DEVNULL, env=None):
        self.name = name
        self.out_path = os.path.join(directory, f"{name}.out")
        self.err_path = os.path.join(directory, f"{name}.err")
        if netns is not None:
            command = netns.enter(command)
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err,
                                          preexec_fn=die_with_parent,
                                          env={**os.environ, "STATE_DIRECTORY": "",
                                               "XDG_STATE_HOME": directory, **(env or {})})
        self.pid = self.popen.pid

    def output(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def _threads_that_write(self):
        """The states of the threads that write the standard streams of a splitsocks
        (OUTLET_THREAD_NAME): "S" is asleep."""
        states = []
        for task in glob.glob(f"/proc/{self.pid}/task/*/stat"):
            with contextlib.suppress(OSError), open(task, errors="replace") as f:
                name, _, rest = f.read().partition("(")[2].rpartition(")")
                if name == "output":
                    states.append(rest.split()[0])
        return states

    def log(self):
        """All that the process has logged so far. A thread of its own writes the log, so what the
        process has just done need not be in the file yet: the thread is asleep when it is."""
        deadline = time.monotonic() + SLOW
        while set(self._threads_that_write()) - {"S"} and time.monotonic() < deadline:
            time.sleep(0.001)
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def wait_output(self, pattern, seconds=15):
        """Waits for a line on either output that matches; returns the match."""
        def look():
            found = re.search(pattern, self.output() + "\n" + self.log(), re.M)
            if found is None and not self.running():
                raise Failure(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
            return found
        return wait_until(look, seconds, f"'{pattern}' from {self.name}")

    def wait(self, seconds=30):
        """The exit status."""
        try:
            return self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {seconds * SLOW} s") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def status(self, key):
        """A number from /proc/PID/status, e.g. VmRSS (KiB) or voluntary_ctxt_switches."""
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M).group(1))

    def rss_kib(self):
        return self.status("VmRSS")

    def peak_kib(self):
        return self.status("VmHWM")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_nanoseconds(self):
        """Of all threads that live."""
        total = 0
        for task in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            with open(task) as f:
                total += int(f.read().split()[0])
        return total

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Tool(Process):
    """One of our C programs with a control socket (control.h)."""

    def __init__(self, directory, name, program, arguments, netns=None):
        self.path = os.path.join(directory, f"{name}.ctl")
        super().__init__(directory, name, [tool(program), "--control", self.path, *arguments],
                         netns)
        self.wait_output("^ready")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rw")

    def command(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        answer = self.file.readline().strip()
        if answer.startswith("error") or not answer:
            raise Failure(f"{self.name}: {line}: {answer or 'gone'}")
        return answer

    def report(self):
        return json.loads(self.command("report"))


class Daemon(Process):
    """splitsocks local or relay."""

    def __init__(self, directory, name, role, config, netns=None, verbose=True, env=None,
                 under=()):
        """`under`: a program with its arguments that runs it."""
        self.role, self.config, self.netns = role, config, netns
        self.killed = False
        command = [*under, SPLITSOCKS, role, "-c", config] + (["-v"] if verbose else [])
        # Its control socket does not stand among those of the user who runs the tests.
        env = {"XDG_RUNTIME_DIR": directory, "RUNTIME_DIRECTORY": "", **(env or {})}
        super().__init__(directory, name, command, netns, env=env)
        self.ready_line = self.wait_output(r"^(?:.*\s)?ready\b.*$").group(0)

    def ports(self):
        """The ports that the ready line names."""
        return [int(port) for port in re.findall(r":(\d+)\b", self.ready_line)]

    def kill(self):
        self.killed = True
        super().kill()

    def stop(self, seconds=30):
        """Asks it to end; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def complaints(self):
        """Whether a sanitizer or a crash has left something; None when all is well."""
        log = self.log()
        for word in ("AddressSanitizer", "runtime error:", "ThreadSanitizer", "LeakSanitizer",
                     "Assertion", "==ERROR"):
            if word in log:
                return f"{self.name} says {word}"
        code = self.popen.poll()
        if code is not None and not self.killed and code not in (0, 1, 2):
            return f"{self.name} ended with {code}"
        return None


class Load(Process):
    """socksload, running."""

    def result(self, seconds=120, good=True):
        """Its report. Unless told otherwise, every stream must have been good."""
        self.wait(seconds)
        text = self.output().strip().splitlines()
        if not text or not text[-1].startswith("{"):
            raise Failure(f"{self.name} printed no report: {self.log()}")
        report = json.loads(text[-1])
        if good and self.popen.returncode != 0:
            raise Failure(f"{self.name}: {brief(report)}")
        return report


def brief(report):
    """A report without its long lists."""
    return {key: value for key, value in report.items() if not isinstance(value, list)}
