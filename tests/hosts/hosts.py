#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hosts and what goes wrong between them: a broker, workers and clients in network namespaces.

usage: hosts.py BUILD [SCENARIO...]     BUILD: a meson build directory; SCENARIO: only these
       hosts.py --why-not               exit code 0, or 1 and what is missing here

R_LIBS names the library where the R package is; without it the scenarios with R are skipped. The last line is
"P passed, F failed, S skipped". XDT_SLOW=1 allows five times the time."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster import Cluster, Failure, Keys, Lines, expect  # noqa: E402
from net import why_not  # noqa: E402

SLOWNESS = 5 if os.environ.get("XDT_SLOW") else 1
LOST = 3.0  # the broker's default
MB = 1 << 20


class Skip(Exception):
    pass


rows = []


def within(what, seconds, bound):
    """A row of the table at the end; the scenario fails where the bound is passed."""
    bound *= SLOWNESS
    seconds = max(seconds, 0.0)  # lines of two programs, read by two threads
    rows.append((what, seconds, bound))
    expect(seconds <= bound, f"{what}: {seconds:.2f} s, at most {bound:.1f}")


def seconds_until_served(caller, begun, seconds=60):
    """From `begun` until a task comes back."""
    end = caller.wait(caller.call("echo", "served"), seconds)
    expect(end.outcome == "done", f"echo: {end.outcome} {end.text}")
    return end.when - begun


def begin(cluster, slots=1, hosts=("one",)):
    """A broker, workers on these hosts, and a client."""
    cluster.start_broker()
    for host in hosts:
        cluster.worker(host, slots)
    return cluster.caller()


def run_until_leased(caller, callee="spin", text=None, count=1):
    name = caller.call(callee, text)
    caller.await_counter("leased", count)
    return name


# ---- nothing goes wrong


def payloads_go_both_ways_between_hosts(cluster):
    caller = begin(cluster, 2, ("one", "two"))
    tasks = [caller.call("sleep", "1000") for _ in range(4)]
    caller.await_counter("leased", 4)  # two slots on each of two hosts
    for task in tasks:
        expect(caller.wait(task).outcome == "done", "a task that sleeps")
    for size in (0, 1, 100_000, 1 << 20, 20 * MB + 1):
        end = caller.done("echo", size=size, seconds=60)
        expect(end.size == size and (size < 200 or end.text == "same"), f"{size} bytes: {end.size} {end.text}")


# ---- hosts that cannot reach each other


def partition_and_heal(cluster):
    caller = begin(cluster)
    task = run_until_leased(caller)
    one = cluster.hosts["one"]
    cut = time.monotonic()
    cluster.net.cut(one)
    end = caller.wait(task)
    expect(end.outcome == "lost", f"{end.outcome} {end.text}")
    within("partition: the worker's task is lost", end.when - cut, LOST + 1.5)
    time.sleep(2)  # the worker has noticed, too
    caller.await_counter("workers", 0)
    healed = time.monotonic()
    cluster.net.heal(one)
    within("partition of 5 s, healed: served again", seconds_until_served(caller, healed), 10)
    caller.await_counter("workers", 1)


def short_partition_is_no_loss(cluster):
    """Less than it takes to be lost: nobody is, and what was sent meanwhile arrives."""
    caller = begin(cluster)
    task = run_until_leased(caller, "sleep", "3000")
    one = cluster.hosts["one"]
    cluster.net.cut(one)
    queued = caller.call("echo", "meanwhile")
    time.sleep(1.2)
    cluster.net.heal(one)
    expect(caller.wait(task).outcome == "done", "the running task was lost")
    expect(caller.wait(queued).outcome == "done", "the waiting task was lost")
    expect(caller.counter("lost") == 0, "a task was counted as lost")


def one_way(cluster, to, of, what):
    caller = begin(cluster)
    task = run_until_leased(caller)
    one = cluster.hosts["one"]
    cut = time.monotonic()
    cluster.net.cut(one, to=to, of=of)
    end = caller.wait(task)
    expect(end.outcome == "lost", f"{end.outcome} {end.text}")
    within(f"{what}: its task is lost", end.when - cut, LOST + 2.5)
    time.sleep(2)
    healed = time.monotonic()
    cluster.net.heal(one)
    within(f"{what}, healed: served again", seconds_until_served(caller, healed), 10)


