# SPDX-License-Identifier: MIT
# Tasks without daemons.

test_that("each task has a process of its own, which ends after it", {
  m <- mirai(list(Sys.getpid(), on_daemon = crossdock::on_daemon(), x), x = 2)
  expect_identical(m[][[3]], 2)
  expect_true(m$data$on_daemon)
  expect_false(on_daemon())
  expect_false(m$data[[1]] == Sys.getpid())
  expect_true(eventually(!is_alive(m$data[[1]])))
  expect_false(daemons_set())
  expect_null(info())
})

test_that("its end is told, and errors are values", {
  tasks <- list(mirai(quit("no")), mirai(stop("bad")), mirai(Sys.sleep(60)), mirai(1))
  expect_true(stop_mirai(tasks[[3]]))
  values <- collect_mirai(tasks)
  expect_identical(unclass(values[[1]])[[1]], 19L)
  expect_identical(as.character(values[[2]]), "Error: bad")
  expect_identical(unclass(values[[3]])[[1]], 20L)
  expect_identical(values[[4]], 1)
})

test_that("a name that no daemons were set for is an error that says so", {
  expect_error(
    mirai(1, .compute = "nobody"), "no daemons are set for the compute profile 'nobody'",
    class = "crossdock_error"
  )
})
