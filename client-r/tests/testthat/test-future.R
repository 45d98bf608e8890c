# SPDX-License-Identifier: MIT
# Daemons as a backend of package future: what its conformance suite (test-conformance.R) does not
# ask.

skip_if_not_installed("future", "1.40.0")

use_plan <- function(..., frame = parent.frame()) {
  at_end(future::plan(future::sequential), frame)
  future::plan(crossdock::future_daemons, ...)
}

value_of <- function(expr, ..., env = parent.frame()) {
  future::value(future::future(expr, substitute = FALSE, envir = env, ...))
}

test_that("daemons of its own end with the plan, those of a profile do not", {
  use_daemons(1)
  use_plan(workers = 2)
  expect_identical(future::nbrOfWorkers(), 2L)
  pids <- vapply(1:2, function(i) value_of(quote({
    Sys.sleep(0.2)
    Sys.getpid()
  })), 0L)
  own <- value_of(quote(Sys.getpid()))
  old <- future::plan(future::sequential)
  expect_true(eventually(!any(is_alive(c(pids, own)))))
  future::plan(old) # taken up again, it starts others
  expect_false(value_of(quote(Sys.getpid())) %in% c(own, Sys.getpid()))
  pid <- mirai(Sys.getpid())[]
  future::plan(crossdock::future_daemons)
  expect_identical(value_of(quote(Sys.getpid())), pid)
  future::plan(future::sequential)
  expect_true(is_alive(pid))
})

test_that("making futures waits for nobody", {
  use_daemons(1)
  use_plan()
  gate <- new_gate()
  path <- gate$path
  began <- proc.time()[[3]]
  first <- future::future(while (!file.exists(path)) Sys.sleep(0.01))
  others <- lapply(1:20, function(i) future::future(i * 2))
  expect_lt(proc.time()[[3]] - began, 10)
  expect_false(future::resolved(first))
  expect_identical(future::nbrOfFreeWorkers(), 0L)
  expect_identical(nrow(future::listFutures(future::plan("backend"))), 21L)
  gate$open()
  expect_identical(unlist(future::value(others)), 2 * (1:20))
  expect_true(future::resolved(first))
  expect_null(future::value(first))
  expect_true(eventually(future::nbrOfFreeWorkers() == 1L))
  expect_identical(nrow(future::listFutures(future::plan("backend"))), 0L)
})

test_that("a daemon that dies takes one future with it", {
  use_daemons(1)
  use_plan()
  f <- future::future(tools::pskill(Sys.getpid(), tools::SIGKILL), label = "mine")
  e <- expect_error(future::value(f), "the future 'mine' was interrupted: 19 | Connection reset",
    fixed = TRUE, class = "FutureInterruptError"
  )
  expect_error(future::value(f), class = "FutureInterruptError") # again the same
  expect_identical(value_of(quote(1 + 1)), 2)
})

test_that("a cancelled future stops, and its daemon goes on", {
  use_daemons(1)
  use_plan()
  pid <- value_of(quote(Sys.getpid()))
  f <- future::future(Sys.sleep(60))
  began <- proc.time()[[3]]
  future::cancel(f)
  expect_error(future::value(f), "was cancelled", class = "FutureInterruptError")
  expect_identical(value_of(quote(Sys.getpid())), pid)
  expect_lt(proc.time()[[3]] - began, 20)
})

test_that("a plan that changes cancels what runs", {
  use_daemons(1)
  use_plan()
  f <- future::future(Sys.sleep(60))
  future::plan(future::sequential)
  expect_error(future::value(f), class = "FutureInterruptError")
  expect_identical(mirai(1)[], 1)
})

test_that("registered classes travel, as globals and as values", {
  use_daemons(1, serial = do.call(serial_config, portable_tensors()))
  use_plan()
  one <- portable_standins()$tensor(7)
  expect_identical(tensor_value(value_of(quote(one))), 7)
  same <- value_of(quote(list(a = one, b = list(one))))
  expect_true(is_same(same$a, same$b[[1]]))
})