def worker_that_is_not_heard(cluster):
    one_way(cluster, False, True, "worker not heard")


def worker_that_hears_nothing(cluster):
    one_way(cluster, True, False, "worker hears nothing")


# ---- hosts that end


def half_open_connection(cluster):
    """The host's power fails; it comes back and knows nothing of its old connections, and says so to nobody."""
    caller = begin(cluster)
    task = run_until_leased(caller)
    cut = time.monotonic()
    cluster.net.remove(cluster.hosts["one"])
    one = cluster.hosts["one"] = cluster.net.add("one", 11)
    cluster.net.mute_resets(one)
    worker = cluster.worker("one")
    early = worker.ready_at - cut
    within("half-open: a new worker of that host is served", seconds_until_served(caller, worker.ready_at), 1.5)
    end = caller.wait(task)
    expect(end.outcome == "lost", f"{end.outcome} {end.text}")
    within("half-open: the old one's task is lost", end.when - cut, LOST + 1.5)
    expect(early < LOST or SLOWNESS > 1, f"the new worker came after {early:.1f} s, too late to show anything")
    caller.await_counter("workers", 1)


def host_gone_for_good(cluster):
    caller = begin(cluster, 1, ("one", "two"))
    tasks = [caller.call("sleep", "2500") for _ in range(4)]
    caller.await_counter("leased", 2)
    cut = time.monotonic()
    cluster.net.remove(cluster.hosts.pop("one"))
    ends = [caller.wait(task, 40) for task in tasks]
    outcomes = sorted(end.outcome for end in ends)
    expect(outcomes == ["done", "done", "done", "lost"], f"{outcomes}")
    lost = next(end for end in ends if end.outcome == "lost")
    within("a host gone: its task is lost", lost.when - cut, LOST + 1.5)
    caller.await_counter("workers", 1)


def client_host_gone(cluster):
    caller = begin(cluster)
    other = cluster.caller("other")
    caller.call("spin")
    other.await_counter("leased", 1)
    waiting = [caller.call("sleep", "60000") for _ in range(10)]
    other.await_counter("queued", len(waiting))
    cut = time.monotonic()
    cluster.net.remove(cluster.hosts.pop("caller"))
    within("a client's host gone: its worker is free", seconds_until_served(other, cut), LOST + 2)
    expect(other.counter("queued") == 0 and other.counter("leased") == 0, "tasks of the client that is gone")
    other.await_counter("clients", 1)


def broker_restarted(cluster):
    caller = begin(cluster, 2, ("one", "two"))
    task = run_until_leased(caller)
    killed = time.monotonic()
    cluster.broker.kill()
    end = caller.wait(task)
    expect(end.outcome == "broker_gone", f"{end.outcome} {end.text}")
    within("the broker killed: a client knows", end.when - killed, 1)
    time.sleep(1)
    cluster.start_broker()
    back = time.monotonic()
    caller = cluster.caller()
    caller.await_counter("workers", 4)
    within("the broker back after 1 s: all 4 workers are, too", time.monotonic() - back, 10)
    caller.done("echo", "again")


def broker_host_gone(cluster):
    caller = begin(cluster)
    task = run_until_leased(caller)
    cut = time.monotonic()
    cluster.net.link(cluster.hosts["broker"], False)
    end = caller.wait(task)
    expect(end.outcome == "broker_gone", f"{end.outcome} {end.text}")
    within("the broker's host gone: a client knows", end.when - cut, LOST + 2)


# ---- bad connections


def ten_percent_of_packets_lost(cluster):
    """Slow, since tcp doubles its patience after each loss in a row, and yet nobody is taken for dead."""
    caller = begin(cluster, 2, ("one", "two"))
    for host in ("one", "two"):
        cluster.net.lose(cluster.hosts[host], 10)
    begun = time.monotonic()
    worst = 0.0
    rounds = 0
    while time.monotonic() - begun < 12:
        large = [caller.call("echo", size=2 * MB)]
        small = [caller.call("echo", f"n{i}") for i in range(9)]
        for task in small + large:
            end = caller.wait(task, 90)
            expect(end.outcome == "done", f"{end.outcome} {end.text}")
            worst = max(worst, end.ms)
        rounds += 1
    expect(caller.counter("lost") == 0, "a task was lost")
    rows.append((f"10 % of packets lost: the slowest of {10 * rounds} tasks", worst / 1000, 0))


