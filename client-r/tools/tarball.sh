#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs the R package with the shared C in it, so that it installs without the tree. The last line names the file.
#   tools/tarball.sh [--no-vignettes] [FOLDER]      FOLDER: where to put it, else here
# The vignettes are made where knitr, rmarkdown and pandoc are there (Debian: r-cran-rmarkdown, pandoc); else it says so.
set -eu
tools=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
no_vignettes=
if [ "${1-}" = --no-vignettes ]; then
    no_vignettes=--no-build-vignettes
    shift
fi
folder=$(CDPATH='' cd -- "${1:-.}" && pwd)
sh "$tools/vendor.sh"
cd "$folder"
can='quit(status = !(requireNamespace("rmarkdown", quietly = TRUE) && rmarkdown::pandoc_available("1.12.3")))'
if [ -z "$no_vignettes" ] && ! Rscript -e "$can" >/dev/null 2>&1; then
    echo "tarball.sh: without vignettes: rmarkdown or pandoc is missing"
    no_vignettes=--no-build-vignettes
fi
R CMD build ${no_vignettes:+"$no_vignettes"} "$tools/.."
echo "$folder/crossdock_$(sed -n 's/^Version: *//p' "$tools/../DESCRIPTION").tar.gz"
