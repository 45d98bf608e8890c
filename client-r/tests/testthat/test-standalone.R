# SPDX-License-Identifier: MIT
# A broker that is no part of this session; daemons under crossdock-worker, or this session's own.

test_that("the example programs with the daemon of a crossdock-worker", {
  skip_without_programs()
  skip_without("arrow", "DBI", "adbi", "adbcsqlite", "nanoarrow")
  broker <- start_broker()
  start_worker(broker$url, "default", env = standin_libraries())
  daemons <- sprintf(
    "function(n, ...) if (n) crossdock::daemons(broker = '%s', ...) else crossdock::daemons(0)",
    broker$url
  )
  for (name in c("arrow", "adbc", "polars", "torch", "torch-vec")) {
    expect_promised_output(name, daemons, standin_libraries())
  }
})

test_that("the example programs with a daemon of the session's own", {
  skip_without_programs()
  skip_without("arrow", "DBI", "adbi", "adbcsqlite", "nanoarrow")
  broker <- start_broker()
  daemons <- sprintf("function(n, ...) crossdock::daemons(n, ..., broker = '%s')", broker$url)
  for (name in c("adbc", "torch-vec")) {
    expect_promised_output(name, daemons, standin_libraries())
  }
})

test_that("two sessions share a profile, each with its own serial configuration", {
  skip_without_programs()
  broker <- start_broker()
  start_worker(broker$url, "two", 2)
  use_daemons(broker = broker$url, serial = portable_tensors(), .compute = "two")
  expect_true(has_workers("two", 2L))
  expect_identical(status("two")$daemons, broker$url)
  expect_match(status("two")$scope, "all sessions")
  pids <- sort(unlist(everywhere(Sys.getpid(), .compute = "two")[]))
  expect_length(unique(pids), 2)
  other <- start_r(bquote({
    daemons(broker = .(broker$url), .compute = "two")
    x <- structure(list2env(list(value = 5)), class = "test_tensor") # like any other here
    pids <- mirai_map(1:20, function(i) {
      Sys.sleep(0.02)
      c(Sys.getpid(), x$value)
    }, x = x, .compute = "two")[]
    cat("pids", sort(unique(vapply(pids, `[[`, 0, 1))), "\n")
    cat("value", unique(vapply(pids, `[[`, 0, 2)), "\n")
    mirai(Sys.sleep(300), .compute = "two")
    daemons(0, .compute = "two") # its own task ends, the daemons stay
    cat("left\n")
  }))
  for (i in 1:40) {
    m <- mirai(
      list(tensor_value(x), x),
      x = tensor(i), tensor_value = tensor_value, .compute = "two"
    )
    value <- m[]
    expect_identical(value[[1]], i)
    expect_identical(tensor_value(value[[2]]), i)
  }
  expect_true(eventually(says(other, "left")))
  expect_true(says(other, paste("pids", paste(pids, collapse = " "))))
  expect_true(says(other, "value 5"))
  expect_identical(sort(unlist(everywhere(Sys.getpid(), .compute = "two")[])), pids)
  expect_true(info("two")[["completed"]] >= 60L)
  daemons(0, .compute = "two")
  expect_true(all(is_alive(pids)))
})

test_that("daemons(n, broker = ) adds this session's own, and takes only those away", {
  skip_without_programs()
  broker <- start_broker()
  start_worker(broker$url, "more", 1)
  use_daemons(broker = broker$url, .compute = "more")
  expect_true(has_workers("more", 1L))
  shared <- mirai(Sys.getpid(), .compute = "more")[]
  daemons(2, broker = broker$url, .compute = "more")
  expect_true(has_workers("more", 3L))
  expect_true(shared %in% unlist(everywhere(Sys.getpid(), .compute = "more")[]))
  daemons(broker = broker$url, .compute = "more")
  expect_true(has_workers("more", 1L))
  expect_identical(mirai(Sys.getpid(), .compute = "more")[], shared)
})

test_that("crossdock-worker replaces a daemon that crashed", {
  skip_without_programs()
  broker <- start_broker()
  start_worker(broker$url, "crash", 1)
  use_daemons(broker = broker$url, .compute = "crash")
  pid <- mirai(Sys.getpid(), .compute = "crash")[]
  expect_true(mirai(tools::pskill(Sys.getpid(), tools::SIGKILL), .compute = "crash")[] == 19L)
  expect_false(mirai(Sys.getpid(), .compute = "crash")[] == pid)
})

test_that("a broker that goes away: open tasks are 7, and the session works on", {
  skip_without_programs()
  broker <- start_broker()
  use_daemons(1, broker = broker$url, .compute = "gone")
  pid <- mirai(Sys.getpid(), .compute = "gone")[]
  m <- mirai(Sys.sleep(300), .compute = "gone")
  tools::pskill(broker$pid, tools::SIGKILL)
  expect_true(m[] == 7L)
  expect_error(mirai(1, .compute = "gone"), class = "crossdock_error")
  daemons(0, .compute = "gone")
  expect_true(eventually(!is_alive(pid)))
  use_daemons(1)
  expect_identical(mirai("on")[], "on")
})

test_that("a task that swallows interrupts does not keep the daemon of a broker that is gone", {
  skip_without_programs()
  broker <- start_broker()
  use_daemons(1, broker = broker$url, .compute = "deaf")
  pid <- mirai(Sys.getpid(), .compute = "deaf")[]
  gate <- new_gate()
  m <- mirai(
    repeat tryCatch(wait_at(path), interrupt = identity),
    wait_at = wait_at, path = gate$path, .compute = "deaf"
  )
  expect_true(eventually(gate$is_entered()))
  tools::pskill(broker$pid, tools::SIGKILL)
  expect_true(m[] == 7L)
  expect_true(eventually(!is_alive(pid)))
})

test_that("a broker that is not there is an error", {
  expect_error(daemons(broker = paste0("ipc://", tempfile())), class = "crossdock_error")
  expect_error(daemons(1, broker = "nonsense"), class = "crossdock_error")
  expect_false(daemons_set())
})
