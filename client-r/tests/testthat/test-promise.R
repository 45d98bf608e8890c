# SPDX-License-Identifier: MIT
# Tasks as promises, woken by their ends.

skip_without("later", "promises")
library(promises)

daemons(2)

# Runs the loop until the promise has ended: list(how, value).
settled <- function(promise, seconds = 20) {
  out <- NULL
  promises::then(
    promise,
    function(value) out <<- list("fulfilled", value),
    function(reason) out <<- list("rejected", reason)
  )
  end <- Sys.time() + seconds
  while (is.null(out) && Sys.time() < end) later::run_now(1)
  out
}

test_that("a task is a promise of its value, always the same one", {
  first <- NULL
  m <- mirai(6 * 7)
  promise <- as.promise(m)
  expect_true(identical(as.promise(m), promise))
  expect_identical(settled(promise), list("fulfilled", 42))
  expect_identical(settled(as.promise(m)), list("fulfilled", 42))
  ended <- call_mirai(mirai("ended"))
  expect_identical(settled(ended), list("fulfilled", "ended"))
  at_once <- promises::then(ended, function(value) first <<- value)
  later::run_now() # one turn of the loop
  expect_identical(first, "ended")
  expect_true(is.promising(m) && is.promising(mirai_map(1, identity)))
  expect_identical(settled(mirai(1) %...>% sum(2)), list("fulfilled", 3))
})

test_that("the loop sleeps until the task ends, and wakes at once", {
  gate <- new_gate()
  m <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  done <- NULL
  then(m, function(value) done <<- Sys.time())
  while (later::run_now(0)) NULL
  expect_false(later::run_now(0.2)) # nothing to do
  expect_null(done)
  gate$open()
  opened <- Sys.time()
  while (is.null(done) && Sys.time() < opened + 20) later::run_now(20)
  expect_lt(as.double(done - opened, "secs"), 5)
})

test_that("a failed task rejects with its own condition, in mirai's words", {
  rejected <- settled(mirai(stop("no")))
  expect_identical(rejected[[1]], "rejected")
  expect_s3_class(rejected[[2]], "simpleError")
  expect_identical(conditionMessage(rejected[[2]]), "Error: no")
  own <- settled(mirai(stop(structure(
    class = c("own_error", "error", "condition"), list(message = "m", call = NULL, extra = 5)
  ))))[[2]]
  expect_s3_class(own, "own_error")
  expect_s3_class(own, "simpleError")
  expect_identical(own$extra, 5)
  expect_true(is.list(own$stack.trace))
})

test_that("stopped, timed out and lost tasks reject with their code; interrupts fulfil", {
  m <- mirai(Sys.sleep(60))
  promise <- as.promise(m)
  stop_mirai(m)
  expect_identical(conditionMessage(settled(promise)[[2]]), "20 | Operation canceled")
  late <- settled(mirai(Sys.sleep(60), .timeout = 100))[[2]]
  expect_identical(conditionMessage(late), "5 | Timed out")
  expect_identical(late$code, 5L)
  lost <- settled(mirai(tools::pskill(Sys.getpid(), tools::SIGKILL)))[[2]]
  expect_identical(conditionMessage(lost), "19 | Connection reset")
  interrupted <- settled(mirai(signalCondition(structure(
    class = c("interrupt", "condition"), list()
  ))))
  expect_identical(interrupted[[1]], "fulfilled")
  expect_true(is_mirai_interrupt(interrupted[[2]]))
})

test_that("resetting the profile settles what is open", {
  daemons(1, .compute = "gone")
  promise <- as.promise(mirai(Sys.sleep(60), .compute = "gone"))
  daemons(0, .compute = "gone")
  expect_identical(conditionMessage(settled(promise)[[2]]), "19 | Connection reset")
})

test_that("a value that is collected before the loop runs is not lost to the promise", {
  many <- lapply(1:200, function(i) mirai(i, i = i))
  promises <- lapply(many, as.promise)
  collect_mirai(many)
  expect_identical(settled(promise_all(.list = promises))[[2]], as.list(1:200))
})

test_that("a map is the promise of all its values; .promise handles each", {
  expect_identical(settled(mirai_map(c(a = 1, b = 2), identity))[[2]], list(a = 1, b = 2))
  failed <- settled(mirai_map(1:3, function(x) if (x == 2) stop("two") else x))
  expect_match(conditionMessage(failed[[2]]), "two")
  got <- NULL
  m <- mirai_map(1:3, function(x) x, .promise = function(value) got <<- c(got, value))
  expect_identical(m[.flat], 1:3)
  expect_true(eventually({
    later::run_now()
    length(got) == 3L
  }))
  expect_identical(sort(got), 1:3)
  bad <- NULL
  m <- mirai_map(1:2, function(x) if (x == 2) stop("two") else x, .promise = list(
    function(value) got <<- value, function(reason) bad <<- reason
  ))
  expect_true(eventually({
    later::run_now()
    !is.null(bad)
  }))
  expect_match(conditionMessage(bad), "two")
})

test_that("a race works beside promises, with a time limit too", {
  slow <- mirai(Sys.sleep(60))
  as.promise(slow)
  expect_identical(race_mirai(list(slow, mirai(1))), 2L)
  took <- system.time(none <- race_mirai(list(slow), timeout = 100))[["elapsed"]]
  expect_identical(none, 0L)
  expect_lt(took, 5)
  expect_error(race_mirai(list(), timeout = "x"), "`timeout` must be a number of milliseconds")
  stop_mirai(slow)
})

test_that("rethrow() makes the original error of a value, or gives the value", {
  expect_identical(rethrow(mirai(1)), 1)
  failed <- mirai({
    f <- function(x) stop(structure(
      class = c("own_error", "error", "condition"), list(message = "m", call = sys.call())
    ))
    f(1)
  })
  caught <- tryCatch(rethrow(failed), own_error = identity)
  expect_identical(conditionMessage(caught), "m")
  expect_identical(conditionCall(caught), quote(f(1)))
  late <- mirai(Sys.sleep(60), .timeout = 50)
  caught <- tryCatch(rethrow(late[]), crossdock_outcome = identity)
  expect_identical(caught$code, 5L)
})

daemons(0)
