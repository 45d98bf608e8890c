#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the site of the R package, as _pkgdown.yml says: its pages, vignettes and news as HTML.
#   tools/site.sh [FOLDER]      FOLDER: where to put it, else docs/ beside here
# Needs pkgdown and rmarkdown (Debian: r-cran-pkgdown, r-cran-rmarkdown), and the package installed, whose examples run.
set -eu
tools=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-$tools/../docs}
mkdir -p "$folder"
folder=$(CDPATH='' cd -- "$folder" && pwd)
Rscript -e '
args <- commandArgs(TRUE)
package <- pkgdown::as_pkgdown(args[1], override = list(destination = args[2]))
pkgdown::check_pkgdown(package)
pkgdown::build_site(package, install = FALSE, new_process = FALSE, preview = FALSE, devel = FALSE)
' "$tools/.." "$folder"
echo "$folder/index.html"
