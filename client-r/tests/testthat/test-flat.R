# SPDX-License-Identifier: MIT
# Round after round of the same leaves memory, descriptors, threads and files where they were.
# Small here; CROSSDOCK_LONG=1: rounds of 10,000 tasks, of 200 profiles, of 100 everywhere().

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
  rounds <- function(name, count, once, pids = integer(), warm = 2L) {
    for (i in seq_len(warm)) once()
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

# The figures that grew beyond these bounds, as text; none: character(). Memory in KiB; of all else
# there must be no more than before.
grown <- function(output, memory, daemon_memory = memory) {
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

test_that("tasks", {
  skip_without_proc()
  # 10,000 that ended are remembered (tasks()): the first rounds fill that
  output <- run_rounds(quote({
    size <- if (is_long) 10000L else 2000L
    daemons(2)
    pids <- unlist(everywhere(Sys.getpid())[])
    rounds("tasks", if (is_long) 12L else 9L, function() {
      half <- size %/% 2L
      collect_mirai(lapply(seq_len(half), function(i) mirai(x, x = i)))
      stopifnot(identical(mirai_map(seq_len(half), identity)[.flat], seq_len(half)))
    }, pids, warm = if (is_long) 3L else 7L)
    daemons(0)
  }))
  expect_true("end" %in% output)
  # six or eight rounds lie between: a block of 100 bytes left by each task would be 1.2 MB of
  # 12,000 tasks, 8 MB of 80,000
  expect_identical(grown(output, if (is_long) 4096 else 1024), character())
})

test_that("tasks of every kind", {
  skip_without_proc()
  output <- run_rounds(quote({
    size <- if (is_long) 1000L else 150L
    daemons(2, serial = serial_config("pointer", function(x) raw(1), function(x) 1))
    pids <- unlist(everywhere(Sys.getpid())[])
    rounds("kinds", 9L, function() {
      m <- lapply(seq_len(size), function(i) {
        list(
          mirai(stop("no")), mirai(Sys.sleep(60)), mirai(1, .timeout = 60000), mirai(x, x = raw(2e4)),
          mirai({
            cat("said\n")
            crossdock::progress(0.5)
            crossdock::emit(raw(1e4))
          })
        )
      })
      m <- unlist(m, recursive = FALSE)
      for (i in seq_along(m)) if (i %% 5L == 2L) stop_mirai(m[[i]])
      on_event(m[5L], emit = function(value) NULL)
      collect_mirai(m)
      explain(m[[1L]])
      tasks()
      rm(m)
    }, pids, warm = if (is_long) 12L else 15L)
    daemons(0)
  }))
  expect_true("end" %in% output)
  expect_identical(grown(output, if (is_long) 8192 else 2048), character())
})

test_that("everywhere()", {
  skip_without_proc()
  output <- run_rounds(quote({
    daemons(2)
    pids <- unlist(everywhere(Sys.getpid())[])
    rounds("everywhere", if (is_long) 24L else 9L, function() {
      for (i in 1:100) everywhere(value <<- i, i = i)[]
    }, pids, warm = 3L)
    daemons(0)
  }))
  expect_true("end" %in% output)
  # 600 calls lie between, or 1,600: 1 KB left by each would be more than this
  expect_identical(grown(output, 384), character())
})

test_that("profiles that come and go", {
  skip_without_proc()
  output <- run_rounds(quote({
    size <- if (is_long) 200L else 5L
    rounds("profiles", if (is_long) 6L else 9L, function() {
      for (i in seq_len(size)) {
        name <- paste0("profile-", i)
        daemons(1, .compute = name)
        stopifnot(identical(mirai("on", .compute = name)[], "on"))
        daemons(0, .compute = name)
      }
    }, warm = if (is_long) 1L else 3L)
  }))
  expect_true("end" %in% output)
  # 30 profiles lie between, or 800: 35 KB, or 4 KB, left by each would be more than this. Threads
  # come and go with a profile, and with them arenas of the allocator
  expect_identical(grown(output, if (is_long) 3072 else 1024), character())
})

test_that("profiles without daemons, clusters, ephemeral tasks, listeners", {
  skip_without_proc()
  output <- run_rounds(quote({
    rounds("others", if (is_long) 30L else 9L, function() {
      for (i in 1:5) {
        name <- paste0("profile-", i)
        daemons(url = local_url(), .compute = name)
        mirai(1, .compute = name)
        daemons(0, .compute = name)
        daemons(sync = TRUE, .compute = name)
        mirai(1, .compute = name)
        daemons(0, .compute = name)
      }
      stop_cluster(make_cluster(1))
      mirai(1)[]
    }, warm = 3L)
  }))
  expect_true("end" %in% output)
  expect_identical(grown(output, if (is_long) 2048 else 512), character())
})
