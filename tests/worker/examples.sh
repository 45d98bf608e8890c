#!/bin/sh
# SPDX-License-Identifier: MIT
# Run the examples as a reader would: BROKER WORKER SQLITE_EXAMPLE SQLITE_HANDLERS SUBMIT OWN_WORKER.
set -u

broker=$1 worker=$2 sqlite=$3 handlers=$4 submit=$5 own_worker=$6
dir=$(mktemp -d "${TMPDIR:-/tmp}/xdt-examples-XXXXXX") || exit 99
chmod 700 "$dir"
address=ipc://$dir/broker
started=

finish() {
    for pid in $started; do
        kill "$pid" 2>/dev/null
    done
    wait
    rm -rf "$dir"
}
trap finish EXIT

fail() {
    echo "examples.sh: $1" >&2
    cat "$dir"/*.log >&2
    exit 1
}

# wait_line FILE TEXT: until the file has it.
wait_line() {
    for _ in $(seq 1 600); do
        grep -q "$2" "$1" && return 0
        sleep 0.05
    done
    fail "\"$2\" never came"
}

cat >"$dir/expected" <<'TEXT'
the text:
country	cities	people
NO	2	1000000
FI	2	457000
SE	1	362000
the returned database, table result:
  NO | 2 | 1000000
  FI | 2 | 457000
  SE | 1 | 362000
TEXT

# The broker inside the program, the workers started by it.
"$sqlite" --embedded --worker "$worker" --module "$handlers" \
    >"$dir/out" 2>"$dir/embedded.log" || fail "embedded: it failed"
cmp "$dir/out" "$dir/expected" >&2 || fail "embedded: the output differs"

# A broker and two crossdock-worker of their own.
"$broker" --listen "$address" >"$dir/broker.log" 2>&1 &
started="$started $!"
wait_line "$dir/broker.log" "ready address="
for n in 1 2; do
    "$worker" --url "$address" --slots 1 --module "$handlers" >"$dir/worker$n.log" 2>&1 &
    started="$started $!"
    wait_line "$dir/worker$n.log" "ready slots=1"
done
"$sqlite" --url "$address" >"$dir/out" 2>"$dir/standalone.log" ||
    fail "standalone: it failed"
cmp "$dir/out" "$dir/expected" >&2 || fail "standalone: the output differs"

"$sqlite" --url "$address" "SELECT x FROM cities" >"$dir/out" 2>"$dir/bad.log" &&
    fail "bad SQL: no error"
grep -q "sqlite_example: failed: SQL: no such column: x" "$dir/bad.log" ||
    fail "bad SQL: another error"

# The two small programs; what is said here is printed there.
"$own_worker" "$address" 1 2>"$dir/own.log" &
own=$!
"$submit" "$address" "hello there" >"$dir/out" 2>"$dir/submit.log" ||
    fail "submit: it failed"
grep -qx "hello there" "$dir/out" || fail "submit: another text came back"
wait $own || fail "worker: it failed"
echo "all examples ran"
