#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs the R package with the shared C in it, so that it installs without the tree. The last line names the file.
#   tools/tarball.sh [FOLDER]      FOLDER: where to put it, else here
set -eu
tools=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(CDPATH='' cd -- "${1:-.}" && pwd)
sh "$tools/vendor.sh"
cd "$folder"
R CMD build "$tools/.."
echo "$folder/crossdock_$(sed -n 's/^Version: *//p' "$tools/../DESCRIPTION").tar.gz"
