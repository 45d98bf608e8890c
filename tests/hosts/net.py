# SPDX-License-Identifier: MIT
"""Hosts that are namespaces: each with processes, a network and a cable to one switch of its own.

Nothing outlives its maker: a host is a process that the kernel kills when the tests end, however they end, and
with it go the processes, addresses and rules inside."""
import ctypes
import os
import signal
import subprocess
import time

NETWORK = "10.77.0"  # exists in these namespaces only
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_us():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def child_of(pid, patience=10):
    """The process that a launcher made."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = children(pid)
        if found:
            return found[0]
        time.sleep(0.005)
    raise RuntimeError(f"process {pid} has no child")


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


class Program:
    """One program in a host. `pid` is its number out here."""

    def __init__(self, popen):
        self.popen = popen
        self.pid = child_of(popen.pid)

    def tree(self):
        return [self.pid, *descendants(self.pid)]

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """With all it started, at once."""
        for pid in self.tree():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()

    def is_alive(self):
        return self.popen.poll() is None


class Space:
    """A network and a process table, held by a process that sleeps."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child=SIGKILL", "sleep", "infinity"],
            preexec_fn=die_with_us,
        )
        self.inside = child_of(self.holder.pid)
        until = time.monotonic() + 10
        while self._comm() != "sleep" and time.monotonic() < until:
            time.sleep(0.005)
        self.run("ip", "link", "set", "lo", "up")

    def _comm(self):
        try:
            with open(f"/proc/{self.inside}/comm") as file:
                return file.read().strip()
        except OSError:
            return ""

    def enter(self, *spaces):
        return ["nsenter", "--target", str(self.inside), *spaces]

    def run(self, *command, text=None):
        """A command for the network; process numbers are those out here."""
        done = subprocess.run([*self.enter("--net"), *command], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def start(self, command, **more):
        inside = self.enter("--net", "--pid", "--mount")
        return Program(subprocess.Popen([*inside, *command], preexec_fn=die_with_us, **more))

    def end(self):
        if self.holder.poll() is None:
            self.holder.kill()
            self.holder.wait()


class Host(Space):
    def __init__(self, name, number):
        super().__init__()
        self.name = name
        self.port = f"p{number}"  # of the switch
        self.address = f"{NETWORK}.{number}"


class Net:
    """The switch with its hosts, and what goes wrong between them."""

    def __init__(self):
        self.switch = Space()
        self.hosts = {}
        self.rules = {}
        self.switch.run("ip", "link", "add", "bridge0", "type", "bridge")
        self.switch.run("ip", "link", "set", "bridge0", "up")

    def add(self, name, number):
        host = Host(name, number)
        self.hosts[name] = host
        self.switch.run(
            "ip", "link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", str(host.inside)
        )
        self.switch.run("ip", "link", "set", host.port, "master", "bridge0", "up")
        host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        return host

    def remove(self, host):
        """As if its power had failed: nothing leaves it any more."""
        self.link(host, False)
        host.end()
        del self.hosts[host.name]
        self.switch.run("ip", "link", "delete", host.port)

    def link(self, host, up):
        self.switch.run("ip", "link", "set", host.port, "up" if up else "down")

    def _apply(self):
        """nft's words for all rules; the old ones go in the same moment."""
        lines = [rule for rules in self.rules.values() for rule in rules]
        body = "\n".join(["type filter hook forward priority 0;", *lines])
        table = f"table bridge faults {{\nchain forward {{\n{body}\n}}\n}}\n"
        forget = "table bridge faults\ndelete table bridge faults\n"  # it has to be there to be deleted
        self.switch.run("nft", "-f", "-", text=forget + table)

    def _set(self, host, rules):
        self.rules[host.name] = rules
        self._apply()

    def cut(self, host, to=True, of=True):
        """Drop what goes to the host, what comes from it, or both."""
        rules = [f'oifname "{host.port}" drop'] if to else []
        self._set(host, rules + ([f'iifname "{host.port}" drop'] if of else []))

    def lose(self, host, percent):
        """Of the packets each way."""
        some = f"numgen random mod 100 < {percent} drop"
        self._set(host, [f'{way} "{host.port}" ip protocol tcp {some}' for way in ("iifname", "oifname")])

    def mute_resets(self, host):
        """Nobody hears that the host does not know a connection."""
        self._set(host, [f'iifname "{host.port}" tcp flags & rst == rst drop'])

    def heal(self, host):
        self._set(host, [])

    def slow(self, host, rate):
        """Both ways, with a queue of a tenth of a second."""
        shape = ("tbf", "rate", rate, "burst", "32k", "latency", "100ms")
        for space, device in ((self.switch, host.port), (host, "eth0")):
            space.run("tc", "qdisc", "add", "dev", device, "root", *shape)

    def end(self):
        for host in list(self.hosts.values()):
            host.end()
        self.switch.end()


def why_not():
    """What is missing here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        net = Net()
    except (RuntimeError, OSError) as error:
        return f"no network namespaces: {error}"
    try:
        host = net.add("trial", 99)
        net.cut(host)
        net.lose(host, 10)
        net.slow(host, "20mbit")
    except (RuntimeError, OSError) as error:
        return f"no faults in a network namespace: {error}"
    finally:
        net.end()
    return None
