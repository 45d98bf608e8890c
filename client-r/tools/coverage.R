# SPDX-License-Identifier: MIT
# How much of the R package its tests run: of R/ and of its own C in src/; the shared C is measured by nobody here. What
# daemons run counts, too, where they end by themselves.
#   Rscript tools/coverage.R [NAME...]      NAME: only these files of tests, as in "serial" for test-serial.R
# Takes about as long as tests/run --only r twice. Needs covr (Debian: r-cran-covr). The last line is the percentage.
package <- normalizePath(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))), ".."))
names <- commandArgs(trailingOnly = TRUE)
filter <- if (length(names)) sprintf("^(%s)$", paste(names, collapse = "|")) else ""
tests <- sprintf(
  "testthat::test_dir('%s', filter = '%s', package = 'crossdock', load_package = 'installed', reporter = 'summary')",
  file.path(package, "tests", "testthat"), filter
)
copy <- file.path(tempdir(), "crossdock")
dir.create(copy)
stopifnot(system2("sh", file.path(package, "tools", "vendor.sh")) == 0L)
file.copy(list.files(package, full.names = TRUE), copy, recursive = TRUE)
unlink(file.path(copy, "vignettes"), recursive = TRUE)
coverage <- covr::package_coverage(
  copy, type = "none", code = tests, quiet = FALSE, line_exclusions = list.files(
    file.path(copy, "src", "crossdock"), "[.][ch]$", recursive = TRUE, full.names = TRUE
  )
)
print(coverage)
cat(sprintf("%.1f%% of the lines\n", covr::percent_coverage(coverage)))
