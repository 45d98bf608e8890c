#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verbs of `crossdock keys` on a state directory of their own.

usage: keys.py BUILD"""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
CROSSDOCK = os.path.join(BUILD, "client-c/cli/crossdock")
DEADLINE_S = 30
HEX = "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518"
Z85 = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"


class Keys(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.state = os.path.join(work.name, "a/state")
        self.env = dict(os.environ, CROSSDOCK_STATE=self.state)

    def run_it(self, *arguments, **more):
        more.setdefault("env", self.env)
        return subprocess.run(
            [CROSSDOCK, "keys", *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False, **more
        )

    def good(self, *arguments, **more):
        done = self.run_it(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def bad(self, code, words, *arguments, **more):
        done = self.run_it(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (code, ""), (arguments, done.stderr))
        self.assertIn(words, done.stderr)

    def mode(self, name):
        return stat.S_IMODE(os.stat(os.path.join(self.state, name)).st_mode)

    def put(self, name, text, mode=0o600):
        path = os.path.join(self.state, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def secret(self, name):
        with open(os.path.join(self.state, name), encoding="utf-8") as file:
            return file.read().split('secret-key = "')[1].split('"')[0]

    def test_new_prints_the_public_key_alone_and_says_what_to_do_with_it(self):
        done = self.good("new", "--name", "laptop")
        key = done.stdout.strip()
        self.assertRegex(done.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.assertIn(f"crossdock keys add laptop {key} --role client,worker", done.stderr)
        self.assertIn(f"fingerprint {key[:8]}\n", done.stderr)
        self.assertNotIn(self.secret("user.key"), done.stdout + done.stderr)
        self.assertEqual((self.mode(""), self.mode("user.key")), (0o700, 0o600))

    def test_new_keeps_the_key_that_is_there(self):
        first = self.good("new")
        again = self.good("new")
        self.assertEqual(first.stdout, again.stdout)
        self.assertNotIn("already", first.stderr)
        self.assertIn("already", again.stderr)

    def test_the_command_that_new_prints_admits_the_key(self):
        for arguments in ((), ("--name", "it")):
            command = self.good("new", *arguments).stderr.splitlines()[-1].split()
            self.assertEqual(command[:3], ["crossdock", "keys", "add"])
            other = dict(self.env, CROSSDOCK_STATE=self.state + "-" + command[3])
            self.good(*command[2:], env=other)
            self.assertEqual(json.loads(self.good("list", "--json", env=other).stdout)["keys"][0]["name"], command[3])

    def test_server_prints_one_key_for_good(self):
        first = self.good("server")
        self.assertRegex(first.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.assertEqual(self.good("server").stdout, first.stdout)
        self.assertEqual((self.mode("server.key"), self.mode("server.pub")), (0o600, 0o644))
        answer = json.loads(self.good("server", "--json").stdout)
        self.assertEqual(answer["public_key"], first.stdout.strip())
        self.assertEqual(answer["fingerprint"], first.stdout[:8])
        self.assertEqual(answer["file"], os.path.join(self.state, "server.pub"))

    def test_added_keys_are_listed_with_their_rights(self):
        done = self.good("add", "bob", Z85, "--role", "client", "--role=admin", "-p", "gpu", "-p", "a b")
        self.assertEqual(done.stdout, f"admitted bob ({HEX[:8]}) as client,admin\n")
        self.good("add", "ann", "1" * 64, "-r", "worker")
        answer = json.loads(self.good("list", "--json").stdout)
        self.assertEqual(answer["state"], self.state)
        ann, bob = answer["keys"]
        self.assertEqual((ann["name"], ann["profiles"], ann["roles"]), ("ann", None, "worker"))
        self.assertEqual((bob["name"], bob["profiles"], bob["public_key"]), ("bob", ["gpu", "a b"], HEX))
        table = self.good("list").stdout
        for word in ("ann", "bob", "gpu,a b", "client,admin", HEX[:8]):
            self.assertIn(word, table)
        self.assertNotIn(HEX[:63], table, "cut it would be no key")
        self.assertEqual((self.mode("allow"), self.mode("allow/bob")), (0o700, 0o600))

    def test_an_empty_list_is_a_list(self):
        self.assertEqual(json.loads(self.good("list", "--json").stdout)["keys"], [])

    def test_a_key_is_admitted_once(self):
        self.good("add", "bob", HEX, "--role", "client")
        self.bad(5, "is there already", "add", "bob", "1" * 64, "--role", "client")
        self.bad(5, "admitted already, as bob", "add", "ann", HEX, "--role", "client")

    def test_wrong_use_exits_2_and_says_what_is_wrong(self):
        for arguments, words in (
            ((), "a verb is missing"),
            (("fly",), "no verb 'fly'"),
            (("new", "me"), "no argument expected"),
            (("new", "--name", "n" * 64), "longer than 63"),
            (("list", "me"), "no argument expected"),
            (("server", "--state", "here"), "absolute path"),
            (("server", "--state", "/" + "x" * 600), "too long"),
            (("add",), "are wanted"),
            (("add", "bob"), "are wanted"),
            (("add", "bob", HEX), "a role is missing"),
            (("add", "bob", HEX, "more", "-r", "client"), "one key at a time"),
            (("add", "bob", HEX[1:], "-r", "client"), "PUBLICKEY is no key"),
            (("add", "bob", HEX, "-r", "boss"), 'no role "boss"'),
            (("add", "../bob", HEX, "-r", "client"), "no name for a key"),
            (("add", "n" * 64, HEX, "-r", "client"), "longer than 63"),
            (("add", "bob", HEX, "-r", "client", "-p", 'a"b'), "no name for a profile"),
            (("add", "bob", HEX, "-r", "client", *["-p", "x"] * 65), "at most 64"),
        ):
            self.bad(2, words, *arguments)
        self.bad(2, "not an absolute path", "list", env=dict(self.env, CROSSDOCK_STATE="here"))
        self.assertFalse(os.path.exists(self.state))

    def test_files_that_are_not_safe_exit_5_and_say_what_to_do(self):
        self.good("new")
        self.good("server")
        os.chmod(os.path.join(self.state, "user.key"), 0o640)
        self.bad(5, "chmod go-rwx", "new")
        os.chmod(self.state, 0o755)
        for arguments in (("new",), ("server",), ("list",), ("add", "bob", HEX, "-r", "client")):
            self.bad(5, "open to others (mode 0755)", *arguments)
        os.chmod(self.state, 0o700)
        self.put("server.key", "-----BEGIN CERTIFICATE-----\n")
        self.bad(5, "server.key: line 1", "server")

    def test_one_bad_entry_is_told_and_the_others_are_listed(self):
        self.good("add", "bob", HEX, "--role", "client")
        self.put("allow/bad", "nonsense")
        done = self.run_it("list")
        self.assertEqual(done.returncode, 5)
        self.assertIn("left out: bad: line 1", done.stderr)
        self.assertIn("bob", done.stdout)

    def test_state_may_be_said(self):
        other = self.state + "-other"
        self.good("server", "--state", other)
        self.assertTrue(os.path.exists(os.path.join(other, "server.key")))
        self.assertFalse(os.path.exists(self.state))

    def test_full_disk_is_not_a_success(self):
        for arguments in (["server"], ["list"], ["list", "--json"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(
                    [CROSSDOCK, "keys", *arguments], env=self.env, stdout=full, stderr=subprocess.PIPE, check=False
                )
            self.assertEqual(done.returncode, 5, done.stderr)

    def test_every_help_text_names_its_arguments(self):
        for verb, word in ((None, "admit a key"), ("new", "--name"), ("server", "tlscert"), ("list", "--json"), ("add", "--role")):
            done = self.good(*([verb] if verb else []), "--help")
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    bad_count = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad_count} passed, {bad_count} failed")
    sys.exit(1 if bad_count or not result.testsRun else 0)
