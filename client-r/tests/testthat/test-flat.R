# SPDX-License-Identifier: MIT
# Rounds of tasks leave memory, descriptors, threads and files where they were; see helper-rounds.R.

test_that("tasks", {
  skip_without_proc()
  # 10,000 that ended are remembered (tasks()): the first rounds fill that
  output <- run_rounds(quote({
    size <- if (is_long) 10000L else 2000L
    daemons(2)
    pids <- unlist(everywhere(Sys.getpid())[])
    rounds("tasks", if (is_long) 12L else 9L, function(times = 1L) {
      half <- times * size %/% 2L
      collect_mirai(lapply(seq_len(half), function(i) mirai(x, x = i)))
      stopifnot(identical(mirai_map(seq_len(half), identity)[.flat], seq_len(half)))
    }, pids, warm = if (is_long) 3L else 4L)
    daemons(0)
  }))
  expect_true("end" %in% output)
  # 12,000 tasks lie between, or 80,000: 200 bytes left by each would be 2.4 MB, or 16 MB. On a busy
  # machine more tasks lie in queues than before, which is kept memory
  expect_identical(grown(output, if (is_long) 6144 else 2048), character())
})

test_that("tasks of every kind", {
  skip_without_proc()
  output <- run_rounds(quote({
    size <- if (is_long) 1000L else 150L
    daemons(2, serial = serial_config("pointer", function(x) raw(1), function(x) 1))
    pids <- unlist(everywhere(Sys.getpid())[])
    rounds("kinds", 9L, function(times = 1L) {
      m <- lapply(seq_len(times * size), function(i) {
        list(
          mirai(stop("no")), mirai(Sys.sleep(60)), mirai(1, .timeout = 60000),
          mirai(x, x = raw(2e4)),
          mirai({
            cat("said\n")
            crossdock::progress(0.5)
            crossdock::emit(raw(1e4))
          })
        )
      })
      m <- unlist(m, recursive = FALSE)
      for (i in seq_along(m)) if (i %% 5L == 2L) stop_mirai(m[[i]])
      on_event(m[[5L]], emit = function(value) NULL)
      collect_mirai(m)
      explain(m[[1L]])
      tasks()
      rm(m)
    }, pids, warm = if (is_long) 5L else 7L)
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
    rounds("everywhere", if (is_long) 24L else 9L, function(times = 1L) {
      for (i in 1:100) everywhere(value <<- i, i = i)[]
    }, pids, warm = 3L)
    daemons(0)
  }))
  expect_true("end" %in% output)
  # 600 calls lie between, or 1,600: 1 KB left by each would be more than this
  expect_identical(grown(output, 384), character())
})
