# SPDX-License-Identifier: MIT
# The package's example programs, which say in comments what they print.

example_file <- function(name) {
  system.file("examples", paste0(name, ".R"), package = "crossdock", mustWork = TRUE)
}

# What differs between releases of other packages, widths of a terminal, and random numbers:
# spaces, lengths of rules, numbers of four digits.
normal_lines <- function(lines) {
  lines <- gsub("([\u2500\u2550])+", "\\1", enc2utf8(lines))
  lines <- gsub("-?[0-9]\\.[0-9]{4}\\b", "N", lines)
  lines <- trimws(gsub("[[:space:]]+", " ", chartr("\u2018\u2019", "''", lines)))
  # the optimizer's, and a note of arrow builds on loading
  lines <- lines[!grepl("^(deep_clone|zero_grad|initialize): function|^lr = 0.01", lines)]
  lines[nzchar(lines) & !grepl("^Some features are not enabled in this build of Arrow", lines)]
}

promised_lines <- function(name) {
  lines <- readLines(example_file(name), encoding = "UTF-8")
  normal_lines(sub("^#>", "", grep("^#>", lines, value = TRUE)))
}

# Runs the program as it stands; `daemons` may replace the function of that name, as text.
run_example <- function(name, daemons = NULL, env = character()) {
  code <- c(
    if (!is.null(daemons)) paste("daemons <-", daemons),
    sprintf("source('%s', encoding = 'UTF-8', print.eval = TRUE, local = TRUE)", example_file(name))
  )
  run_r(c("local({", code, "})"), env)
}

expect_promised_output <- function(name, ...) {
  output <- run_example(name, ...)
  testthat::expect_true(attr(output, "ended"), label = paste(name, "ended"))
  testthat::expect_identical(normal_lines(c(output)), promised_lines(name))
}

skip_without <- function(...) {
  for (package in c(...)) testthat::skip_if_not_installed(package)
}

skip_without_torch <- function() {
  testthat::skip_if_not_installed("torch")
  works <- tryCatch(torch::torch_is_installed(), error = function(e) FALSE)
  testthat::skip_if_not(works, "torch has no libtorch here; see the test with the stand-in")
}

# A library with the stand-ins for torch and polars, made once; as an entry for R_LIBS.
standin_libraries <- local({
  library <- NULL
  function() {
    if (is.null(library)) {
      made <- tempfile("standins-")
      dir.create(made)
      sources <- list.files(testthat::test_path("standins"), full.names = TRUE)
      options <- c("CMD", "INSTALL", "--no-docs", "--no-byte-compile", "--no-test-load", "-l", made)
      log <- tempfile()
      program <- file.path(R.home("bin"), "R")
      status <- system2(program, c(options, sources), stdout = log, stderr = log)
      if (status != 0) {
        stop(paste(readLines(log), collapse = "\n"))
      }
      library <<- made
    }
    paste0("R_LIBS=", paste(c(library, .libPaths()), collapse = .Platform$path.sep))
  }
})
