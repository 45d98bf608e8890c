# SPDX-License-Identifier: MIT
# Other processes: R programs of our own, whether a process lives, waiting for what one does.

# Waits until the condition is TRUE; FALSE when that takes too long.
eventually <- function(condition, seconds = 20) {
  condition <- substitute(condition)
  frame <- parent.frame()
  end <- Sys.time() + seconds
  while (!isTRUE(eval(condition, frame))) {
    if (Sys.time() > end) {
      return(FALSE)
    }
    Sys.sleep(0.02)
  }
  TRUE
}

# A process that has ended, but was not waited for, is not alive.
is_alive <- function(pid) {
  vapply(pid, function(one) {
    stat <- sprintf("/proc/%d/stat", one)
    if (!dir.exists("/proc/self")) {
      return(tools::pskill(one, 0L))
    }
    none <- function(condition) ""
    line <- tryCatch(readLines(stat, warn = FALSE), error = none, warning = none)
    nzchar(line) && !grepl("^[0-9]+ \\(.*\\) [ZX]", line)
  }, NA)
}

# Numbers of all processes with this entry in their environment (Linux).
processes_with <- function(entry) {
  pids <- as.integer(grep("^[0-9]+$", list.files("/proc"), value = TRUE))
  has_entry <- function(pid) {
    file <- sprintf("/proc/%d/environ", pid)
    bytes <- tryCatch(
      suppressWarnings(readBin(file, "raw", 1e5)),
      error = function(e) raw(0)
    )
    bytes[bytes == 0] <- charToRaw("\n")
    entry %in% strsplit(rawToChar(bytes), "\n")[[1]]
  }
  pids <- Filter(has_entry, pids)
  pids[is_alive(pids)]
}

# What each of these processes runs.
command_lines <- function(pids) {
  vapply(pids, function(pid) {
    file <- sprintf("/proc/%d/cmdline", pid)
    paste(suppressWarnings(readLines(file, warn = FALSE, skipNul = TRUE)), collapse = "")
  }, "")
}

skip_without_proc <- function() {
  testthat::skip_if_not(dir.exists("/proc/self"), "needs /proc (Linux)")
}

# The environment of R programs: our libraries, nothing of the test runner's.
r_environment <- function(...) {
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  c(paste0("R_LIBS=", libraries), "R_TESTS=", "LC_ALL=C.UTF-8", ...)
}

# Entries for the environment of an R program that finds these packages only, beside R's own.
only_packages <- function(...) {
  library <- tempfile("library-")
  dir.create(library)
  for (package in c(...)) file.symlink(find.package(package), file.path(library, package))
  paste0(c("R_LIBS=", "R_LIBS_SITE=", "R_LIBS_USER="), library)
}

rscript <- function() file.path(R.home("bin"), "Rscript")

# Starts a program in the background, until the frame is left (NULL: until stop_program()): a list
# of pid and file, the latter for its output.
start_program <- function(program, args = character(), env = character(), frame = parent.frame()) {
  file <- tempfile("program-")
  command <- paste(
    "exec env", paste(shQuote(env), collapse = " "), shQuote(program),
    paste(shQuote(args), collapse = " ")
  )
  shell <- sprintf("{ %s; } </dev/null >%s 2>&1 & echo $!", command, shQuote(file))
  process <- list(pid = as.integer(system(shell, intern = TRUE)), file = file)
  if (!is.null(frame)) {
    at_end(stop_program(process), frame)
  }
  process
}

stop_program <- function(process) {
  tools::pskill(process$pid, tools::SIGTERM)
  if (!eventually(!is_alive(process$pid), 5)) {
    tools::pskill(process$pid, tools::SIGKILL)
  }
}

# Does `expr` when the frame is left: that of a function or of a test_that().
at_end <- function(expr, frame = parent.frame()) {
  code <- substitute(expr)
  place <- parent.frame()
  call <- as.call(list(function() eval(code, place)))
  do.call(on.exit, list(call, add = TRUE, after = FALSE), envir = frame)
}

output_of <- function(process) readLines(process$file, warn = FALSE, encoding = "UTF-8")

says <- function(process, text) any(grepl(text, output_of(process), fixed = TRUE))

# R code, given as an expression, to a file.
r_file <- function(code) {
  file <- tempfile("program-", fileext = ".R")
  lines <- if (is.character(code)) code else deparse(code, control = c("keepInteger", "keepNA"))
  writeLines(c("library(crossdock)", lines), file)
  file
}

start_r <- function(code, env = character(), frame = parent.frame()) {
  start_program(rscript(), r_file(code), r_environment(env), frame)
}

# Runs R code in a process of its own to its end: its output, with the attributes status and
# seconds.
run_r <- function(code, env = character(), seconds = 120) {
  process <- start_r(code, env)
  started <- Sys.time()
  ended <- eventually(!is_alive(process$pid), seconds)
  structure(output_of(process), ended = ended, seconds = as.double(Sys.time() - started, "secs"))
}
