#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What client-r/tools/shared.list names is what the R package needs of the shared C: each source that meson builds the
libraries from, each header these include, and nothing more. R's own sources are those that meson compiles strictly.

usage: vendored.py [ROOT]"""
import os
import re
import subprocess
import sys

import includes
import tree

# The libraries: where they are defined, and which of the sources named there belong to them.
DEFINED = [
    ("proto/meson.build", r".*"),
    ("broker/core/meson.build", r".*"),
    ("broker/io/meson.build", r".*"),
    ("client-c/src/meson.build", r".*"),
    ("worker/meson.build", r"supervise/.*"),
]
NOT_FOR_R = {"proto/base/assert.c"}  # R ends a false claim its own way
STRICT = "tests/r/meson.build"


def compiled(top, path, pattern):
    names = re.findall(r"'([^']+\.c)'", tree.text(top, path))
    return {os.path.normpath(os.path.join(os.path.dirname(path), n)) for n in names if re.fullmatch(pattern, n)}


def included(top, source):
    for kind, name in includes.INCLUDE.findall(tree.text(top, source)):
        target = includes.resolve(top, source, name) if kind == '"' else None
        if target:
            yield target


def reached(top, sources):
    """All headers that the sources include, and those these include."""
    seen, todo = set(), list(sources)
    while todo:
        for target in included(top, todo.pop()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def shared(top):
    script = os.path.join(top, "client-r/tools/vendor.sh")
    return set(subprocess.run(["sh", script, "--list"], capture_output=True, text=True, check=True).stdout.split())


def differences(named, needed, own_headers):
    for name in sorted(needed - named):
        yield f"{name}: needed by the R package, but client-r/tools/shared.list does not name it"
    for name in sorted(named - needed):
        kind = "no file of the R package includes it" if name in own_headers else "no library is built from it"
        yield f"{name}: named by client-r/tools/shared.list, but {kind}"


def main():
    top = tree.root(sys.argv)
    own = {n for n in tree.files(top) if re.fullmatch(r"client-r/src/\w+\.c", n)}
    sources = set().union(*(compiled(top, *d) for d in DEFINED)) - NOT_FOR_R
    headers = {h for h in reached(top, sources | own) if not h.startswith("client-r/")}
    named = shared(top)
    found = list(differences(named, sources | headers, {n for n in named if n.endswith(".h")}))
    strict = {os.path.normpath(n) for n in compiled(top, STRICT, r".*")}
    found += [f"{n}: {STRICT} does not compile it" for n in sorted(own - strict)]
    tree.finish("vendored", found, len(named), "shared files")


if __name__ == "__main__":
    main()
