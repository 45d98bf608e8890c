#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes man/ and NAMESPACE from the comments of R/, with roxygen2 (Debian: r-cran-roxygen2).
#   tools/document.sh [FOLDER]      FOLDER: another copy of the package
set -eu
folder=${1:-$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)}
# "source": nothing needs to be compiled for it
Rscript --vanilla -e 'roxygen2::roxygenise(commandArgs(TRUE)[1], load_code = "source")' "$folder"
