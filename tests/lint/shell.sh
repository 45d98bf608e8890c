#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every shell script passes shellcheck.
#   shell.sh [ROOT]
set -eu
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=${1:-$here/../..}
command -v shellcheck >/dev/null || { echo "shell: skipped, no shellcheck here"; exit 77; }
cd "$top"
scripts=()
while IFS= read -r name; do
    case $name in tests/fuzz/corpus/*) continue ;; esac
    read -r first 2>/dev/null <"$name" || true
    case ${first-} in
        '#!'*bash* | '#!/bin/sh'*) scripts+=("$name") ;;
    esac
done < <(python3 "$here/tree.py" . '')
[ ${#scripts[@]} -gt 0 ] || { echo "shell: nothing to look at; the lint itself is broken"; exit 1; }
shellcheck --severity=style --external-sources "${scripts[@]}"
echo "shell: ${#scripts[@]} scripts"
