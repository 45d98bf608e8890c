# SPDX-License-Identifier: MIT
# The figures of coverage.sh.
#   Rscript coverage.R PACKAGE FOLDER      PACKAGE: unpacked from the tarball; FOLDER: where coverage.rds goes
# The environment variable XDT_SUITE is the command that runs the tests.
args <- commandArgs(trailingOnly = TRUE)
log <- file.path(args[2L], "suite.log")
# the shared C has tests of its own, and reading its counters would take longer than the tests
shared <- file.path(args[1L], "src", "crossdock")
counters <- "[.]gc(da|no)$"
code <- c(
  sprintf("system(paste(Sys.getenv('XDT_SUITE'), '>', shQuote('%s'), '2>&1'))", log),
  # what a killed process had begun to write of its counters
  "for (trace in list.files(.libPaths()[1L], '^covr_trace_', full.names = TRUE)) {",
  "  tryCatch(readRDS(trace), error = function(e) unlink(trace))",
  "}",
  sprintf("unlink(list.files('%s', '%s', recursive = TRUE, full.names = TRUE))", shared, counters)
)
coverage <- covr::package_coverage(args[1L], type = "none", code = code, quiet = TRUE, clean = FALSE)
saveRDS(coverage, file.path(args[2L], "coverage.rds"))

lines <- covr::tally_coverage(coverage, by = "line")
lines <- lines[!grepl("^src/crossdock/", lines$filename), ]

# The longest runs of lines that were not reached, "12-34".
gaps <- function(one, most = 3L) {
  one <- one[order(one$line), ]
  runs <- rle(one$value == 0)
  end <- cumsum(runs$lengths)
  begin <- end - runs$lengths + 1L
  missed <- which(runs$values)
  missed <- utils::head(missed[order(-runs$lengths[missed])], most)
  toString(sprintf("%d-%d", one$line[begin[missed]], one$line[end[missed]]))
}

percent <- function(one) 100 * mean(one$value > 0)

files <- split(lines, lines$filename)
files <- files[order(vapply(files, percent, 0))]
for (name in names(files)) {
  cat(sprintf("%5.1f %% of %4d  %-28s %s\n", percent(files[[name]]), nrow(files[[name]]), name, gaps(files[[name]])))
}
is_r <- grepl("^R/", lines$filename)
cat("tests:", utils::tail(readLines(log), 1L), "\n")
cat(sprintf("R %.1f %%, C %.1f %%, both %.1f %%\n", percent(lines[is_r, ]), percent(lines[!is_r, ]), percent(lines)))
