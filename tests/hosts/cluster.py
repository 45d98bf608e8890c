# SPDX-License-Identifier: MIT
"""A broker, workers and clients on hosts of their own, each host with its own key."""
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from net import Net, die_with_us

PORT = 5555
HERE = Path(__file__).resolve().parent
HOSTS = {"broker": 1, "one": 11, "two": 12, "caller": 21, "other": 22, "proxy": 31}
ROLES = {"one": "worker", "two": "worker", "caller": "client,admin", "other": "client,admin"}


class Failure(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Failure(text)


class Keys:
    """Made once with the command line, as its users do: a directory for each host."""

    def __init__(self, crossdock):
        self.directory = tempfile.mkdtemp(prefix="xdt-hosts-")
        self.crossdock = crossdock
        self.server = self._run("broker", "server").split()[0]
        for host, roles in ROLES.items():
            key = next(word for word in self._run(host, "new").split() if len(word) in (40, 64))
            self._run("broker", "add", host, key, "--role", roles)

    def state(self, host):
        return os.path.join(self.directory, host)

    def _run(self, host, *command):
        done = subprocess.run(
            [self.crossdock, "keys", *command],
            env={**os.environ, "CROSSDOCK_STATE": self.state(host)},
            capture_output=True,
            text=True,
            check=False,
        )
        expect(done.returncode == 0, f"keys {' '.join(command)}: {done.stderr}")
        return done.stdout

    def end(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Lines:
    """What a program says, as it comes; each with its time."""

    def __init__(self, program):
        self.seen = []
        self.new = queue.Queue()
        thread = threading.Thread(target=self._read, args=(program.popen.stdout,), daemon=True)
        thread.start()

    def _read(self, stream):
        for line in stream:
            self.new.put((time.monotonic(), line.rstrip("\n")))
        self.new.put((time.monotonic(), None))

    def next(self, seconds):
        """(time, line); the line is None at the end. Raises queue.Empty."""
        item = self.new.get(timeout=max(seconds, 0.001))
        if item[1] is not None:
            self.seen.append(item[1])
        return item

    def await_start(self, start, seconds):
        """The first line that begins so: when it came, and it."""
        until = time.monotonic() + seconds
        while True:
            try:
                when, line = self.next(until - time.monotonic())
            except queue.Empty:
                line, when = None, 0
            if line is None:
                raise Failure(f"no '{start}' within {seconds} s; it said: {' | '.join(self.seen[-8:])}")
            if line.startswith(start):
                return when, line


class Ending:
    def __init__(self, when, line):
        words = line.split(" ", 4)
        self.when, self.outcome = when, words[1]
        self.ms, self.size = float(words[2]), int(words[3])
        self.text = words[4] if len(words) > 4 else ""


class Caller:
    """The client program, with a name for each task."""

    def __init__(self, cluster, host, url):
        self.program = cluster.start(host, [cluster.programs["caller"]], url, stdin=subprocess.PIPE)
        self.lines = Lines(self.program)
        self.ends = {}
        self.gone_at = None
        self.count = 0
        when, line = self.lines.next(20)
        expect(line == "ready", f"the client said {line}")

    def _say(self, line):
        self.program.popen.stdin.write(line + "\n")
        self.program.popen.stdin.flush()

    def call(self, callee, text=None, size=None):
        """Returns the task's name."""
        self.count += 1
        name = f"t{self.count}"
        if size is not None:
            self._say(f"send {name} {callee} {size}")
        else:
            self._say(f"call {name} {callee}" + (f" {text}" if text is not None else ""))
        return name

    def _take(self, seconds):
        when, line = self.lines.next(seconds)
        if line is None:
            raise Failure(f"the client ended; it said: {' | '.join(self.lines.seen[-5:])}")
        if line.startswith("gone"):
            self.gone_at = when
        elif line.startswith("t"):
            self.ends[line.split(" ", 1)[0]] = Ending(when, line)
        return line

    def wait(self, name, seconds=20):
        until = time.monotonic() + seconds
        while name not in self.ends:
            try:
                self._take(until - time.monotonic())
            except queue.Empty:
                raise Failure(f"task {name} did not end within {seconds} s") from None
        return self.ends[name]

    def done(self, callee, text=None, size=None, seconds=20):
        end = self.wait(self.call(callee, text, size), seconds)
        expect(end.outcome == "done", f"{callee}: {end.outcome} {end.text}")
        return end

    def is_running(self, name, seconds):
        """Nothing came for it within that time."""
        until = time.monotonic() + seconds
        while name not in self.ends and time.monotonic() < until:
            try:
                self._take(until - time.monotonic())
            except queue.Empty:
                break
        return name not in self.ends

    def counter(self, name):
        self._say(f"counter {name}")
        while True:
            line = self._take(20)
            if line.startswith(f"counter {name} "):
                return int(line.split()[2])

    def await_counter(self, name, wanted, seconds=20):
        begun = time.monotonic()
        while True:
            is_now = self.counter(name)
            if is_now == wanted:
                return time.monotonic() - begun
            expect(time.monotonic() - begun < seconds, f"{name} is {is_now}, not {wanted}, after {seconds} s")
            time.sleep(0.02)


class Worker:
    def __init__(self, cluster, host, url, slots, command):
        self.program = cluster.start(
            host, [cluster.programs["worker"], "--slots", str(slots), "--grace", "2", *command], url
        )
        self.lines = Lines(self.program)
        self.ready_at, _ = self.lines.await_start("ready", 60)


class Cluster:
    """One scenario's world."""

    def __init__(self, programs, keys):
        self.programs, self.keys = programs, keys
        self.logs = tempfile.TemporaryFile("w+")
        self.net = Net()
        self.hosts = {name: self.net.add(name, HOSTS[name]) for name in HOSTS}
        self.broker = None
        self.url = f"tcp://{self.hosts['broker'].address}:{PORT}"
        self.proxy_url = f"tcp://{self.hosts['proxy'].address}:{PORT}"

    def start(self, host, command, url, **more):
        environment = {
            **os.environ,
            "CROSSDOCK_STATE": self.keys.state(host),
            "CROSSDOCK_SERVER_KEY": self.keys.server,
            "CROSSDOCK_URL": url,
        }
        return self.hosts[host].start(
            command, env=environment, stdout=subprocess.PIPE, stderr=self.logs, text=True, **more
        )

    def start_broker(self):
        address = self.hosts["broker"].address
        self.broker = self.start("broker", [self.programs["broker"], "--listen", f"tcp://{address}:{PORT}"], "")
        Lines(self.broker).await_start("ready", 20)

    def worker(self, host, slots=1, url=None, command=None):
        command = ["--module", self.programs["handlers"]] if command is None else command
        return Worker(self, host, url or self.url, slots, command)

    def caller(self, host="caller", url=None):
        return Caller(self, host, url or self.url)

    def proxy(self, delay_ms=0, cut_after=0):
        ports = [str(PORT + i) for i in range(3)]
        here, there = self.hosts["proxy"].address, self.hosts["broker"].address
        program = self.hosts["proxy"].start(
            ["python3", str(HERE / "proxy.py"), here, there, str(delay_ms), str(cut_after), *ports],
            stdout=subprocess.PIPE,
            stderr=self.logs,
            text=True,
        )
        lines = Lines(program)
        lines.await_start("ready", 20)
        return lines

    def log_tail(self, count=25):
        self.logs.seek(0)
        return self.logs.read().splitlines()[-count:]

    def end(self):
        self.net.end()
        self.logs.close()
