# SPDX-License-Identifier: MIT
# Runs one file of tests against the installed package; says what failed and why something was skipped.
#   Rscript one.R FOLDER NAME      the last line: tests passed, failed, skipped
library(testthat)
options(warn = 1, crossdock.testing = TRUE)

args <- commandArgs(trailingOnly = TRUE)
results <- test_dir(
  args[1L],
  filter = paste0("^\\Q", args[2L], "\\E$"), perl = TRUE,
  package = "crossdock", load_package = "installed", reporter = "silent", stop_on_failure = FALSE
)

is_bad <- function(x) inherits(x, c("expectation_failure", "expectation_error"))
is_skip <- function(x) inherits(x, "expectation_skip")

say <- function(kind, test, x) {
  place <- if (is.null(x$srcref)) "" else paste0(":", x$srcref[1L])
  text <- gsub("\n", "\n    ", trimws(conditionMessage(x)))
  cat(sprintf("  %s: %s%s: %s\n    %s\n", kind, test$file, place, test$test, text))
}

counts <- c(passed = 0L, failed = 0L, skipped = 0L)
for (test in results) {
  bad <- Filter(is_bad, test$results)
  skip <- Filter(is_skip, test$results)
  for (x in bad) say("failed", test, x)
  for (x in skip) say("skipped", test, x)
  kind <- if (length(bad)) "failed" else if (length(skip)) "skipped" else "passed"
  counts[kind] <- counts[kind] + 1L
}
cat(counts, "\n")
