# SPDX-License-Identifier: MIT
"""Runs the test functions of a script, and prints TAP."""
import os
import signal
import sys
import traceback

from basics import SLOW, SPLITSOCKS, Failure, Skip, full
from context import Test


def _run_one(number, name, function):
    test = Test(name)
    error = None
    try:
        function(test)
    except Skip as reason:
        test.finish()
        test.remove()
        print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        return
    except Failure as failure:
        where = traceback.extract_tb(failure.__traceback__)
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in where]
        error = f"{failure}\n({' '.join(lines)})"
    except BaseException:
        error = traceback.format_exc()
    complaints = test.finish()
    if complaints:
        error = "\n".join(([error] if error else []) + complaints)
    if error:
        test.note(error)
        test.logs()
    test.remove()
    print(f"{'not ok' if error else 'ok'} {number} - {name}", flush=True)


def _watchdog(seconds):
    """The bound on a whole script: its children die with it."""
    def expired(_signal, _frame):
        raise Failure(f"the script took longer than {seconds} s")
    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)


def main(names, seconds=None):
    """Runs every test_* function of a script and prints TAP."""
    tests = [(name[len("test_"):], value) for name, value in names.items()
             if name.startswith("test_") and callable(value)]
    if len(sys.argv) > 1:
        tests = [(n, f) for n, f in tests if any(word in n for word in sys.argv[1:])]
    print(f"1..{len(tests)}", flush=True)
    if not os.path.exists(SPLITSOCKS):
        print(f"Bail out! there is no {SPLITSOCKS}")
        sys.exit(1)
    for number, (name, function) in enumerate(tests, 1):
        _watchdog((seconds or full(120, 900)) * SLOW)
        _run_one(number, name.replace("_", " "), function)
        signal.alarm(0)
