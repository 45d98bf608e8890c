#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Own C files have clang-format-14's layout. Left out: generated code, and the measuring programs taken over whole.
#   format.sh [ROOT]
set -eu
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=${1:-$here/../..}
command -v clang-format-14 >/dev/null || { echo "format: skipped, no clang-format-14 here"; exit 77; }
cd "$top"
mapfile -t files < <(python3 "$here/tree.py" . .c .h |
    grep -vE '^proto/gen/|^tests/bench/(side|net)\.h$|^tests/bench/(zmq_floor|nats_side|beanstalk_side|gearman_side)\.c$')
[ ${#files[@]} -gt 0 ] || { echo "format: nothing to look at; the lint itself is broken"; exit 1; }
clang-format-14 --dry-run --Werror "${files[@]}"
echo "format: ${#files[@]} files"
