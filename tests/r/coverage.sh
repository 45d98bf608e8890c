#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How much of the R package its tests run, R and C, in the session and in daemons, by package covr (Debian: r-cran-covr).
# Not part of a test run: all tests once more, compiled without optimization.
#   coverage.sh FOLDER [FILE...]      FOLDER: for coverage.rds; FILE: only these tests, as in "serial" for test-serial.R
# R_LIBS names the libraries with what the tests need, CROSSDOCK_BUILD a meson build directory, as for suite.sh. Prints
# a line for each source file, the worst first, with the longest runs of lines that no test reached; last the figures.
# What a process that was killed had run is not counted.
set -eu
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { echo "usage: coverage.sh FOLDER [FILE...]" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd -- "$1" && pwd)
shift
work=$(mktemp -d /tmp/xdr-XXXXXX)
trap 'rm -rf -- "$work"' EXIT
bash "$here/../../client-r/tools/tarball.sh" --no-vignettes "$work" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log"; exit 1; }
tar -xzf "$work"/crossdock_*.tar.gz -C "$work"
export CROSSDOCK_INSTALLED=1 # by covr, with counters
XDT_SUITE="bash '$here/suite.sh' '$work/unused' $*" TMPDIR=$work MAKEFLAGS=${MAKEFLAGS:--j$(nproc)} \
    Rscript --vanilla "$here/coverage.R" "$work/crossdock" "$folder"
