#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every text file owes: a licence line, clean ends of lines, no path of somebody's machine, no stray host.

usage: text.py [ROOT]"""
import os
import re
import sys

import tree

CODE = (".c", ".h", ".py", ".sh", ".proto", "meson.build", "meson_options.txt")
# Files that keep the form they came in: generated, data, or taken over with their own style.
AS_THEY_ARE = re.compile(r"proto/gen/|tests/fuzz/corpus/|tests/wire/golden/|LICENSE$|.*\.(svg|csv)$|tests/bench/out/")
TAKEN_OVER = re.compile(r"tests/bench/(side|net)\.h$|tests/bench/\w+_(side|floor)\.(c|R|py)$|tests/bench/\w+\.py$")
# Hosts that may stand in a link: specifications and licences. Where packages come from is the machine's business.
HOSTS = {
    "www.w3.org", "rfc.zeromq.org", "zeromq.org", "github.com", "www.rfc-editor.org", "spdx.org", "opensource.org",
    "www.sqlite.org", "sqlite.org", "protobuf.dev", "mesonbuild.com", "www.freedesktop.org", "example.org",
}  # fmt: skip
LOCAL = re.compile(r"(?<![\w./$}-])/(?:work|root|home/\w+|Users/\w+|workspace)/[\w.]")
URL = re.compile(r"\bhttps?://([^\s/:\"'<>)\]]+)")
LEFT_OVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


def is_script(name, content):
    return content.startswith("#!") or name.endswith(CODE)


def faults_of(name, content):
    lines = content.split("\n")
    if is_script(name, content) and not TAKEN_OVER.match(name):
        if not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]):
            yield 1, "no 'SPDX-License-Identifier: MIT' in the first lines"
    if content and not content.endswith("\n"):
        yield len(lines), "no end of line at the end"
    if content.endswith("\n\n"):
        yield len(lines), "an empty line at the end"
    for n, line in enumerate(lines, 1):
        if line.rstrip() != line and not name.endswith((".md", ".hex")):
            yield n, "space at the end of the line"
        if "\t" in line and name.endswith((".c", ".h", ".py", "meson.build")):
            yield n, "a tab"
        if LOCAL.search(line):
            yield n, "a path of one machine"
        if LEFT_OVER.search(line):
            yield n, "something left to do: do it, or file it"
        for host in URL.findall(line):
            if "." in host and host not in HOSTS and not re.match(r"(127\.|localhost|\[?::1)", host):
                yield n, f"the host {host} is not in the list of text.py"


def main():
    top = tree.root(sys.argv)
    found, looked_at = [], 0
    for name in tree.files(top):
        content = None if AS_THEY_ARE.match(name) else tree.text(top, name)
        if content is None:
            continue
        looked_at += 1
        found += [f"{name}:{n}: {what}" for n, what in faults_of(name, content)]
    tree.finish("text", found, looked_at, "files")


if __name__ == "__main__":
    main()
