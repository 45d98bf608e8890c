# SPDX-License-Identifier: MIT
# A page's R programs, the blocks marked `r`, print what the lines of `#>` in them say. Each runs in a process of its own.
#   Rscript readme.R README.md      the last line: "P passed, F failed, S skipped"

blocks_of <- function(page) {
  lines <- readLines(page, encoding = "UTF-8")
  begins <- which(lines == "```r")
  ends <- vapply(begins, function(b) b + which(lines[-seq_len(b)] == "```")[1L], 0L)
  Map(function(from, to) lines[seq(from + 1L, to - 1L)], begins, ends)
}

# What source() prints of the values, and what the program prints itself.
printed <- function(block) {
  file <- tempfile(fileext = ".R")
  writeLines(block, file)
  call <- sprintf("source('%s', print.eval = TRUE)", file)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(call)), stdout = TRUE, timeout = 120))
}

promised <- function(block) sub("^#> ?", "", grep("^#>", block, value = TRUE))

passes <- function(block) {
  got <- printed(block)
  ok <- is.null(attr(got, "status")) && identical(as.vector(got), promised(block))
  if (!ok) {
    cat("it printed:", got, "instead of:", promised(block), sep = "\n")
  }
  ok
}

blocks <- blocks_of(commandArgs(trailingOnly = TRUE)[1L])
results <- vapply(blocks, passes, NA)
cat(sprintf("%d passed, %d failed, 0 skipped\n", sum(results), sum(!results)))
quit(status = if (length(results) && all(results)) 0L else 1L)
