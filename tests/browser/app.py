# SPDX-License-Identifier: MIT
"""The Shiny app of the R package's examples as a process, and what it leaves in the system."""
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "client-r" / "inst" / "examples"
EXAMPLE = EXAMPLES / "shiny.R"


def eventually(condition, seconds):
    """Whether the condition became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment_of(pid):
    """Of a process, as a dictionary; empty when it is gone."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(e.decode(errors="replace").split("=", 1) for e in entries if b"=" in e)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def open_files(pid):
    """Names of what its descriptors stand for."""
    names = []
    for fd in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            names.append(os.readlink(fd))
        except OSError:
            pass  # closed in between
    return names


class App:
    """R running an example, in folders of its own. `prelude`: R code that runs before it."""

    def __init__(self, prelude="", example=EXAMPLE):
        self.folder = Path(tempfile.mkdtemp(prefix="xdb-", dir="/tmp"))  # short: sockets are made in it
        for name in ("tmp", "run", "state"):
            (self.folder / name).mkdir(mode=0o700)
        self.log = self.folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        options = f"options(shiny.port = {self.port}L, shiny.host = '127.0.0.1', shiny.launch.browser = FALSE)"
        code = f"{options}\n{prelude}\nsource('{example}', print.eval = TRUE)"
        self.mark = f"CROSSDOCK_TEST_RUN={self.folder.name}"
        named = {
            "CROSSDOCK_TEST_RUN": self.folder.name,
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "CROSSDOCK_STATE": str(self.folder / "state"),
            "LC_ALL": "C.UTF-8",
        }
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["Rscript", "--vanilla", "-e", code], env={**os.environ, **named}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid

    def said(self):
        return self.log.read_text(errors="replace")

    def is_listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the app has ended:\n{self.said()}")
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def daemons(self):
        """The pids of its daemons by the name of their profile."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            pid = int(entry.name)
            if pid == self.pid or not is_alive(pid):
                continue
            its = environment_of(pid)
            if its.get("CROSSDOCK_TEST_RUN") == self.folder.name and "CROSSDOCK_SLOT" in its:
                found.setdefault(slot_name(pid, its), []).append(pid)
        return found

    def pids(self):
        return sorted(pid for pids in self.daemons().values() for pid in pids)

    def database(self, seconds=30):
        """The file that its daemons have open, once one has."""
        found = []

        def is_open():
            names = [name for pid in self.pids() for name in open_files(pid)]
            found.extend(name for name in names if re.search(r"/tmp/Rtmp\w+/file\w+$", name))
            return bool(found)

        if not eventually(is_open, seconds):
            raise RuntimeError("no daemon has a database open")
        return found[0]

    def left(self):
        """What of it is in the process table and in its folders."""
        own = [f"file {p.relative_to(self.folder)}" for n in ("tmp", "run") for p in (self.folder / n).rglob("*") if not p.is_dir()]
        return [f"process {pid}" for pid in self.pids()] + sorted(own)

    def interrupt(self, seconds=15):
        """Ctrl-C: the app ends; its exit code, or None when it did not."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGINT)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)  # the session started above; its daemons end with it
            self.process.wait()
        eventually(lambda: not self.pids(), 5)
        shutil.rmtree(self.folder, ignore_errors=True)


def slot_name(pid, its):
    return its.get("CROSSDOCK_PROFILE") or str(pid)


def rows_between(database, low, high):
    with sqlite3.connect(database) as db:
        question = 'SELECT * FROM iris WHERE "Sepal.Length" BETWEEN ? AND ?'
        return db.execute(question, (low, high)).fetchall()


def slow_down(database, seconds):
    """Every query of the table takes about so long from now on: it becomes a view that counts first."""
    with sqlite3.connect(":memory:") as db:
        begun = time.monotonic()
        db.execute(counting(300_000)).fetchall()
        steps = int(300_000 * seconds / (time.monotonic() - begun))
    with sqlite3.connect(database) as db:
        db.execute("ALTER TABLE iris RENAME TO plants")
        db.execute(f"CREATE VIEW iris AS SELECT * FROM plants WHERE ({counting(steps)}) > 0")
    db.close()


def counting(steps):
    return f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {steps}) SELECT max(x) FROM c"
