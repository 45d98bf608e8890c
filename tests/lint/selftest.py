#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that each lint can fail: plants one violation after the other in a copy of the tree, and expects the lint to
name it; the copy without the violation must not show that text.

usage: selftest.py [ROOT]"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import tree


def lint(name, *more):
    """The command line of a lint of this folder; COPY stands for the copied tree."""
    path = os.path.join(tree.HERE, name)
    return [sys.executable if name.endswith(".py") else "bash", path, "COPY", *more]


# (command, file, what is put in, text expected in the output); the file is made when it is not there.
APPEND = [
    (lint("includes.py"), "broker/core/core.h", '#include "wire/msg.h"\n', "new arrow core -> wire"),
    (lint("includes.py"), "proto/base/bytes.c", '#include "wire/msg.h"\n', "new arrow base -> wire"),
    (lint("includes.py"), "broker/io/planted.c", '#include "crossdock.h"\n', "new arrow io -> client-public"),
    (lint("includes.py"), "client-c/src/planted.c", '#include "core/core.h"\n', "new arrow client -> core"),
    (lint("includes.py"), "client-c/cli/planted.c", '#include "base/map.h"\n', "new arrow cli -> base"),
    (lint("includes.py"), "worker/supervise/planted.c", '#include "crossdock.h"\n', "new arrow supervise -> client-public"),
    (lint("includes.py"), "client-c/src/planted.c", "#include <czmq.h>\n", "<czmq.h> may not be included here"),
    (lint("includes.py"), "proto/wire/planted.c", "#include <zmq.h>\n", "<zmq.h> may not be included here"),
    (lint("includes.py"), "broker/io/planted.c", '#include "crossdock.pb-c.h"\n', "crossdock.pb-c.h> may not be included"),
    (lint("includes.py"), "broker/core/planted.c", "#include <time.h>\n", "<time.h> may not be included here"),
    (lint("includes.py"), "broker/io/planted.c", '#include "io/nowhere.h"\n', '"io/nowhere.h" is not in the tree'),
    (lint("includes.py"), "client-r/src/planted.c", '#include "wire/msg.h"\n', "new arrow r -> wire"),
    (lint("includes.py"), "client-r/src/planted.c", '#include "base/map.h"\n', "new arrow r -> base"),
    (lint("vendored.py"), "client-r/tools/shared.list", "!broker/io/bus.c\n", "broker/io/bus.c: needed by"),
    (lint("vendored.py"), "proto/base/planted.h", "int x;\n", "planted.h: named by client-r/tools/shared.list, but no file"),
    (lint("vendored.py"), "broker/io/planted.c", "int x;\n", "planted.c: named by client-r/tools/shared.list, but no lib"),
    (lint("vendored.py"), "client-r/src/planted.c", "int x;\n", "planted.c: tests/r/meson.build does not compile it"),
    (lint("documented.sh"), "client-r/R/planted.R", "#' Planted\n#' @export\nplanted <- function() 1\n", "is not current"),
    (lint("text.py"), "broker/io/planted.c", "int x;\n", "no 'SPDX-License-Identifier: MIT'"),
    (lint("text.py"), "planted.md", "see /" + "root/notes\n", "planted.md:1: a path of one machine"),
    (lint("text.py"), "planted.md", "https:/" + "/packages.example.net/x\n", "the host packages.example.net"),
    (lint("text.py"), "planted.md", "no end", "no end of line at the end"),
    (lint("text.py"), "broker/io/planted.c", "/* SPDX-License-Identifier: MIT */\nint x; \n", "space at the end"),
    (lint("links.py"), "planted.md", "[a](nowhere.md)\n", "nowhere.md leads nowhere"),
    (lint("links.py"), "planted.md", "# One\n[a](#two)\n", "no such heading"),
    (lint("versions.py"), "planted.md", "This is crossdock " + "9.8.7.\n", "planted.md: 9.8.7"),
    (lint("versions.py", "PROGRAM"), "planted.md", "x\n", "no version"),
    (lint("symbols.py"), "client-c/include/crossdock.h", "void xd_planted(int a);\n", "xd_planted: declared"),
    (lint("symbols.py"), "client-c/src/crossdock.syms", "xd_planted;\n", "xd_planted: in client-c"),
    (lint("symbols.py", "LIBRARY"), "planted.md", "x\n", "xd_planted_export: exported by"),
    (lint("generated.sh"), "proto/crossdock.proto", "message Planted { uint32 a = 1; }\n", "is not current"),
    (lint("format.sh"), "proto/base/planted.c", "int  f(void){return 1;}\n", "planted.c"),
    (lint("shell.sh"), "planted.sh", "#!/usr/bin/env bash\nrm $1/*\n", "SC2086"),
    (lint("tidy", "BUILD", "proto/base/planted.c"), "proto/base/planted.c",
     "int planted(int a);\nint planted(int a)\n{\n    if (a) return 1;\n    return 0;\n}\n", "braces-around-statements"),
]  # fmt: skip


def copy_of(top, into):
    for name in tree.files(top):
        os.makedirs(os.path.join(into, os.path.dirname(name)), exist_ok=True)
        shutil.copy(os.path.join(top, name), os.path.join(into, name))


def helpers(folder):
    """A library with a name too many, a program without a version, a build folder that knows one file."""
    with open(os.path.join(folder, "x.c"), "w") as f:
        f.write("void xd_planted_export(void);\nvoid xd_planted_export(void)\n{\n}\n")
    library = os.path.join(folder, "libcrossdock.so.0")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(folder, "x.c")], check=True)
    os.mkdir(os.path.join(folder, "build"))
    return {"LIBRARY": library, "PROGRAM": "/bin/false", "BUILD": os.path.join(folder, "build")}


def run(command, names):
    done = subprocess.run([names.get(c, c) for c in command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def judge(case, copy, names):
    """None when the lint found the plant, "skipped" when its tool is absent, else what went wrong."""
    command, path, plant, expected = case
    full = os.path.join(copy, path)
    old = open(full).read() if os.path.exists(full) else None
    helped = {"BUILD", "LIBRARY", "PROGRAM"} & set(command)  # there the plant lies in the helper: no run without it
    before, said_before = run(["true"] if helped else command, names)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "a") as f:
        f.write(plant)
    with open(os.path.join(names["BUILD"], "compile_commands.json"), "w") as f:
        json.dump([{"directory": copy, "file": full, "arguments": ["cc", "-c", full]}], f)
    after, said = run(command, names)
    if old is None:
        os.unlink(full)
    else:
        with open(full, "w") as f:
            f.write(old)
    if after == 77:
        return "skipped"
    if expected in said_before:
        return f"'{expected}' is there without the plant (exit {before})"
    if after == 0 or expected not in said:
        return f"did not find it (exit {after}):\n{said}"
    return None


def main():
    top = tree.root(sys.argv)
    with tempfile.TemporaryDirectory() as work:
        copy = os.path.join(work, "copy")
        copy_of(top, copy)
        names = {"COPY": copy, **helpers(work)}
        count = {"passed": 0, "failed": 0, "skipped": 0}
        for case in APPEND:
            why = judge(case, copy, names)
            kind = "passed" if why is None else "skipped" if why == "skipped" else "failed"
            count[kind] += 1
            print(f"{kind}: {os.path.basename(case[0][1])}: {case[3]}" + (f"\n  {why}" if kind == "failed" else ""))
        print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
        sys.exit(1 if count["failed"] or not count["passed"] else 0)


if __name__ == "__main__":
    main()
