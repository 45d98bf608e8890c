# SPDX-License-Identifier: MIT
# daemons(sync = TRUE): tasks in this very process.

test_that("a task is evaluated when it is made, with a global environment of its own", {
  use_daemons(sync = TRUE)
  m <- mirai({
    left <<- 1
    c(ls(.GlobalEnv), Sys.getpid())
  }, sent = 2)
  expect_false(unresolved(m))
  expect_identical(m$data, c("left", "sent", as.character(Sys.getpid())))
  expect_false(exists("left", globalenv()))
  expect_identical(mirai(exists("left"))[], FALSE) # cleaned up, as on a daemon
  expect_true(mirai(on_daemon())[])
  expect_false(on_daemon())
})

test_that("everything of the session's stays as it is", {
  use_daemons(sync = TRUE)
  global <- globalenv()
  at_end(rm(list = c("kept", "active"), envir = global))
  assign("kept", 1, envir = global)
  makeActiveBinding("active", function() "yes", global)
  before <- search()
  set.seed(3)
  expected <- runif(2)[[2]]
  set.seed(3)
  runif(1)
  mirai({
    library(tools)
    runif(10)
    options(crossdock.test = 1)
    kept <<- 2
  })
  expect_identical(runif(1), expected)
  expect_identical(RNGkind()[[1]], "Mersenne-Twister")
  expect_identical(get("kept", global), 1)
  expect_true(bindingIsActive("active", global))
  expect_identical(search(), before)
  expect_null(getOption("crossdock.test"))
})

test_that("errors are those of a daemon, everywhere() lasts, a missing value survives", {
  use_daemons(sync = TRUE)
  failed <- mirai({
    f <- function(x) stop("deep")
    f(1)
  })[]
  expect_identical(as.character(failed), "Error in f(1): deep")
  expect_identical(failed$stack.trace, list(quote(stop("deep")), quote(f(1))))
  expect_identical(everywhere(said <<- "x", sent = 3)[], list("x"))
  expect_identical(mirai(c(said, sent))[], c("x", "3"))
  m <- mirai(substitute())
  expect_true(identical(m[], quote(expr = )))
  expect_identical(mirai_map(1:3, function(x) x * 2)[.flat], c(2, 4, 6))
})

test_that("objects travel by the serial configuration", {
  config <- portable_tensors()
  use_daemons(sync = TRUE, serial = config)
  got <- mirai(list(x, x), x = portable_standins()$tensor(4))[]
  expect_identical(tensor_value(got[[1]]), 4)
  expect_true(is_same(got[[1]], got[[2]]))
})

test_that("timeouts end sleeping, computing, and tasks within tasks", {
  use_daemons(sync = TRUE)
  timed_out <- function(m) unclass(m$data) == 5L
  took <- function(expr) system.time(expr)[["elapsed"]]
  expect_lt(took(m <- mirai(Sys.sleep(20), .timeout = 100)), 5)
  expect_true(timed_out(m))
  expect_lt(took(m <- mirai(repeat 1, .timeout = 100)), 5)
  expect_true(timed_out(m))
  swallows <- mirai(tryCatch(Sys.sleep(20), interrupt = function(i) 1), .timeout = 100)
  expect_true(timed_out(swallows))
  inner <- mirai(mirai(Sys.sleep(20), .timeout = 100)[] == 5L, .timeout = 10000)
  expect_true(inner[])
  expect_true(timed_out(mirai(1, .timeout = 0)))
  expect_identical(mirai(1, .timeout = 10000)[], 1)
})

test_that("looking at it; what it cannot do", {
  use_daemons(sync = TRUE)
  expect_identical(status()$connections, 0L)
  expect_match(status()$daemons, "^inproc://")
  expect_identical(names(status()), c("connections", "daemons"))
  expect_identical(info()[["connections"]], 0L)
  expect_true(all(is.na(info()[-1])))
  expect_false(stop_mirai(mirai(1)))
  text <- "daemons cannot be launched for synchronous compute profiles"
  expect_error(launch_local(1), text)
  expect_error(launch_remote(1), text)
  expect_error(call_task("base::toupper", "a"), "synchronous")
  expect_error(daemons(sync = 1), "`sync` must be TRUE or FALSE")
  expect_false(isTRUE(daemons(0)))
  expect_false(daemons_set())
})
