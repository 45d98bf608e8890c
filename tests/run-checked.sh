#!/bin/sh
# SPDX-License-Identifier: MIT
# run-checked.sh asan|valgrind|plain COMMAND...: run a test, and fail when any process of it left a report.
# Criterion forks each test and does not hear what a sanitizer or valgrind says when the child ends, so every
# process writes its reports to a file of its own.
set -u

mode=${1:?"usage: run-checked.sh asan|valgrind|plain COMMAND..."}
shift
here=$(cd "$(dirname "$0")" && pwd) || exit 99
reports=$(mktemp -d "${TMPDIR:-/tmp}/xd-reports-XXXXXX") || exit 99
trap 'rm -rf "$reports"' EXIT
trap 'exit 130' INT TERM

case $mode in
plain)
    "$@"
    ;;
asan)
    XDT_SLOW=1 \
        ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}:log_path=$reports/asan" \
        UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}:log_path=$reports/ubsan" \
        LSAN_OPTIONS="${LSAN_OPTIONS:-print_suppressions=0}:suppressions=$here/support/lsan.supp:log_path=$reports/lsan" \
        TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=0}:suppressions=$here/support/tsan.supp:log_path=$reports/tsan" \
        "$@"
    ;;
valgrind)
    # Scripts and interpreters are followed too, but their own leaks are not ours.
    XDT_SLOW=1 valgrind --quiet --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --trace-children=yes \
        --trace-children-skip='*/sh,*/bash,*/python3*,*/env' \
        --log-file="$reports/vg.%p" "$@"
    ;;
*)
    echo "run-checked.sh: unknown mode $mode" >&2
    exit 99
    ;;
esac
status=$?

for report in "$reports"/*; do
    # valgrind's remarks on itself ("--PID-- unhandled syscall") are no reports
    if [ -s "$report" ] && { [ "$mode" != valgrind ] || grep -q '^==' "$report"; }; then
        echo "--- report of one process ---" >&2
        cat "$report" >&2
        [ "$status" -ne 0 ] && [ "$status" -ne 77 ] || status=1
    fi
done
exit "$status"
