# SPDX-License-Identifier: MIT
# lintr's default linters over the R package, but for what client-r/.lintr takes out, with the reasons.
#   Rscript lint.R PACKAGE      a line for each finding; the last line: "P passed, F failed, S skipped", one item for a file

if (!requireNamespace("lintr", quietly = TRUE)) {
  cat("skipped: package lintr is missing (Debian: r-cran-lintr)\n0 passed, 0 failed, 1 skipped\n")
  quit()
}
package <- commandArgs(trailingOnly = TRUE)[1L]
setwd(package)
found <- as.data.frame(lintr::lint_package("."))
cat(sprintf("%s:%d: %s (%s)\n", found$filename, found$line_number, found$message, found$linter), sep = "")
files <- length(list.files(c("R", "tests"), "[.]R$", recursive = TRUE))
failed <- length(unique(found$filename))
cat(sprintf("%d passed, %d failed, 0 skipped\n", files - failed, failed))
quit(status = as.integer(failed > 0L))
