#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a library exports is what its .syms file lists, and that is what its public headers declare.

usage: symbols.py ROOT [LIBRARY.so ...]      without libraries only the lists and the headers are compared"""
import os
import re
import subprocess
import sys

import tree

BASE = [f"proto/base/{n}.h" for n in ("bytes", "err", "id", "link", "task")]
# Library -> the public headers that declare it.
LIBRARIES = {
    "libcrossdock": ["client-c/include/crossdock.h", "client-c/include/crossdock_codec.h",
                     "client-c/include/crossdock_worker.h", "client-c/include/crossdock_agent.h", *BASE],
    "libcrossdock-broker": ["broker/include/crossdock_broker.h"],
}  # fmt: skip
SYMS = {"libcrossdock": "client-c/src/crossdock.syms", "libcrossdock-broker": "broker/io/crossdock-broker.syms"}
# Declared for others to define.
NOT_OURS = {"crossdock_module"}


def declared(header):
    """Names of the functions a header declares (inline ones and function types are not exported)."""
    code = re.sub(r"/\*.*?\*/", " ", header, flags=re.S)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", code, flags=re.M)
    code = re.sub(r'extern\s+"C"\s*\{', "", code)
    while re.search(r"\{[^{}]*\}", code):  # bodies of structs, enums and inline functions
        code = re.sub(r"\{[^{}]*\}", " @ ", code)
    names = set()
    for statement in re.split(r";|(?<=\))\s*@", code):
        if re.search(r"\b(typedef|static)\b", statement):
            continue
        m = re.search(r"\b(xdb?_\w+|crossdock_\w+)\s*\(", statement)
        if m:
            names.add(m.group(1))
    return names - NOT_OURS


def listed(syms):
    """Names of a list, or of the global part of a linker version script."""
    body = re.sub(r"/\*.*?\*/|#[^\n]*", " ", syms, flags=re.S)
    return set(re.findall(r"\b(?:xd\w*_\w+|crossdock_\w+)\b(?!\s*\{)", body))


def exported(library):
    done = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    # A: the version's own name; sanitizers and coverage add names that begin with two underscores.
    return {r[0].split("@")[0] for r in rows if r[1] != "A" and not r[0].startswith("_")}


def compare(left, a, right, b):
    for name in sorted(a - b):
        yield f"{name}: {left}, but not {right}"
    for name in sorted(b - a):
        yield f"{name}: {right}, but not {left}"


def faults_of(top, library, built):
    want = set().union(*(declared(tree.text(top, h)) for h in LIBRARIES[library]))
    path = SYMS[library]
    if not os.path.isfile(os.path.join(top, path)):
        yield f"{path} is missing"
        return
    names = listed(tree.text(top, path))
    yield from compare(f"in {path}", names, f"declared in the public headers of {library}", want)
    for so in (s for s in built if os.path.basename(s).split(".")[0] == library):
        yield from compare(f"exported by {os.path.basename(so)}", exported(so), f"in {path}", names)


def main():
    top, built = tree.root(sys.argv), sys.argv[2:]
    found = [f for library in LIBRARIES for f in faults_of(top, library, built)]
    tree.finish("symbols", found, len(LIBRARIES) + len(built), "lists and libraries")


if __name__ == "__main__":
    main()
