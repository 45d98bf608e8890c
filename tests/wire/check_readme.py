#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the protocol page with the code: hex examples, kinds, error codes, limits.

usage: check_readme.py PROTO-FOLDER GOLDEN-FOLDER [--fill]   (--fill writes the hex examples into the page)
"""
import pathlib
import re
import sys

proto, golden = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
page_path = proto / "README.md"
page = page_path.read_text(encoding="utf-8")
problems = []


def example(name):
    """The golden file without its title."""
    return (golden / f"{name}.hex").read_text().split("\n", 1)[1].strip()


def check_examples():
    blocks = re.findall(r"```hex (\w+)\n(.*?)```", page, re.S)
    for name, text in blocks:
        if text.strip() != example(name):
            problems.append(f"the example {name} is not that of golden/{name}.hex")
    if len(blocks) < 6:
        problems.append("the page has lost its hex examples")


def check_kinds():
    header = (proto / "wire/msg.h").read_text()
    for name, number in re.findall(r"X\(([A-Z_]+), (\d+)\)", header):
        if f"| {number} | {name} |" not in page:
            problems.append(f"kind {number} {name} is not in the table of kinds")
        if not (golden / f"{name.lower()}.hex").exists():
            problems.append(f"kind {name} has no golden file")


def check_errors():
    header = (proto / "base/err.h").read_text()
    rows = re.findall(r'X\(XD_\w+, (\d+), "(\w+)", "([^"]+)"\)', header)
    for number, name, text in rows:
        if f"| {number} | {name} | {text} |" not in page:
            problems.append(f"error {number} {name} is not in the table of errors")
    if len(rows) < 17:
        problems.append("base/err.h is not understood by this test")


def amount(text):
    """The first number of a limit's value: '1 MiB + 64 KiB' and '1,024' included."""
    unit = {"MiB": 1 << 20, "KiB": 1 << 10}
    parts = re.findall(r"([\d,]+)(?: (MiB|KiB))?", text)
    return sum(int(n.replace(",", "")) * unit.get(u, 1) for n, u in parts)


def check_limits():
    header = (proto / "wire/limits.h").read_text()
    header = re.sub(r"/\*.*?\*/", "", header.replace("\\\n", ""), flags=re.S)
    values = {}
    for name, value in re.findall(r"#define (XD_\w+)[ \t]+(\S[^\n]*)", header):
        value = re.sub(r"\(size_t\)|(?<=\d)u\b", "", value)
        values[name] = eval(value, {}, values)
        if f"`{name}`" not in page:
            problems.append(f"limit {name} is not in the table of limits")
    for value, name in re.findall(r"\| ([^|]+) \| `(XD_\w+)` \|", page):
        if not name.endswith("_MS") and amount(value) != values[name]:
            problems.append(f"limit {name} is {values[name]}, the page says {value}")


if "--fill" in sys.argv:
    def block(match):
        return f"```hex {match[1]}\n{example(match[1])}\n```"
    page = re.sub(r"^@(\w+)@$", block, page, flags=re.M)
    page = re.sub(r"```hex (\w+)\n.*?```", block, page, flags=re.S)
    page_path.write_text(page, encoding="utf-8")

check_examples()
check_kinds()
check_errors()
check_limits()
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
