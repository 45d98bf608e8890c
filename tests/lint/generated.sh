#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# proto/gen/ is what protoc-c makes of proto/crossdock.proto today.
#   generated.sh [ROOT]      exit 77 (skipped) when protoc-c is absent or of another version than the one in the file
set -eu
top=${1:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)}
gen=$top/proto/gen/crossdock.pb-c.h

[ -f "$gen" ] || { echo "generated: proto/gen/crossdock.pb-c.h is missing"; exit 1; }
command -v protoc-c >/dev/null || { echo "generated: skipped, no protoc-c here"; exit 77; }
# "#elif 1004001 < PROTOBUF_C_MIN_COMPILER_VERSION" in the file, "protobuf-c 1.4.1" from the program
made_by=$(sed -n 's/^#elif \([0-9]*\) < PROTOBUF_C_MIN_COMPILER_VERSION$/\1/p' "$gen")
here=$(protoc-c --version |
    awk '$1 == "protobuf-c" { split($2, v, "."); printf "%d", v[1] * 1000000 + v[2] * 1000 + v[3] }')
if [ "$made_by" != "$here" ]; then
    echo "generated: skipped, the file was made by protoc-c $made_by and this is $here"
    exit 77
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
(cd "$top/proto" && protoc-c --c_out="$fresh" crossdock.proto)
for name in crossdock.pb-c.c crossdock.pb-c.h; do
    if ! diff -u "$top/proto/gen/$name" "$fresh/$name"; then
        echo "generated: proto/gen/$name is not current; run: cd proto && protoc-c --c_out=gen crossdock.proto"
        exit 1
    fi
done
echo "generated: 2 files are current"
