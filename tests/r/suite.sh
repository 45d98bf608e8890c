#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the R package from the tree and runs its tests, each file in an R process of its own, which may leave nothing
# behind: no process, no socket, no file in the temporary directory.
#   suite.sh LIBRARY [FILE...]      LIBRARY: where to install; FILE: only these, as in "serial" for test-serial.R
# R_LIBS names further libraries. CROSSDOCK_BUILD names a meson build directory, whose programs (a broker, workers, the
# command line) some tests need: without it they are skipped, saying so. CROSSDOCK_LONG=1: sizes that take long and
# want a machine with 24 GB of memory. CROSSDOCK_INSTALLED=1: the package is in R_LIBS already (coverage.sh). The last
# line is "P passed, F failed, S skipped".
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
package=$here/../../client-r
mkdir -p "$1"
library=$(cd -- "$1" && pwd)
shift
export R_LIBS="$library${R_LIBS:+:$R_LIBS}" MAKEFLAGS=${MAKEFLAGS:--j$(nproc)}
if [ -n "${CROSSDOCK_BUILD-}" ]; then
    build=$(cd -- "$CROSSDOCK_BUILD" && pwd) || exit 2
    export CROSSDOCK_BROKER_PROGRAM=$build/broker/crossdock-broker CROSSDOCK_WORKER_PROGRAM=$build/worker/crossdock-worker
    export CROSSDOCK_PROGRAM=$build/client-c/cli/crossdock CROSSDOCK_MODULE=$build/client-c/examples/sqlite_handlers.so
    for program in "$CROSSDOCK_BROKER_PROGRAM" "$CROSSDOCK_WORKER_PROGRAM" "$CROSSDOCK_PROGRAM" "$CROSSDOCK_MODULE"; do
        [ -x "$program" ] || { echo "suite.sh: $program is not built" >&2; exit 2; }
    done
fi
passed=0 failed=0 skipped=0
limit=300 # seconds for a file
[ -z "${CROSSDOCK_LONG-}" ] || limit=7200
work=$(mktemp -d /tmp/xdr-XXXXXX) # short: sockets are made in it
trap 'rm -rf -- "$work"' EXIT
export CROSSDOCK_STATE=$work/state # not the user's keys
mkdir -m 700 "$CROSSDOCK_STATE"
unset CROSSDOCK_URL CROSSDOCK_SERVER_KEY CROSSDOCK_KEY_FILE CROSSDOCK_PROFILE

if [ -z "${CROSSDOCK_INSTALLED-}" ] &&
    ! R CMD INSTALL --no-docs --library="$library" "$package" >"$work/install.log" 2>&1; then
    tail -n 25 "$work/install.log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

# pids of processes that began in this run of one file
descendants() {
    grep -lsz "^CROSSDOCK_TEST_RUN=$1\$" /proc/[0-9]*/environ | sed -n 's|^/proc/\([0-9]*\)/.*|\1|p'
}

# What the file left in its directories and in the process table, after five seconds of grace at most.
left_behind() {
    local mark=$1 folder=$2 end=$((SECONDS + 5)) pids
    while pids=$(descendants "$mark") && [ -n "$pids" ] && [ $SECONDS -lt $end ]; do
        sleep 0.1
    done
    for pid in $pids; do
        printf 'process %s: %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-150)"
        kill -KILL "$pid"
    done
    find "$folder" -mindepth 1 ! -type d -printf 'file %P\n'
}

# What R said when it ended badly: where it crashed, and with what it was busy; else its last lines.
how_it_ended() {
    local log=$1 at
    at=$(grep -a -n -m 1 -F '*** caught ' "$log" | cut -d : -f 1)
    if [ -z "$at" ]; then
        tail -n 40 "$log"
        return
    fi
    sed -n "$((at > 10 ? at - 10 : 1)),$((at + 44))p" "$log" | cut -c 1-400
    echo "  (the last lines:)"
    tail -n 5 "$log" | cut -c 1-400
}

run_file() {
    local name=$1 mark folder log=$work/$1.log began=$SECONDS p=0 f=1 s=0 left
    mark=$$-$name
    folder=$work/$name
    mkdir -m 700 "$folder" "$folder/tmp" "$folder/run"
    CROSSDOCK_TEST_RUN=$mark TMPDIR=$folder/tmp XDG_RUNTIME_DIR=$folder/run \
        timeout --kill-after=10 "$limit" Rscript --vanilla "$here/one.R" "$package/tests/testthat" "$name" >"$log" 2>&1
    code=$?
    if [ $code -eq 0 ]; then
        read -r p f s < <(tail -n 1 "$log")
        sed '$d' "$log"
    else
        echo "  R ended with exit code $code (124: time is up)"
        how_it_ended "$log"
    fi
    left=$(left_behind "$mark" "$folder")
    if [ -n "$left" ]; then
        printf '%s\n' "$left" | sed 's/^/  left behind: /'
        f=$((f + 1))
    fi
    echo "$name: $p passed, $f failed, $s skipped in $((SECONDS - began)) s"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

[ $# -gt 0 ] || mapfile -t names < <(find "$package/tests/testthat" -name 'test-*.R' -printf '%f\n' | sort)
[ $# -eq 0 ] || names=("$@")
for name in "${names[@]}"; do
    name=${name#test-}
    run_file "${name%.R}"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
