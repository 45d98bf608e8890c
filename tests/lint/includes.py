#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads every #include line and fails on an arrow between folders that is not in the table.

usage: includes.py [ROOT]

The table is DESIGN.md's "Arrows": a source in the zone on the left may include a header of the zones on the right
and of its own. A new line here is a decision about the design, to be made there first."""
import os
import re
import sys

import tree

# Zone of a path: the first prefix that fits.
ZONES = [
    ("proto/gen/", "gen"),
    ("proto/wire/", "wire"),
    ("proto/base/", "base"),
    ("broker/core/", "core"),
    ("broker/io/", "io"),
    ("broker/include/", "broker-public"),
    ("broker/", "broker-program"),
    ("client-c/include/", "client-public"),
    ("client-c/src/", "client"),
    ("client-c/cli/", "cli"),
    ("client-c/examples/", "examples"),
    ("worker/include/", "worker-public"),
    ("worker/supervise/", "supervise"),
    ("worker/", "worker-program"),
    ("client-r/", "r"),
    ("tests/", "tests"),
]

# "base-public" are the headers of proto/base that are installed: all that users of the libraries may see of it.
BASE_PUBLIC = {f"proto/base/{n}.h" for n in ("bytes", "err", "id", "link", "task")}
# "base-inline": not installed, but they need no code either. The R package has copies, also beside an installed library.
BASE_INLINE = {f"proto/base/{n}.h" for n in ("assert", "list")}

ARROWS = {
    "base": set(),
    "gen": set(),
    "wire": {"base"},  # and gen: the packing and unpacking files only, below
    "core": {"base"},
    "broker-public": {"base-public"},
    "io": {"core", "wire", "base", "broker-public"},
    "broker-program": {"io", "broker-public", "wire", "base"},
    "client-public": {"base-public"},
    "client": {"client-public", "wire", "base"},
    "cli": {"client-public", "base-public", "wire"},  # keys.h
    "examples": {"client-public", "broker-public", "worker-public", "base-public"},
    "worker-public": {"base-public"},
    "supervise": {"worker-public", "base"},
    "worker-program": {"supervise", "worker-public", "client-public", "base"},
    "r": {"client-public", "broker-public", "worker-public", "base-public", "base-inline"},
}

# Who may include what of the system: a pattern of headers, and the files that may have them.
SYSTEM = [
    (r"zmq\.h", r"proto/wire/(zmq|keys)\.c|broker/io/.*|client-c/src/link\w*\.[ch]|tests/.*", "libzmq stays at the edge"),
    (r"czmq\.h|czmq_.*", r"broker/\w+\.[ch]|worker/\w+\.[ch]|tests/.*", "CZMQ is for programs: it takes over signals"),
    (r".*\.pb-c\.h|protobuf-c/.*", r"proto/gen/.*|proto/wire/(un)?pack\w*\.[ch]|tests/.*", "protobuf is known in two files"),
    (r"jansson\.h", r"client-c/cli/.*|tests/.*", "only the command line reads JSON"),
    (r"sqlite3\.h", r"client-c/examples/.*|tests/.*", "only the example knows SQLite"),
    (r"argp\.h", r"broker/\w+\.c|worker/\w+\.c|client-c/cli/.*|client-c/examples/.*|tests/.*", "only programs have command lines"),
    (
        r"time\.h|sys/(time|timerfd|socket|random|epoll|eventfd|un)\.h|unistd\.h|pthread\.h|poll\.h|syslog\.h|signal\.h",
        r"(?!broker/core/).*",
        "the core reads no clock, socket, random source or environment",
    ),
]

# Where a quoted name is looked for, after the folder of the file itself.
ROOTS = [
    "proto", "proto/gen", "broker", "broker/include", "client-c/include", "client-c/src", "worker", "worker/include",
    "tests", "tests/support", "",
]  # fmt: skip

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def zone(path):
    return next((z for prefix, z in ZONES if path.startswith(prefix)), None)


def resolve(top, source, name):
    for folder in [os.path.dirname(source), *ROOTS]:
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(top, path)):
            return path
    return None


def system_fault(source, name):
    for header, allowed, why in SYSTEM:
        if re.fullmatch(header, name) and not re.fullmatch(allowed, source):
            return f"<{name}> may not be included here: {why}"
    return None


def own_fault(source, target):
    a, b = zone(source), zone(target)
    if a is None or a == "tests" or a == b:
        return None
    part = {**dict.fromkeys(BASE_PUBLIC, "base-public"), **dict.fromkeys(BASE_INLINE, "base-inline")}
    if b == "gen":
        ok = re.fullmatch(r"proto/wire/(un)?pack\w*\.[ch]", source)
    else:
        ok = b in ARROWS[a] or part.get(target) in ARROWS[a]
    return None if ok else f"new arrow {a} -> {b} ({target})"


def faults_of(top, source):
    for m in INCLUDE.finditer(tree.text(top, source) or ""):
        kind, name = m.groups()
        line = (tree.text(top, source) or "").count("\n", 0, m.start()) + 1
        target = resolve(top, source, name) if kind == '"' else None
        if kind == '"' and target is None and zone(source) != "tests":
            yield f"{source}:{line}: \"{name}\" is not in the tree"
            continue
        why = system_fault(source, name) or (target and own_fault(source, target))
        if why:
            yield f"{source}:{line}: {why}"


def main():
    top = tree.root(sys.argv)
    sources = [n for n in tree.files(top) if n.endswith((".c", ".h"))]
    found = [f for s in sources for f in faults_of(top, s)]
    tree.finish("includes", found, len(sources), "files")


if __name__ == "__main__":
    main()
