# SPDX-License-Identifier: MIT
# Tests of what the broker decides: with the one inside the session, and with one of its own.

# `code` is evaluated in a test for each kind of broker. It sets daemons up by start(...), which
# takes arguments of daemons(); they end with the test.
both_brokers <- function(what, code) {
  code <- substitute(code)
  run <- function(broker, frame) {
    place <- new.env(parent = frame)
    place$start <- function(n = 1, ...) {
      at_end(daemons(0), frame)
      if (is.null(broker)) daemons(n, ...) else daemons(n, ..., broker = broker)
    }
    eval(code, place)
  }
  test_that(paste0(what, " (embedded broker)"), run(NULL, environment()))
  test_that(paste0(what, " (standalone broker)"), {
    skip_without_programs()
    run(start_broker()$url, environment())
  })
}

# Keeps the only daemon busy until its gate opens.
close_gate <- function(...) {
  gate <- new_gate()
  gate$task <- mirai(wait_at(path), wait_at = wait_at, path = gate$path, ..., .class = "gate")
  stopifnot(eventually(gate$is_entered()))
  gate
}

# For tasks: add a line to a file, give the number of its lines.
note <- function(file, what = "x") {
  cat(what, "\n", sep = "", file = file, append = TRUE)
  length(readLines(file))
}
environment(note) <- globalenv()

noted <- function(file) if (file.exists(file)) readLines(file) else character()
