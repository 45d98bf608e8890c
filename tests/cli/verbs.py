#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verbs of `crossdock` against a real broker with one worker that has the example's SQL handler.

usage: verbs.py BUILD"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
CROSSDOCK = os.path.join(BUILD, "client-c/cli/crossdock")
MODULE = os.path.join(BUILD, "client-c/examples/sqlite_handlers.so")
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
DEADLINE_S = 30


def wait_until(what, claim):
    end = time.monotonic() + DEADLINE_S
    while not claim():
        if time.monotonic() > end:
            raise AssertionError(f"waited too long until {what}")
        time.sleep(0.02)


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory()
        cls.env = dict(os.environ, CROSSDOCK_URL=f"ipc://{cls.work.name}/broker")
        cls.env["CROSSDOCK_STATE"] = os.path.join(cls.work.name, "state")  # no keys
        cls.env["PATH"] = os.path.join(BUILD, "broker") + os.pathsep + os.environ["PATH"]
        cls.children = []
        # `serve` finds the broker in PATH and becomes it
        broker = cls.start(CROSSDOCK, "serve", "--quiet", "--listen", cls.env["CROSSDOCK_URL"], stdout=subprocess.PIPE)
        cls.ready = broker.stdout.readline()
        cls.start(os.path.join(BUILD, "worker/crossdock-worker"), "--module", MODULE)
        cls.database = os.path.join(cls.work.name, "in.db")
        with sqlite3.connect(cls.database) as db:
            db.execute("CREATE TABLE t(a)")
            db.executemany("INSERT INTO t VALUES(?)", [(i,) for i in range(10)])

    @classmethod
    def tearDownClass(cls):
        for child in reversed(cls.children):
            child.send_signal(signal.SIGTERM)
        for child in reversed(cls.children):
            child.wait(DEADLINE_S)
            if child.stdout:
                child.stdout.close()
        cls.work.cleanup()

    @classmethod
    def start(cls, *command, **more):
        child = subprocess.Popen(command, env=cls.env, stdin=subprocess.DEVNULL, text=True, **more)
        cls.children.append(child)
        return child

    def run_it(self, *arguments, **more):
        return subprocess.run(
            [CROSSDOCK, *arguments], env=self.env, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
            cwd=self.work.name, **more,
        )  # fmt: skip

    def status(self):
        done = self.run_it("status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_serve_becomes_the_broker(self):
        self.assertEqual(self.ready, f"ready address={self.env['CROSSDOCK_URL']}\n")

    def profile(self, name):
        done = self.run_it("profiles", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return next((p for p in json.loads(done.stdout) if p["name"] == name), None)

    def test_profiles_are_paused_resumed_weighted_limited(self):
        task = self.start(CROSSDOCK, "submit", "-p", "later", "sqlite.query", "text:x", stderr=subprocess.DEVNULL)
        wait_until("the profile is there", lambda: self.profile("later"))
        for words, key, value in (
            (("pause", "later"), "paused", True),
            (("resume", "later"), "paused", False),
            (("weight", "later", "2.5"), "weight", 2.5),
        ):
            done = self.run_it("profiles", *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(self.profile("later")[key], value)
        self.assertEqual(self.run_it("profiles", "limit", "later", "3").returncode, 0)
        self.assertEqual(self.run_it("profiles", "kick", "later").returncode, 0)
        self.assertIn("later", self.run_it("profiles").stdout)
        for words, sentence in (
            (("weight", "later", "0"), "weight: from 0.001"),
            (("weight", "later", "heavy"), "weight: a number"),
            (("limit", "later", "some"), "max_running: a number"),
            (("policy", "later", "lottery"), "policy: bands, fifo"),
            (("policy", "later", "fifo"), "policy: the profile is not empty"),
            (("pause", "nowhere"), "no such profile"),
            (("kick", "nowhere"), "no such profile"),
            (("stop", "later"), "'stop' is none of"),
            (("weight", "later"), "wants the NAME of a profile and a WEIGHT"),
        ):
            done = self.run_it("profiles", *words)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(sentence, done.stderr)
        task.send_signal(signal.SIGINT)
        task.wait(DEADLINE_S)

    def test_profiles_of_the_brokers_settings(self):
        env = dict(self.env, CROSSDOCK_URL=f"ipc://{self.work.name}/third")
        config = os.path.join(self.work.name, "broker.conf")
        serve = [CROSSDOCK, "serve", "--quiet", "--listen", env["CROSSDOCK_URL"]]
        for words, sentence in (
            ("gpu weight=0", "profile 'gpu weight=0': weight: from 0.001 to 1000000"),
            ("gpu heavy=1", "settings are policy, weight"),
            ("gpu policy=lottery", "policy: bands, fifo"),
            ('gpu pool=a"b', "pool: the name of a profile"),
            ('a"b weight=1', "a name comes first"),
        ):
            done = subprocess.run([*serve, "--set", f"profile={words}"], env=env, capture_output=True, text=True,
                                  timeout=DEADLINE_S, check=False)  # fmt: skip
            self.assertEqual((done.returncode, done.stdout), (1, ""), words)
            self.assertIn(sentence, done.stderr)
        with open(config, "w", encoding="utf-8") as f:
            f.write("broker\n    profile\n        1 = gpu weight=2.5 max_running=8 learned_cuts=1\n"
                    "        2 = batch policy=fifo paused=1 max_tasks=10 max_bytes=1000 pool=gpu\n")  # fmt: skip
        broker = subprocess.Popen([*serve, "--config", config], env=env, stdout=subprocess.PIPE, text=True)
        try:
            self.assertTrue(broker.stdout.readline().startswith("ready"))
            said = self.run_it("profiles", "--json", "--url", env["CROSSDOCK_URL"]).stdout
            told = {p["name"]: (p["policy"], p["weight"], p["paused"]) for p in json.loads(said)}
            self.assertEqual(told, {"gpu": ("bands", 2.5, False), "batch": ("fifo", 1.0, True)})
            done = self.run_it("profiles", "resume", "batch", "--url", env["CROSSDOCK_URL"])
            self.assertEqual(done.returncode, 0, done.stderr)
        finally:
            broker.terminate()
            self.assertEqual(broker.wait(DEADLINE_S), 0)
            broker.stdout.close()

    def test_explain_says_why_a_task_waits_and_why_a_worker_does(self):
        task = self.start(CROSSDOCK, "submit", "-v", "-p", "nobody", "f", "text:x", stderr=subprocess.PIPE)
        identity = task.stderr.readline().split()[1]
        wait_until("it is queued", lambda: self.run_it("explain", identity).returncode == 0)
        done = self.run_it("explain", identity, "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((answer["state"], answer["profile"]), ("queued", "nobody"))
        self.assertEqual(answer["reason"], "its profile has no workers")
        self.assertIn("its profile has no workers", self.run_it("explain", identity).stdout)
        wait_until("the worker is there", lambda: self.status()["workers"])
        worker = str(self.status()["workers"][0]["session"])
        answer = json.loads(self.run_it("explain", worker, "--json").stdout)
        self.assertEqual((answer["state"], answer["reason"]), ("idle", "no task waits"))
        self.assertIn("cores=", answer["has"])
        for wrong, code in (("0" * 32, 4), ("999999", 4), ("x", 2)):
            self.assertEqual(self.run_it("explain", wrong).returncode, code, wrong)
        self.assertEqual(self.run_it("explain").returncode, 2)
        task.send_signal(signal.SIGINT)
        task.wait(DEADLINE_S)
        task.stderr.close()

    def test_drain_lets_the_broker_end(self):
        env = dict(self.env, CROSSDOCK_URL=f"ipc://{self.work.name}/other")
        broker = subprocess.Popen(
            [CROSSDOCK, "serve", "--quiet", "--listen", env["CROSSDOCK_URL"]], env=env, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        try:
            self.assertTrue(broker.stdout.readline().startswith("ready"))
            done = self.run_it("drain", "--url", env["CROSSDOCK_URL"], "soon")
            self.assertEqual(done.returncode, 2)
            self.assertIn("drain: seconds", done.stderr)
            task = self.start(CROSSDOCK, "submit", "--url", env["CROSSDOCK_URL"], "f", "text:x", stderr=subprocess.DEVNULL)
            wait_until("a task waits", lambda: json.loads(
                self.run_it("status", "--url", env["CROSSDOCK_URL"], "--json").stdout)["counters"]["queued"])  # fmt: skip
            self.assertEqual(self.run_it("drain", "--url", env["CROSSDOCK_URL"], "1").returncode, 0)
            self.assertIsNone(broker.poll())
            self.assertEqual(broker.wait(DEADLINE_S), 0)
            self.assertEqual(task.wait(DEADLINE_S), 3)
        finally:
            broker.kill()
            broker.wait()
            broker.stdout.close()

    def test_status_as_json_and_as_tables(self):
        wait_until("the worker is there", lambda: self.status()["workers"])
        done = self.run_it("status")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("software", "profiles", "default", "workers", "clients", "counters"):
            self.assertIn(word, done.stdout)

    def test_submit_prints_text_and_writes_the_database(self):
        done = self.run_it("submit", "sqlite.query", f"sqlite3={self.database}", "text:SELECT sum(a) AS s FROM t", "-o", "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "s\n45\n")
        self.assertIn("wrote out/result-1.sqlite3", done.stderr)
        with sqlite3.connect(os.path.join(self.work.name, "out/result-1.sqlite3")) as db:
            self.assertEqual(db.execute("SELECT s FROM result").fetchall(), [(45,)])

    def test_submit_reads_standard_input_and_answers_json(self):
        with open(self.database, "rb") as f:
            done = self.run_it("submit", "--json", "sqlite.query", "sqlite3=-", "text:SELECT 1 AS x", "-o", "j", stdin=f)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["outcome"], answer["error"], len(answer["id"])), ("done", "", 32))
        self.assertEqual(answer["results"][1], {"tag": "text", "bytes": 4, "text": "x\n1\n"})
        self.assertTrue(os.path.exists(os.path.join(self.work.name, answer["results"][0]["file"])))

    def test_task_that_fails_exits_1_with_its_error(self):
        done = self.run_it("submit", "sqlite.query", f"sqlite3={self.database}", "text:SELECT a FROM nowhere")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("the task ended as failed: ", done.stderr)
        self.assertIn("nowhere", done.stderr)

    def test_timeout_ends_a_task_as_expired(self):
        done = self.run_it("submit", "--timeout", "0.2", "handler.of.nobody", "text:x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the task ended as expired", done.stderr)

    def running(self):
        """A task without end that has begun, and its id."""
        child = subprocess.Popen(
            [CROSSDOCK, "submit", "-v", "sqlite.query", f"sqlite3={self.database}", f"text:{ENDLESS}"],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.addCleanup(child.stderr.close)
        word, task = child.stderr.readline().split()
        self.assertEqual((word, len(task)), ("task", 32))
        wait_until("it runs", lambda: any(w["leased"] for w in self.status()["workers"]))
        return child, task

    def worker(self, name, slots=2):
        """One more crossdock-worker with an agent of that name, in a profile of its own."""
        child = subprocess.Popen(
            [os.path.join(BUILD, "worker/crossdock-worker"), "--name", name, "--slots", str(slots), "--profile", name,
             "--label", "gpu", "--label", "zone=a", "--module", MODULE],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(child.wait, DEADLINE_S)
        self.addCleanup(child.terminate)
        wait_until("its slots are there", lambda: len(self.slots_of(name)) == slots)
        return child

    def workers(self):
        done = self.run_it("workers", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def slots_of(self, name):
        agents = {a["session"] for a in self.workers()["agents"] if a["name"] == name}
        return {w["slot"]: w for w in self.workers()["workers"] if w["agent"] in agents}

    def test_workers_shows_hosts_and_their_slots(self):
        child = self.worker("host7")
        agent = next(a for a in self.workers()["agents"] if a["name"] == "host7")
        self.assertEqual((agent["slots"], agent["pid"], agent["labels"]), (2, child.pid, ["gpu", "zone=a"]))
        self.assertGreater(agent["cores"], 0)
        self.assertGreater(agent["memory_bytes"], 1 << 20)
        self.assertEqual(self.slots_of("host7")[1]["labels"], ["gpu", "zone=a"])
        done = self.run_it("workers")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertIn(["name", "session", "pid", "slots", "cores", "memory", "labels"], lines)
        self.assertIn(["name", "agent", "slot", "pid", "profile", "state", "running", "done", "versions"], lines)
        rows = [line for line in lines if line[:1] == ["host7"] and "idle" in line]
        self.assertEqual([row[2] for row in rows], ["0", "1"])

    def test_workers_kill_restart_logs_and_drain(self):
        child = self.worker("host8")
        pid = self.slots_of("host8")[1]["pid"]
        done = self.run_it("workers", "kill", "host8", str(pid))
        self.assertEqual((done.returncode, done.stdout), (0, f"killed slot 1, pid {pid}\n"), done.stderr)
        wait_until("it is back", lambda: self.slots_of("host8").get(1, {}).get("pid", pid) != pid)
        pid = self.slots_of("host8")[0]["pid"]
        done = self.run_it("workers", "restart", "host8", "0")
        self.assertEqual((done.returncode, done.stdout), (0, "restarting slot 0\n"), done.stderr)
        wait_until("it is back", lambda: self.slots_of("host8").get(0, {}).get("pid", pid) != pid)
        done = self.run_it("workers", "logs", "host8", "1", "50")
        self.assertIn("signal=9", done.stdout)
        done = self.run_it("workers", "slots", "host8", "--json")
        self.assertEqual([s["starts"] for s in json.loads(done.stdout)["slots"]], [2, 2])
        done = self.run_it("workers", "drain", "host8", "10", "--json")
        self.assertEqual(json.loads(done.stdout), {"answer": "draining, within 10 s\n"})
        self.assertEqual(child.wait(DEADLINE_S), 0)
        done = self.run_it("workers", "slots", "host8")
        self.assertEqual(done.returncode, 4)
        self.assertIn("no agent of that name", done.stderr)

    def test_cancel_ends_a_running_task_of_another_session(self):
        child, task = self.running()
        done = self.run_it("cancel", task)
        self.assertEqual((done.returncode, done.stdout), (0, f"cancelled {task}\n"), done.stderr)
        self.assertEqual(child.wait(DEADLINE_S), 1)
        self.assertIn("the task ended as cancelled", child.stderr.read())
        again = self.run_it("cancel", task)
        self.assertEqual(again.returncode, 4, again.stdout + again.stderr)

    def test_cancel_ends_all_tasks_of_a_profile(self):
        child, _ = self.running()
        done = self.run_it("cancel", "profile=default")
        self.assertEqual((done.returncode, done.stdout), (0, "cancelled 1 tasks\n"), done.stderr)
        self.assertEqual(child.wait(DEADLINE_S), 1)
        self.assertIn("the task ended as cancelled", child.stderr.read())
        again = self.run_it("cancel", "--json", "profile=default")
        self.assertEqual(json.loads(again.stdout), {"which": "profile=default", "cancelled": 0})

    def test_interrupt_cancels_the_task(self):
        child, _ = self.running()
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(DEADLINE_S), 1)
        self.assertIn("the task ended as cancelled", child.stderr.read())

    def test_wrong_use_exits_2_and_says_what_is_wrong(self):
        for arguments, words in (
            ((), "a verb is missing"),
            (("fly",), "no verb 'fly'"),
            (("submit",), "handler's name is missing"),
            (("submit", "h", "file"), "neither TAG=FILE nor TAG:TEXT"),
            (("submit", "-t", "soon", "h"), "'soon' is not a time"),
            (("submit", "-t", "-1", "h"), "'-1' is not a time"),
            (("cancel",), "id is missing"),
            (("cancel", "12"), "32 hexadecimal digits"),
            (("status", "now"), "no argument expected"),
            (("workers", "fly"), "none of slots, kill"),
            (("workers", "kill", "a"), "an AGENT and a SLOT"),
            (("workers", "slots"), "an AGENT"),
            (("workers", "logs", "a", "1", "2", "3"), "too many"),
            (("status", "--url", "tcp:/" + "/127.0.0.1:1"), "CROSSDOCK_SERVER_KEY"),
        ):
            done = self.run_it(*arguments)
            expected = 4 if "--url" in arguments else 2
            self.assertEqual((done.returncode, done.stdout), (expected, ""), arguments)
            self.assertIn(words, done.stderr)

    def test_no_broker_exits_3_and_says_how_to_start_one(self):
        nobody = f"ipc://{self.work.name}/nobody"
        done = self.run_it("status", "--url", nobody)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("crossdock serve", done.stderr)

    def test_file_that_is_not_there_exits_5(self):
        done = self.run_it("submit", "sqlite.query", "sqlite3=missing.db")
        self.assertEqual(done.returncode, 5)
        self.assertIn("missing.db: No such file", done.stderr)

    def test_full_disk_is_not_a_success(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([CROSSDOCK, "status"], env=self.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_every_help_text_names_its_arguments(self):
        for verb, word in ((None, "Exit codes"), ("status", "--json"), ("submit", "TAG=FILE"), ("cancel", "ID"), ("workers", "AGENT")):
            done = self.run_it(*([verb] if verb else []), "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad or not result.testsRun else 0)