def payload_over_a_slow_link(cluster):
    """50 MB at 20 Mbit/s take 21 s of a link that the heartbeats share; small tasks go on meanwhile."""
    caller = begin(cluster, 2)
    cluster.net.slow(cluster.hosts["one"], "20mbit")
    begun = time.monotonic()
    large = caller.call("pid", size=50 * MB)
    times = []
    while caller.is_running(large, 0.1):
        times.append(caller.done("echo", "small", seconds=30).ms)
        expect(time.monotonic() - begun < 90 * SLOWNESS, "the payload does not arrive")
    end = caller.wait(large)
    expect(end.outcome == "done", f"{end.outcome} {end.text}")
    times.sort()
    expect(len(times) > 20, f"{len(times)} small tasks in all that time")
    expect(caller.counter("lost") == 0 and caller.counter("workers") == 2, "a worker was lost")
    within("50 MB over 20 Mbit/s", end.ms / 1000, 40)
    rows.append(("50 MB over 20 Mbit/s: a small task meanwhile, median", times[len(times) // 2] / 1000, 0))
    rows.append(("50 MB over 20 Mbit/s: a small task meanwhile, slowest", times[-1] / 1000, 0))


def result_over_a_slow_link(cluster):
    """The other way: what a worker sends back shares the link with its heartbeats."""
    caller = begin(cluster, 2)
    cluster.net.slow(cluster.hosts["one"], "20mbit")
    large = caller.call("big", str(20 * MB))
    count = 0
    while caller.is_running(large, 0.1):
        caller.done("echo", "small", seconds=30)
        count += 1
    end = caller.wait(large)
    expect(end.outcome == "done" and end.size == 20 * MB, f"{end.outcome} {end.text} {end.size}")
    expect(count > 10, f"{count} small tasks in all that time")
    expect(caller.counter("lost") == 0 and caller.counter("workers") == 2, "a worker was lost")


def slow_round_trips(cluster):
    """50 ms each way, through a proxy that ends one tcp connection and begins another."""
    cluster.start_broker()
    cluster.proxy(delay_ms=50)
    cluster.worker("one", 2, url=cluster.proxy_url)
    caller = cluster.caller()
    times = sorted(caller.done("echo", f"n{i}").ms for i in range(30))
    expect(times[0] >= 100, f"{times[0]} ms is no round trip of 100 ms")
    within("50 ms each way: a task's round trip, median", times[15] / 1000, 0.25)
    end = caller.done("echo", size=8 * MB, seconds=60)
    expect(end.text == "same", f"8 MB came back as {end.text}")
    expect(caller.counter("lost") == 0, "a task was lost")
    caller.done("echo", "through the proxy as well")


def connection_cut_in_the_middle_of_a_payload(cluster):
    """The worker's: its task is lost, and the worker comes back. The client's: it knows."""
    cluster.start_broker()
    proxy = cluster.proxy(cut_after=10 * MB)
    cluster.worker("one", 1, url=cluster.proxy_url)
    caller = cluster.caller()
    task = caller.call("pid", size=50 * MB)
    cut, _ = proxy.await_start("cut after", 30)
    end = caller.wait(task)
    expect(end.outcome == "lost", f"{end.outcome} {end.text}")
    within("a payload's connection cut: the task is lost", end.when - cut, 2)
    within("a payload's connection cut: served again", seconds_until_served(caller, cut), 5)
    expect(caller.done("echo", size=20 * MB, seconds=60).text == "same", "another payload")
    caller.await_counter("bytes", 0)


def client_cut_in_the_middle_of_a_payload(cluster):
    cluster.start_broker()
    cluster.worker("one")
    proxy = cluster.proxy(cut_after=10 * MB)
    caller = cluster.caller(url=cluster.proxy_url)
    task = caller.call("pid", size=50 * MB)
    cut, _ = proxy.await_start("cut after", 30)
    end = caller.wait(task)
    expect(end.outcome == "broker_gone", f"{end.outcome} {end.text}")
    within("a client's payload connection cut: it knows", end.when - cut, 2)
    other = cluster.caller("other")
    within("a client's payload connection cut: its worker is free", seconds_until_served(other, cut), 8)
    other.await_counter("bytes", 0)


# ---- R


def needs_r(*packages):
    if shutil.which("Rscript") is None:
        raise Skip("no R")
    for package in ("crossdock", *packages):
        probe = ["Rscript", "-e", f"library({package})"]
        if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            raise Skip(f"no R package {package} in R_LIBS")


def run_r(cluster, host, code, *arguments, seconds=60, whole=False):
    """An R session on that host; what it prints, or the last line of it. Values are shown as at the prompt."""
    with tempfile.NamedTemporaryFile("w", suffix=".R") as file:
        file.write(code)
        file.flush()
        return run_r_file(cluster, host, [file.name, *arguments], seconds, whole)


def run_r_file(cluster, host, words, seconds, whole):
    program = cluster.start(host, ["Rscript", *words], cluster.url)
    try:
        said, _ = program.popen.communicate(timeout=seconds * SLOWNESS)
    except subprocess.TimeoutExpired:
        program.kill()
        raise Failure(f"R did not end within {seconds} s") from None
    lines = said.strip().splitlines()
    expect(program.popen.returncode == 0 and lines, f"R: exit {program.popen.returncode}: {lines[-3:]}")
    return said if whole else lines[-1]


def r_session_and_r_daemons(cluster):
    """The seed programs' kind of work, with daemons on other hosts."""
    needs_r()
    cluster.start_broker()
    for host in ("one", "two"):
        cluster.worker(host, 1, command=["--r"])
    code = f"""
library(crossdock)
daemons(broker = "{cluster.url}")
m <- mirai(x + y, x = 1, y = 2)
stopifnot(identical(m[], 3))
p <- mirai_map(1:20, function(i) Sys.getpid())[]
big <- mirai(rev(x), x = as.numeric(1:3e6))[]
stopifnot(identical(big, as.numeric(3e6:1)))
e <- mirai(stop("on purpose"))[]
stopifnot(is_error_value(e))
daemons(0)
cat(length(unique(unlist(p))), "\\n")
"""
    said = run_r(cluster, "caller", code)
    expect(said.strip() in ("1", "2"), f"R said {said}")
    caller = cluster.caller()
    caller.await_counter("workers", 2)


def r_session_and_c_workers(cluster):
    """A C handler takes what an R session sends, frame by frame."""
    needs_r()
    cluster.start_broker()
    cluster.worker("one")
    code = f"""
library(crossdock)
daemons(broker = "{cluster.url}")
x <- as.raw(rep(0:250, 10000))
r <- call_task("echo", x)[]
stopifnot(identical(r, x))
cat("pid", call_task("pid")[], "\\n")
daemons(0)
"""
    said = run_r(cluster, "caller", code)
    expect(said.startswith("pid "), f"R said {said}")


def c_client_and_r_daemons(cluster):
    """An R daemon takes what a C client sends, and what it cannot take is an error that says so."""
    needs_r()
    cluster.start_broker()
    cluster.worker("one", 1, command=["--r"])
    caller = cluster.caller()
    end = caller.wait(caller.call("base::toupper", "shout"), 30)
    expect(end.outcome == "done" and end.text == "SHOUT", f"{end.outcome} {end.text}")
    end = caller.wait(caller.call("base::rev", size=3 * MB), 60)
    expect(end.outcome == "done" and end.size == 3 * MB, f"{end.outcome} {end.size} {end.text}")


def seed_programs(cluster):
    """Two of the documents' programs as they are shipped, but with the daemons of two other hosts."""
    needs_r("arrow", "nanoarrow", "adbi", "adbcsqlite", "DBI")
    examples = Path(__file__).resolve().parents[2] / "client-r/inst/examples"
    cluster.start_broker()
    for host in ("one", "two"):
        cluster.worker(host, 1, command=["--r"])
    arrow = (examples / "arrow.R").read_text().replace("daemons(1", "daemons(broker = TRUE")
    said = run_r(cluster, "caller", arrow + "\ndaemons(0)\n", seconds=120, whole=True)
    for line in ("Invalid <Table>, external pointer to null", "6 rows x 5 columns", "$Species <dictionary"):
        expect(line in said, f"arrow.R does not print '{line}': {said[-300:]}")
    code = (examples / "quickstart.R").read_text()
    said = run_r(cluster, "caller", code, "broker", seconds=120, whole=True)
    expect("nanoarrow_array_stream" in said, f"quickstart.R printed {said[-300:]}")


def r_daemon_lost_and_back(cluster):
    """A partition seen from R: error value 19, and the daemon comes back."""
    needs_r()
    cluster.start_broker()
    cluster.worker("one", 1, command=["--r"])
    code = f"""
library(crossdock)
daemons(broker = "{cluster.url}")
m <- mirai(Sys.sleep(60))
cat("begun\\n"); flush(stdout())
stopifnot(identical(unclass(m[])[1], 19L))
cat("lost\\n"); flush(stdout())
stopifnot(identical(mirai(1 + 1)[], 2))
cat("back\\n")
daemons(0)
"""
    program = cluster.start("caller", ["Rscript", "-e", code], cluster.url)
    lines = Lines(program)
    lines.await_start("begun", 30 * SLOWNESS)
    cluster.caller("other").await_counter("leased", 1)
    one = cluster.hosts["one"]
    cut = time.monotonic()
    cluster.net.cut(one)
    when, _ = lines.await_start("lost", 20 * SLOWNESS)
    within("partition, seen from R: error value 19", when - cut, LOST + 2)
    time.sleep(2)
    healed = time.monotonic()
    cluster.net.heal(one)
    when, _ = lines.await_start("back", 60 * SLOWNESS)
    within("partition of 5 s, healed: an R daemon serves again", when - healed, 20)


SCENARIOS = [
    payloads_go_both_ways_between_hosts,
    partition_and_heal,
    short_partition_is_no_loss,
    worker_that_is_not_heard,
    worker_that_hears_nothing,
    half_open_connection,
    host_gone_for_good,
    client_host_gone,
    broker_restarted,
    broker_host_gone,
    ten_percent_of_packets_lost,
    payload_over_a_slow_link,
    result_over_a_slow_link,
    slow_round_trips,
    connection_cut_in_the_middle_of_a_payload,
    client_cut_in_the_middle_of_a_payload,
    r_session_and_r_daemons,
    r_session_and_c_workers,
    c_client_and_r_daemons,
    seed_programs,
    r_daemon_lost_and_back,
]


def try_scenario(scenario, programs, keys):
    """passed, failed or skipped, and a reason."""
    try:
        cluster = Cluster(programs, keys)
        try:
            scenario(cluster)
        except Exception:
            print("\n".join(f"    {line}" for line in cluster.log_tail()))
            raise
        finally:
            cluster.end()
    except Skip as reason:
        return "skipped", str(reason)
    except Exception as error:  # whatever it is, the next scenario has its turn
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""


def print_table():
    print(f"{'what':<62} {'seconds':>8} {'bound':>6}")
    for what, seconds, bound in rows:
        print(f"{what:<62} {seconds:>8.2f} {f'{bound:.1f}' if bound else '':>6}")


def main(build, *names):
    if build == "--why-not":
        reason = why_not()
        print(reason or "nothing is missing")
        return 0 if reason is None else 1
    build = Path(build).resolve()
    programs = {
        "broker": str(build / "broker/crossdock-broker"),
        "worker": str(build / "worker/crossdock-worker"),
        "crossdock": str(build / "client-c/cli/crossdock"),
        "caller": str(build / "tests/hosts/caller"),
        "handlers": str(build / "tests/worker/xdt_handlers.so"),
    }
    missing = [path for path in programs.values() if not Path(path).exists()]
    unknown = [name for name in names if name not in [scenario.__name__ for scenario in SCENARIOS]]
    if missing or unknown:
        print(f"hosts.py: not built: {missing}; no such scenario: {unknown}", file=sys.stderr)
        return 2
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.__name__ in names]
    reason = why_not()
    if reason is not None:
        print(f"skipped: {reason}\n0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    keys = Keys(programs["crossdock"])
    try:
        for scenario in chosen:
            begun = time.monotonic()
            result, why = try_scenario(scenario, programs, keys)
            counts[result] += 1
            print(f"{result:<8}{scenario.__name__} {time.monotonic() - begun:.1f} s {why}", flush=True)
    finally:
        keys.end()
    print_table()
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else 2)
