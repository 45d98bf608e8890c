#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every relative link and picture of a Markdown page leads to a file, and every anchor to a heading.

usage: links.py [ROOT]"""
import os
import re
import sys

import tree

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
PICTURE = re.compile(r"<(?:img|source|a)\b[^>]*?\b(?:src|srcset|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)


def anchors(page):
    """As the usual renderers make them: lower case, punctuation gone, spaces to hyphens."""
    got = set()
    for h in HEADING.findall(FENCE.sub("", page)):
        h = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", h)
        got.add(re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-"))
    return got


def fault(top, page, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    name = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if not os.path.exists(os.path.join(top, name)):
        return f"{target} leads nowhere"
    if anchor and name.endswith(".md") and anchor not in anchors(tree.text(top, name)):
        return f"{target}: no such heading in {name}"
    return None


def main():
    top = tree.root(sys.argv)
    found, links = [], 0
    for page in (n for n in tree.files(top) if n.endswith(".md")):
        content = FENCE.sub(lambda m: "\n" * m.group().count("\n"), tree.text(top, page))
        for m in list(LINK.finditer(content)) + list(PICTURE.finditer(content)):
            links += 1
            why = fault(top, page, m.group(1))
            if why:
                found.append(f"{page}:{content.count(chr(10), 0, m.start()) + 1}: {why}")
    tree.finish("links", found, links, "links")


if __name__ == "__main__":
    main()
