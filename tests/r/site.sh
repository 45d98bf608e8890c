#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the site of the R package with pkgdown (Debian: r-cran-pkgdown), of the installed package; nothing is asked of a
# network. Not part of a test run.
#   site.sh FOLDER      where it goes; R_LIBS names the library where the package is
set -eu
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "usage: site.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd -- "$1" && pwd)
work=$(mktemp -d /tmp/xdr-XXXXXX) # pkgdown writes into the package: a copy, and short, as sockets are made in it
trap 'rm -rf -- "$work"' EXIT
mkdir -m 700 "$work/run" "$work/state"
cp -R "$here/../../client-r" "$work/crossdock"
rm -rf "$work/crossdock/src" # it is installed
XDG_RUNTIME_DIR=$work/run CROSSDOCK_STATE=$work/state Rscript --vanilla - "$work/crossdock" "$folder" <<'R'
options(pkgdown.internet = FALSE)
args <- commandArgs(trailingOnly = TRUE)
pkgdown::build_site(
  args[1L], override = list(destination = args[2L]), install = FALSE, new_process = FALSE, preview = FALSE
)
R
echo "$folder/index.html"