test_that("conditions to be signalled while a future runs are signalled, once", {
  use_daemons(1)
  use_plan()
  f <- future::future({
    signalCondition(structure(
      class = c("progression", "immediateCondition", "condition"),
      list(message = "half", call = NULL)
    ))
    message("after")
    5
  })
  seen <- character()
  value <- withCallingHandlers(future::value(f),
    immediateCondition = function(c) seen <<- c(seen, conditionMessage(c)),
    message = function(m) {
      seen <<- c(seen, trimws(conditionMessage(m)))
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(value, 5)
  expect_identical(seen, c("half", "after"))
})

step_condition <- function(...) {
  structure(class = c("progression", "immediateCondition", "condition"), list(...))
}
environment(step_condition) <- globalenv()

test_that("they are signalled while the future runs, by resolved() and by value()", {
  use_daemons(1)
  use_plan()
  gate <- new_gate()
  path <- gate$path
  work <- function() {
    future::future({
      signalCondition(step_condition(message = "half", call = NULL))
      message(step_condition(message = "said", call = NULL))
      while (!file.exists(path)) Sys.sleep(0.01)
      signalCondition(step_condition(message = "whole", call = NULL))
      5
    })
  }
  seen <- character()
  note <- function(c) {
    seen <<- c(seen, conditionMessage(c))
    if (length(seen) == 2L) gate$open()
  }
  f <- work()
  withCallingHandlers(
    {
      expect_true(eventually({
        future::resolved(f)
        length(seen) >= 2L
      }))
      expect_identical(seen, c("half", "said"))
      expect_identical(future::value(f), 5)
      expect_identical(seen, c("half", "said", "whole"))
      expect_identical(future::value(f), 5)
    },
    immediateCondition = note
  )
  expect_identical(seen, c("half", "said", "whole"))
  unlink(path)
  seen <- character()
  value <- withCallingHandlers(future::value(work()), immediateCondition = note) # opens the gate
  expect_identical(value, 5)
  expect_identical(seen, c("half", "said", "whole"))
})

test_that("what did not come ahead comes with the result, each once", {
  use_daemons(1)
  use_plan()
  old <- options(crossdock.events = FALSE)
  on.exit(options(old))
  steps <- function(n, size = 0) {
    seen <- NULL
    f <- future::future({
      for (i in seq_len(n)) signalCondition(step_condition(message = "", i = i, x = raw(size)))
      warning("end")
      n
    })
    expect_warning(
      value <- withCallingHandlers(future::value(f),
        immediateCondition = function(c) seen <<- c(seen, c$i)
      ), "end"
    )
    expect_equal(value, n)
    seen
  }
  expect_identical(steps(3), 1:3)
  options(crossdock.events = NULL)
  expect_identical(steps(500), 1:500)
  expect_identical(steps(2, 17e6), 1:2) # too large to be sent ahead
  expect_identical(steps(2, 2e6), 1:2)
})

test_that("in a synchronous profile they are signalled once, too", {
  use_daemons(sync = TRUE)
  use_plan()
  seen <- character()
  withCallingHandlers(
    {
      f <- future::future({
        signalCondition(step_condition(message = "half", call = NULL))
        message("after")
        5
      })
      expect_identical(seen, "half") # here and now, as with future's own sequential()
      expect_identical(future::value(f), 5)
    },
    immediateCondition = function(c) seen <<- c(seen, conditionMessage(c)),
    message = function(m) {
      seen <<- c(seen, trimws(conditionMessage(m)))
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(seen, c("half", "after"))
})

test_that("what a future signals before its daemon dies is not lost", {
  use_daemons(1)
  use_plan()
  seen <- 0L
  f <- future::future({
    signalCondition(step_condition(message = "last words"))
    Sys.sleep(0.2)
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })
  expect_error(
    withCallingHandlers(future::value(f), immediateCondition = function(c) seen <<- seen + 1L),
    class = "FutureInterruptError"
  )
  expect_identical(seen, 1L)
})

test_that("random numbers do not depend on who computes, and those here are not touched", {
  draw <- function() {
    set.seed(42)
    unlist(future::value(lapply(1:4, function(i) future::future(stats::runif(1), seed = TRUE))))
  }
  expected <- draw() # in this process
  use_plan(workers = 2)
  expect_identical(draw(), expected)
  set.seed(1)
  before <- .GlobalEnv$.Random.seed
  future::plan(crossdock::future_daemons, workers = 1)
  f <- future::future(1)
  future::resolved(f)
  future::value(f)
  expect_identical(.GlobalEnv$.Random.seed, before)
})

test_that("futures within futures", {
  use_daemons(1)
  use_plan()
  for (i in 1:3) { # what package future set when it was loaded on a daemon is still there
    nested <- value_of(quote({
      f <- future::future(c(Sys.getpid(), 5))
      c(Sys.getpid(), future::value(f))
    }))
    expect_identical(nested[[1]], nested[[2]]) # one after the other, unless a plan says more
    expect_identical(nested[[3]], 5)
  }
})

test_that("values of futures that nobody asks for are not kept", {
  use_daemons(1)
  use_plan()
  for (i in 1:300) {
    f <- future::future(i)
    if (i %% 50 == 0) future::resolved(f)
  }
  future::value(f)
  expect_lt(length(future::plan("backend")[["active"]]), 300)
})

test_that("wrong arguments", {
  expect_error(use_plan(), "No daemons set")
  expect_error(use_plan(workers = 0), "`workers` must be a number, 1 or greater.* not 0")
  expect_error(use_plan(workers = "two"), "not \"two\"")
  expect_error(use_plan(.compute = "nowhere"), "nowhere")
  expect_error(use_plan(workers = 1, .compute = "x"), "leave out `.compute`")
  expect_error(crossdock::future_daemons(), "to be given to future::plan()", fixed = TRUE)
  use_daemons(1)
  future::plan(crossdock::future_daemons)
  daemons(0)
  expect_error(future::future(1), "the daemons of compute profile 'default' are gone")
})
