#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One version everywhere: what meson.build says, the headers, the schema, the pages and the programs say too.

usage: versions.py [ROOT [PROGRAM...]]      each PROGRAM is asked with --version"""
import re
import subprocess
import sys

import tree

NUMBER = r"(\d+\.\d+\.\d+(?:\.\d+)?)"
# Any file: our name and a version right after it.
NAMED = re.compile(r"(?<![\w-])(?:lib)?crossdock(?:-broker|-worker)?[ /_-]v?" + NUMBER)
# Places that say it without the name; a file that does not exist yet says nothing.
PLACES = [
    ("client-c/include/crossdock.h", r"/\* \"" + NUMBER + r"\""),
    ("client-r/DESCRIPTION", r"^Version: " + NUMBER),
    ("client-r/NEWS.md", r"\A# crossdock " + NUMBER),
]


def project_version(top):
    return re.search(r"^\s*version: '([^']+)'", tree.text(top, "meson.build"), re.M).group(1)


def said_in_files(top):
    files = tree.files(top)
    for name in files:
        for m in NAMED.finditer(tree.text(top, name) or ""):
            yield name, m.group(1)
    for name, pattern in PLACES:
        if name in files:
            m = re.search(pattern, tree.text(top, name), re.M)
            yield name, m.group(1) if m else "nothing where a version is expected"


def said_by_programs(programs):
    for program in programs:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20)
        m = re.search(NUMBER, done.stdout)
        yield program + " --version", m.group(1) if m and done.returncode == 0 else "no version"


def main():
    top = tree.root(sys.argv)
    version = project_version(top)
    said = [*said_in_files(top), *said_by_programs(sys.argv[2:])]
    found = [f"{where}: {what}, but meson.build says {version}" for where, what in said if what != version]
    tree.finish("versions", found, len(said), "places")


if __name__ == "__main__":
    main()
