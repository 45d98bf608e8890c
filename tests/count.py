#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what one `meson test` run says, from its testlog.json.

usage: count.py TESTLOG.json      prints "PASSED FAILED SKIPPED", then the end of what each test said that did not pass

Where an executable closes with a count of its own (Criterion's synthesis, or "N passed, N failed"), that count is
taken; else it is one test. An executable that failed counts as at least one failure, whatever it said."""
import json
import re
import sys

CRITERION = re.compile(r"Synthesis: Tested: \D*(\d+)\D*Passing: \D*(\d+)\D*Failing: \D*(\d+)\D*Crashing: \D*(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINES_SHOWN = 60
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def count_of(test):
    """(passed, failed, skipped) of one executable."""
    said = COLOUR.sub("", (test.get("stdout") or "") + "\n" + (test.get("stderr") or ""))
    if test["result"] == "SKIP":
        return 0, 0, 1
    passed = failed = skipped = 0
    for m in CRITERION.finditer(said):
        passed += int(m.group(2))
        failed += int(m.group(3)) + int(m.group(4))
    for m in PLAIN.finditer(said):
        passed += int(m.group(1))
        failed += int(m.group(2))
        skipped += int(m.group(3) or 0)
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return (passed, failed, skipped) if passed or failed else (1, 0, skipped)
    return passed, max(failed, 1), skipped


def said_last(test):
    """Its last lines: one for a skipped test, more for one that failed."""
    said = COLOUR.sub("", (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")).strip().splitlines()
    return said[-1:] if test["result"] == "SKIP" else said[-LINES_SHOWN:]


def main():
    total, notes = [0, 0, 0], []
    with open(sys.argv[1], encoding="utf-8") as f:
        for line in f:
            test = json.loads(line)
            total = [a + b for a, b in zip(total, count_of(test))]
            if test["result"] not in ("OK", "EXPECTEDFAIL"):
                notes += [f"{test['result'].lower()}: {test['name']}", *(f"  | {line}" for line in said_last(test))]
    print(*total)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
