# SPDX-License-Identifier: MIT
# Several R processes behind one broker: what one of them leaves when it is gone, and what not.

# A session with two daemons of its own in a profile, which are busy while tasks wait, and with
# tasks in the shared profile.
start_session <- function(broker, profile, mark, frame = parent.frame()) {
  start_r(bquote({
    counts <- function(name) status(name)$mirai
    daemons(2, broker = .(broker$url), .compute = .(profile))
    daemons(broker = .(broker$url), .compute = "shared")
    pids <- unlist(everywhere(Sys.getpid(), .compute = .(profile))[])
    own <- lapply(1:5, function(i) mirai(Sys.sleep(300), .compute = .(profile)))
    shared <- lapply(1:5, function(i) mirai(Sys.sleep(300), .compute = "shared"))
    while (counts("shared")[["executing"]] < 1L || counts(.(profile))[["executing"]] < 2L) {
      Sys.sleep(0.01)
    }
    cat("up", pids, "\n")
    Sys.sleep(300)
  }), mark, frame = frame)
}

test_that("a session that is killed takes its daemons and tasks along, and nobody else's", {
  skip_without_programs()
  skip_without_proc()
  broker <- start_broker()
  start_worker(broker$url, "shared", 1)
  use_daemons(2, broker = broker$url, .compute = "mine")
  pids <- sort(unlist(everywhere(Sys.getpid(), .compute = "mine")[]))
  gate <- new_gate()
  mine <- mirai(wait_at(path), wait_at = wait_at, path = gate$path, .compute = "mine")
  expect_true(eventually(gate$is_entered()))

  mark <- paste0("CROSSDOCK_TEST=", basename(tempfile("orphan-")))
  victim <- start_session(broker, "theirs", mark)
  expect_true(eventually(says(victim, "up"), 60))
  use_daemons(broker = broker$url, .compute = "shared")
  use_daemons(broker = broker$url, .compute = "theirs")
  expect_identical(connections("theirs"), 2L)
  expect_length(processes_with(mark), 3)
  waiting <- mirai("served", .compute = "shared") # behind five tasks of the other session

  tools::pskill(victim$pid, tools::SIGKILL)
  expect_true(eventually(length(processes_with(mark)) == 0L, 5))
  nothing <- c(awaiting = 0L, executing = 0L)
  open <- function() status("theirs")$mirai[c("awaiting", "executing")]
  expect_true(eventually(connections("theirs") == 0L && identical(open(), nothing), 5))
  expect_lt(system.time(value <- waiting[])[["elapsed"]], 10)
  expect_identical(value, "served")
  expect_true(eventually(status("shared")$mirai[["executing"]] == 0L, 5))
  gate$open()
  expect_true(mine[] %in% pids)
  expect_identical(sort(unlist(everywhere(Sys.getpid(), .compute = "mine")[])), pids)
})

test_that("three sessions come and go behind one broker", {
  skip_without_programs()
  skip_without_proc()
  broker <- start_broker()
  mark <- paste0("CROSSDOCK_TEST=", basename(tempfile("orphan-")))
  code <- function(name, last) {
    bquote({
      daemons(1, broker = .(broker$url), .compute = .(name))
      squares <- mirai_map(1:200, function(i) i^2, .compute = .(name))[.flat]
      cat(identical(squares, (1:200)^2), "\n")
      .(last)
    })
  }
  ends <- list(
    quote(daemons(0, .compute = "b")), quote(quit("no")),
    quote(tools::pskill(Sys.getpid(), tools::SIGKILL))
  )
  here <- environment()
  start <- function(name, last) start_r(code(name, last), mark, here)
  sessions <- Map(start, c("a", "b", "c"), ends)
  for (session in sessions) {
    expect_true(eventually(!is_alive(session$pid), 60))
    expect_true(says(session, "TRUE"))
  }
  expect_true(eventually(length(processes_with(mark)) == 0L, 5))
  use_daemons(broker = broker$url, .compute = "a")
  expect_identical(status("a")$mirai, c(awaiting = 0L, executing = 0L, completed = 0L))
})
