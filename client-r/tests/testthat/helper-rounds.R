# SPDX-License-Identifier: MIT
# Round after round of the same, and what it leaves: memory, descriptors, threads, files. Small,
# or with CROSSDOCK_LONG=1 rounds of 10,000 tasks, of 200 profiles, of 100 everywhere().

# Runs in a process of its own. `once` is a round; what it costs the session and its daemons is
# read after each.
measuring <- quote({
  is_long <- nzchar(Sys.getenv("CROSSDOCK_LONG"))
  resident <- function(pid) { # KiB
    lines <- readLines(sprintf("/proc/%d/status", pid), warn = FALSE)
    as.double(gsub("[^0-9]", "", grep("^VmRSS", lines, value = TRUE)))
  }
  entries <- function(pid, what) length(list.files(sprintf("/proc/%d/%s", pid, what)))
  # named numbers: what the processes have, and the directories of sockets and temporary files;
  # garbage is none of it
  look <- function(pids) {
    for (i in 1:2) gc()
    if (length(pids)) everywhere(for (i in 1:2) gc())[]
    own <- Sys.getpid()
    folders <- c(Sys.getenv("XDG_RUNTIME_DIR"), tempdir())
    c(
      session = resident(own), fds = entries(own, "fd"), threads = entries(own, "task"),
      files = length(list.files(folders, all.files = TRUE, recursive = TRUE)),
      daemons = sum(0, vapply(pids, resident, 0)),
      daemon_fds = sum(0L, vapply(pids, entries, 0L, "fd")),
      daemon_threads = sum(0L, vapply(pids, entries, 0L, "task")),
      children = length(system(sprintf("ps -o pid= --ppid %d", own), intern = TRUE))
    )
  }
  # Prints a line for each figure: the least in the first third of the rounds, and how much
  # more that is in the last. What comes and goes is above the least; what is lost raises it.
  # Rounds of double size come first, so that what is kept for use again is there.
  rounds <- function(name, count, once, pids = integer(), warm = 2L) {
    for (i in seq_len(warm)) once(2L)
    seen <- t(vapply(seq_len(count), function(i) {
      once()
      look(pids)
    }, look(pids)))
    third <- count %/% 3L
    first <- apply(seen[seq_len(third), , drop = FALSE], 2L, min)
    last <- apply(seen[count + 1L - seq_len(third), , drop = FALSE], 2L, min)
    cat(sprintf("%s %s %.0f %.0f\n", name, names(first), first, last - first), sep = "")
  }
})

# The figures that grew beyond these bounds, as text; none: character(). Memory in KiB, of the
# session and of two daemons; of all else there must be no more than before.
grown <- function(output, memory, daemon_memory = 2 * memory) {
  rows <- utils::read.table(text = grep("^[a-z]+ [a-z_]+ [0-9]+ -?[0-9]+$", output, value = TRUE))
  names(rows) <- c("name", "what", "first", "growth")
  testthat::expect_gt(nrow(rows), 0)
  bounds <- c(session = memory, daemons = daemon_memory)
  bound <- ifelse(rows$what %in% names(bounds), bounds[rows$what], 0)
  bad <- rows$growth > bound
  sprintf("%s: %s from %d by %d", rows$name, rows$what, rows$first, rows$growth)[bad]
}

run_rounds <- function(code) {
  run_r(bquote({
    .(measuring)
    .(code)
    cat("end\n")
  }), seconds = if (is_long) 1500 else 200)
}

is_long <- nzchar(Sys.getenv("CROSSDOCK_LONG"))
