# SPDX-License-Identifier: MIT
"""The files of the tree, for every lint: what git knows and has not been told to ignore, else all of them."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def root(argv):
    """The tree to look at: the first argument, or the one this file lies in."""
    return os.path.abspath(argv[1] if len(argv) > 1 else os.path.join(HERE, "..", ".."))


def files(top):
    """Paths relative to `top`, sorted."""
    ask = ["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(ask, capture_output=True, check=False)
    if done.returncode == 0 and os.path.exists(os.path.join(top, ".git")):
        names = set(done.stdout.decode().split("\0")) - {""}
    else:
        names = set()
        for folder, below, here in os.walk(top):
            below[:] = [b for b in below if b not in (".git", "__pycache__") and not b.startswith("build")]
            if os.path.relpath(folder, top) == "client-r/src":  # copies and objects, see client-r/tools/vendor.sh
                below.clear()
            names.update(os.path.relpath(os.path.join(folder, h), top) for h in here)
    return sorted(n for n in names if os.path.isfile(os.path.join(top, n)))


def text(top, name):
    """The content, or None when it is not text."""
    with open(os.path.join(top, name), "rb") as f:
        raw = f.read()
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def finish(lint, found, looked_at, what):
    """Print what was found and leave: 0 clean, 1 something found, also when there was nothing to look at."""
    for line in found:
        print(line)
    if not looked_at:
        print(f"{lint}: nothing to look at; the lint itself is broken")
        sys.exit(1)
    print(f"{lint}: {len(found)} found in {looked_at} {what}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":  # tree.py ROOT SUFFIX...: for the shell lints, one name a line
    for n in files(root(sys.argv)):
        if n.endswith(tuple(sys.argv[2:])):
            print(n)
