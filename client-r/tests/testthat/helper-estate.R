# SPDX-License-Identifier: MIT
# What a process has, before and after.

# KiB of resident memory now ("VmRSS"), or the most there was ("VmHWM").
memory_of <- function(pid, what) {
  status <- readLines(sprintf("/proc/%d/status", pid))
  as.numeric(gsub("[^0-9]", "", grep(paste0("^", what, ":"), status, value = TRUE)))
}

# That memory, and descriptors.
take_stock <- function(pid) {
  c(memory_of(pid, "VmRSS"), length(list.files(sprintf("/proc/%d/fd", pid))))
}

# `slack`: KiB that it may have more. Descriptors of connections that have just ended take a moment.
expect_no_more <- function(whose, then, pid, slack) {
  ended <- eventually(all(take_stock(pid) <= then + c(slack, 0)), 10)
  now <- take_stock(pid)
  cat(sprintf(
    "  %s: %.0f KiB and %.0f descriptors, then %.0f KiB and %.0f\n",
    whose, then[[1]], then[[2]], now[[1]], now[[2]]
  ))
  testthat::expect_true(ended, label = paste(whose, "has no more than before"))
}

# Numbers of the broker's status, by their names.
counter <- function(url, names) {
  program <- Sys.getenv("CROSSDOCK_PROGRAM")
  said <- paste(system2(program, c("status", "--json", "--url", url), stdout = TRUE), collapse = "")
  number <- function(name) as.numeric(sub(sprintf(".*\"%s\": *([0-9]+).*", name), "\\1", said))
  vapply(names, number, 0)
}
