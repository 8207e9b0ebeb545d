#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The documents for maintainers name things that exist in the tree: paths, functions, constants with
their values, and tests. TUNING.md has every constant of the engine. Prints TAP."""
import os
import re
import sys

TOP = os.environ.get("TOP_SRCDIR", ".")
NAMES = ("ARCHITECTURE", "HACKING", "TUNING")
ENGINE = ("src/engine", "include/splitsocks/engine")
UNITS = {
    "ns": 1, "ms": 10**6, "s": 10**9, "KiB": 1024, "MiB": 1024**2,
}
LICENCE = "SPDX-License-Identifier: MIT"
PLACEHOLDER = r"(^|[/_])(X|ROOM|TARGET)([/.]|$)"
MACROS = {"NS_PER_MS": "1000000", "NS_PER_S": "1000000000"}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def files(folder, *endings):
    found = []
    for path, _, names in os.walk(os.path.join(TOP, folder)):
        found += [os.path.relpath(os.path.join(path, name), TOP)
                  for name in names if name.endswith(endings)]
    return sorted(found)


class Tree:
    """The paths and names that the sources define."""

    def __init__(self):
        self.functions = set()
        self.constants = {}  # name: {(file, text of the value)}
        self.tests = set()
        for path in files("src", ".c", ".h") + files("include", ".h"):
            self.take(path, read(path))
        for path in files("test", ".c", ".h"):
            self.take_functions(read(path))
        for path in files("test/unit", ".c"):
            self.tests |= set(re.findall(r"\bvoid (test_\w+)\(", read(path)))
        for path in files("test/sim", ".c"):
            self.tests |= set(re.findall(r'^    \{"([\w-]+)", \w+\},', read(path), re.M))

    def take_functions(self, text):
        self.functions |= set(re.findall(r"^[a-z][^;={}()\n]*?\b(\w+)\(", text, re.M))

    def take(self, path, text):
        self.take_functions(text)
        text = text.replace("\\\n", " ")
        for name, value in re.findall(r"^#define ([A-Z]\w*)[ \t]+(.+)$", text, re.M):
            value = re.sub(r"/\*.*?(\*/|$)", "", value).strip()
            self.constants.setdefault(name, set()).add((path, value))

    def number(self, text, depth=0):
        """The value of a constant's text, or None."""
        def replace(match):
            name = match.group(0)
            if name in MACROS:
                return MACROS[name]
            known = self.constants.get(name)
            value = self.number(next(iter(known))[1], depth + 1) if known else None
            return "x" if value is None else repr(value)

        if depth > 5:
            return None
        text = re.sub(r"UINT64_C\((\d+)\)", r"\1", text)
        text = re.sub(r"\b(\d+)u\b", r"\1", text)
        text = re.sub(r"\b[A-Z]\w+", replace, text)
        if not re.fullmatch(r"[\d.()*/+<\- ]+", text):
            return None
        return eval(text.replace("/", "//"), {})  # digits and operators alone


def constants_told(text):
    """(name, value in base units or None) of each row of a table."""
    for name, value, unit in re.findall(
            r"^\| `([A-Z]\w+)` \| ([^|]+?) \| ([^|]*?) \|", text, re.M):
        number = None if value == "-" else float(value)
        yield name, number if number is None else number * UNITS.get(unit, 1)


def check_paths(text):
    roots = "src|include|test|doc|contrib|config|\\.ci"
    named = set(re.findall(rf"`((?:{roots})/[\w./@-]*)`", text))
    named |= {os.path.normpath("doc/" + link)
              for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text)}
    if not os.path.exists(os.path.join(TOP, ".git")):
        # An archive leaves out the files whose names begin with a dot.
        named = {path for path in named if not path.startswith(".")}
    return [path for path in sorted(named) if not re.search(PLACEHOLDER, path)
            and not os.path.exists(os.path.join(TOP, path))]


def check_functions(tree, text):
    named = set(re.findall(r"`(\w+)\(\)`", text))
    return sorted(named - tree.functions - tree.tests)


def check_values(tree, text):
    wrong = []
    for name, told in constants_told(text):
        values = [tree.number(value) for _, value in tree.constants.get(name, ())]
        if not values:
            wrong.append(f"{name} is not defined")
        elif told is not None and not any(v is not None and abs(v - told) < 1e-6 for v in values):
            wrong.append(f"{name} is {values} in the sources, not {told:g}")
    return wrong


def check_complete(tree, text):
    told = set(constants_told(text))
    missing = []
    for name, places in tree.constants.items():
        for path, value in places:
            number = tree.number(value)
            known = (name, None) in told or any(
                number is not None and n == name and abs(v - number) < 1e-6
                for n, v in told if v is not None)
            if path.startswith(ENGINE) and not known:
                missing.append(f"{name} of {path}")
    return sorted(missing)


def check_guards(tree, text):
    last_cells = re.findall(r"^\|.*\| ([^|]+) \|$", text, re.M)
    named = {name for cell in last_cells for name in re.findall(r"`([\w-]+)`", cell)}
    return sorted(named - tree.tests)


def check_licence():
    """Files of these kinds that do not name their licence in their first lines."""
    sources = []
    for folder in ("src", "include", "test"):
        sources += files(folder, ".c", ".h", ".py", ".sh", ".mk")
    return [path for path in sources if LICENCE not in "".join(read(path).splitlines()[:2])]


def main():
    tree = Tree()
    texts = {name: read(f"doc/{name}.md") for name in NAMES}
    results = []
    for name, text in texts.items():
        results.append((f"every path that {name}.md names exists", check_paths(text)))
        results.append((f"every function that {name}.md names exists",
                        check_functions(tree, text)))
    tuning = texts["TUNING"]
    results.append(("every constant of TUNING.md has that value", check_values(tree, tuning)))
    results.append(("TUNING.md has every constant of the engine",
                    check_complete(tree, tuning)))
    results.append(("every guard in TUNING.md exists", check_guards(tree, tuning)))
    results.append(("each source file names its licence", check_licence()))
    print(f"1..{len(results)}")
    for index, (name, offences) in enumerate(results, 1):
        print(f"{'not ' if offences else ''}ok {index} - {name}")
        for offence in offences:
            print(f"# {offence}")
    return any(offences for _, offences in results)


if __name__ == "__main__":
    sys.exit(main())
