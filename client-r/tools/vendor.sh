#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies the shared C named by shared.list to src/crossdock/, keeping its folders. Only what differs is written, so that
# make compiles no more than that; what is named no longer is removed.
#   tools/vendor.sh [--list]      --list: print the names, copy nothing
set -eu
LC_ALL=C
export LC_ALL
tools=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(CDPATH='' cd -- "$tools/../.." && pwd)
into=$tools/../src/crossdock

# The names shared.list stands for, one a line, sorted.
names() {
    lines=$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$tools/shared.list")
    out=$(printf '%s\n' "$lines" | sed -n 's/^!//p')
    cd "$top"
    for pattern in $(printf '%s\n' "$lines" | sed '/^!/d'); do
        [ -e "$pattern" ] || { echo "vendor.sh: $pattern names nothing" >&2; return 1; }
        printf '%s\n' "$pattern"
    done | sort -u | grep -vxF -- "$out"
}

[ -f "$top/proto/crossdock.proto" ] || {
    echo "vendor.sh: $top is not the crossdock tree, there is nothing to copy from" >&2
    exit 1
}
wanted=$(names)
if [ "${1-}" = --list ]; then
    printf '%s\n' "$wanted"
    exit 0
fi
mkdir -p "$into"
for name in $wanted; do
    cmp -s "$top/$name" "$into/$name" && continue
    mkdir -p "$into/${name%/*}"
    cp "$top/$name" "$into/$name"
done
cd "$into"
# a name that comes once is only here
{ printf '%s\n' "$wanted"; find . -name '*.[ch]' | sed 's|^\./||'; } | sort | uniq -u |
    while IFS= read -r name; do
        rm -f -- "$name" "${name%.c}.o" "${name%.c}.d"
    done
