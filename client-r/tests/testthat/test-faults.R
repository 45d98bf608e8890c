# SPDX-License-Identifier: MIT
# Faults that mirai 2.7.3 shows: none here. More of them: test-sync, -leaving, -codecs, -tasks.

test_that("a task that is cancelled on a cold daemon never runs", {
  for (wait in c(TRUE, FALSE)) {
    use_daemons(1, .wait = wait)
    mark <- tempfile()
    m <- mirai(file.create(mark), mark = mark)
    slow <- mirai(
      {
        Sys.sleep(60)
        file.create(mark)
      },
      mark = paste0(mark, "-slow")
    )
    stopped <- stop_mirai(list(m, slow))
    expect_identical(unclass(slow$data)[[1]], 20L)
    expect_lt(system.time(value <- mirai("on")[])[["elapsed"]], 40)
    expect_identical(value, "on")
    if (stopped[[1]]) { # else it was quicker than we
      expect_identical(unclass(m$data)[[1]], 20L)
    }
    if (!wait) {
      expect_identical(stopped, c(TRUE, TRUE))
      expect_false(file.exists(mark))
    }
    expect_false(file.exists(paste0(mark, "-slow")))
  }
})

test_that("a daemon that swallows interrupts is ended and replaced, once its time is up", {
  use_daemons(1)
  pid <- mirai(Sys.getpid())[]
  gate <- new_gate()
  m <- mirai(
    repeat tryCatch(wait_at(path), interrupt = identity),
    wait_at = wait_at, path = gate$path
  )
  expect_true(eventually(gate$is_entered()))
  expect_true(stop_mirai(m))
  expect_lt(system.time(new <- mirai(Sys.getpid())[])[["elapsed"]], 40) # 3 s, and a start
  expect_false(new == pid)
  expect_false(is_alive(pid))
  expect_identical(info()[["connections"]], 1L)
})

test_that("a task that waits for another program gives its daemon back, and the program ends", {
  skip_without_proc()
  use_daemons(1)
  mirai(0)[]
  gate <- new_gate()
  m <- mirai(
    {
      file.create(paste0(path, ".entered"))
      system("sleep 287")
    },
    path = gate$path
  )
  expect_true(eventually(gate$is_entered()))
  expect_true(stop_mirai(m))
  expect_lt(system.time(value <- mirai("on")[])[["elapsed"]], 40)
  expect_identical(value, "on")
  daemons(0)
  sleeps <- function() {
    any(grepl("287", command_lines(processes_with(paste0("TMPDIR=", tempdir()))), fixed = TRUE))
  }
  expect_true(eventually(!sleeps(), 10))
})

test_that("a name that no daemons were set for is an error that lists this session's own", {
  use_daemons(sync = TRUE, .compute = "first")
  use_daemons(sync = TRUE, .compute = "second")
  for (ask in list(
    function() mirai(1, .compute = "frist"), function() try_mirai(1, .compute = "frist"),
    function() call_task("base::toupper", "a", .compute = "frist")
  )) {
    error <- tryCatch(ask(), error = identity)
    expect_s3_class(error, "crossdock_error_not_found")
    expect_match(conditionMessage(error), "'frist'", fixed = TRUE)
    expect_match(conditionMessage(error), "'first', 'second'", fixed = TRUE)
  }
  expect_error(mirai_map(1, identity, .compute = "frist"), "'frist'", fixed = TRUE)
})
