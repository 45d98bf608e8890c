#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's example tells the truth: its two C files compile as they stand there, its commands run, and they print
what the page says.

usage: readme.py ROOT BUILD"""
import os
import re
import subprocess
import sys
import tempfile

import tree

C_FILE = re.compile(r"^`(\w+\.c)`[^\n]*\n\n```c\n(.*?)^```$", re.M | re.S)
COMMANDS = re.compile(r"^```sh\n(.*?)^```\n\n```\n(.*?)^```$", re.M | re.S)
DEADLINE_S = 60


def script(commands):
    """The page's commands, stopped at the first failure; what is left in the background is ended, and a broker is waited
    for, as a person would."""
    lines = ["set -eu", "trap 'left=$(jobs -p); [ -z \"$left\" ] || kill $left; wait' EXIT"]
    for n, line in enumerate(commands.splitlines()):
        if not line.endswith(" &"):
            lines.append(line)
            continue
        lines.append(f"{line[:-2]} >background-{n}.log 2>&1 &")
        if line.startswith("crossdock serve"):
            lines.append(f"until grep -q '^ready ' background-{n}.log; do sleep 0.05; done")
    return "\n".join(lines)


def installed(build, work):
    """The environment of somebody who has installed this build."""
    stage = os.path.join(work, "stage")
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", stage], check=True, stdout=subprocess.DEVNULL
    )
    env = dict(os.environ, XDG_RUNTIME_DIR=work, PKG_CONFIG_SYSROOT_DIR=stage)
    env.pop("CROSSDOCK_URL", None)
    for folder, _, files in os.walk(stage):
        if "crossdock" in files and os.path.basename(folder) == "bin":
            env["PATH"] = os.pathsep.join([folder, env["PATH"]])
        if "crossdock.pc" in files:
            env["PKG_CONFIG_PATH"] = folder
            env["LD_LIBRARY_PATH"] = os.pathsep.join([os.path.dirname(folder), env.get("LD_LIBRARY_PATH", "")])
    return env


def main():
    page = tree.text(sys.argv[1], "README.md")
    sources, runs = C_FILE.findall(page), COMMANDS.findall(page)
    found = []
    with tempfile.TemporaryDirectory() as work:
        for name, code in sources:
            with open(os.path.join(work, name), "w", encoding="utf-8") as f:
                f.write(code)
        for commands, expected in runs:
            done = subprocess.run(
                ["bash", "-c", script(commands)], cwd=work, env=installed(sys.argv[2], work),
                capture_output=True, text=True, check=False, timeout=DEADLINE_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if done.returncode != 0 or done.stdout != expected:
                found.append(f"README.md: exit {done.returncode}, printed:\n{done.stdout}{done.stderr}instead of:\n{expected}")
                for log in sorted(n for n in os.listdir(work) if n.endswith(".log")):
                    found.append(f"{log}:\n" + tree.text(work, log))
    tree.finish("readme", found, min(len(sources), len(runs)), "examples")


if __name__ == "__main__":
    main()
