#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No circle between source files: a file depends on another when its object names a symbol
that the other's object defines. Prints TAP."""
import glob
import os
import shlex
import subprocess
import sys
import tempfile

BUILD = os.environ.get("TOP_BUILDDIR", ".")
SOURCE = os.environ.get("TOP_SRCDIR", ".")


def symbols(paths):
    """{path: (what the object defines, what it needs)}."""
    found = {path: (set(), set()) for path in paths}
    command = shlex.split(os.environ.get("NM", "nm")) + ["-P", "-g", "-A"]
    lines = subprocess.run(command + list(paths), capture_output=True, text=True,
                           check=True).stdout
    for line in lines.splitlines():
        path, rest = line.split(": ", 1)
        name, kind = rest.split()[:2]
        if kind == "U":
            found[path][1].add(name)
        elif kind not in "wWvV":
            found[path][0].add(name)
    return found


def edges(objects):
    """{file: {file that it depends on: its symbols}} of {file: object}."""
    read = symbols(objects.values())
    found = {name: read[path] for name, path in objects.items()}
    owner = {symbol: name for name, (defined, _) in found.items() for symbol in defined}
    graph = {name: {} for name in found}
    for name, (_, needed) in found.items():
        for symbol in sorted(needed):
            other = owner.get(symbol, name)
            if other != name:
                graph[name].setdefault(other, []).append(symbol)
    return graph


def circles(graph):
    """The sets of files that each depend on all of their set (Tarjan, 1972)."""
    number, low, stack, found = {}, {}, [], []

    def visit(name):
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in graph[name]:
            if other not in number:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == number[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


def describe(graph, circle):
    return [f"{name} -> {other} ({', '.join(graph[name][other])})"
            for name in circle for other in sorted(graph[name]) if other in circle]


def report(number, name, offences):
    print(f"{'not ok' if offences else 'ok'} {number} - {name}")
    for line in offences:
        print(f"# {line}")
    return not offences


def sample(sources):
    """The circles of a tree of these sources."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as folder:
        objects = {}
        for name, text in sources.items():
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            objects[name] = path[:-1] + "o"
            subprocess.run(compiler + ["-c", "-o", objects[name], path], check=True)
        return circles(edges(objects))


def main():
    sys.setrecursionlimit(10000)
    top = "int a(void); int b(void); int c(void); "
    chain = {"a.c": top + "int a(void) { return b() + c(); }",
             "b.c": top + "int b(void) { return c(); }",
             "c.c": top + "int c(void) { return 1; }"}
    closed = dict(chain, **{"c.c": top + "int c(void) { return b(); }"})
    sources = glob.glob(os.path.join(SOURCE, "src/**/*.c"), recursive=True)
    objects = {}
    for path in sources:
        name = os.path.relpath(path, SOURCE)
        objects[name] = os.path.join(BUILD, name[:-1] + "o")
    missing = [f"{name} has not been built" for name, path in sorted(objects.items())
               if not os.path.exists(path)]
    print("1..4")
    good = report(1, "files in order pass", [str(c) for c in sample(chain)])
    found = sample(closed)
    good &= report(2, "a circle is found with its files",
                   [] if found == [["b.c", "c.c"]] else [f"found {found}"])
    good &= report(3, "every source file has its object",
                   missing or ([] if objects else ["there are no sources"]))
    if missing or not objects:
        return report(4, "no circle between source files", ["objects are missing"])
    graph = edges(objects)
    return report(4, "no circle between source files",
                  [line for circle in circles(graph) for line in describe(graph, circle)]) \
        and good


sys.exit(0 if main() else 1)
