# SPDX-License-Identifier: MIT
# daemons(memory = ) and try_mirai().

# A daemon that is busy until the gate opens.
hold_daemon <- function(gate, ...) {
  daemons(1, ...)
  m <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  eventually(gate$is_entered())
  m
}

test_that("waiting bytes are counted, refused beyond the budget, and given back", {
  at_end(daemons(0))
  gate <- new_gate()
  hold_daemon(gate, memory = 10)
  expect_identical(names(status()$memory), c("used", "peak", "capacity"))
  expect_identical(status()$memory[["used"]], 0)
  expect_identical(status()$memory[["capacity"]], 10)
  first <- mirai(length(x), x = raw(6e6))
  expect_equal(status()$memory[["used"]], 6, tolerance = 0.01)
  second <- mirai(length(x), x = raw(6e6)) # was below the budget before
  refused <- withVisible(try_mirai(1))
  expect_null(refused$value)
  expect_false(refused$visible)
  stop_mirai(second)
  expect_equal(status()$memory[["used"]], 6, tolerance = 0.01)
  expect_equal(status()$memory[["peak"]], 12, tolerance = 0.01)
  third <- try_mirai(2)
  expect_true(is_mirai(third))
  gate$open()
  expect_identical(first[], 6000000L)
  expect_identical(third[], 2)
  expect_identical(status()$memory[["used"]], 0)
  expect_equal(status()$memory[["peak"]], 12, tolerance = 0.01)
})

test_that("mirai() waits for room; refusing is quick", {
  at_end(daemons(0))
  gate <- new_gate()
  hold_daemon(gate, memory = 1)
  mirai(1, x = raw(2e6))
  took <- system.time(for (i in 1:100) try_mirai(1))[["elapsed"]]
  expect_lt(took, 2)
  opener <- tempfile("opener-")
  writeLines(sprintf("sleep 0.3; touch %s", shQuote(gate$path)), opener)
  start_program("/bin/sh", opener)
  waited <- system.time(m <- mirai("in"))[["elapsed"]]
  expect_gt(waited, 0.1)
  expect_identical(m[], "in")
})

test_that("a refused task takes no stream of random numbers", {
  at_end(daemons(0))
  gate <- new_gate()
  hold_daemon(gate, memory = 1, seed = 9L)
  mirai(1, x = raw(2e6))
  for (i in 1:5) try_mirai(1)
  seed <- nextstream()
  daemons(1, seed = 9L)
  nextstream()
  nextstream()
  expect_identical(nextstream(), seed)
})

test_that("inside a callback there is an error instead of a wait", {
  skip_without("later")
  at_end(daemons(0))
  gate <- new_gate()
  hold_daemon(gate, memory = 1)
  mirai(1, x = raw(2e6))
  caught <- NULL
  later::later(function() caught <<- tryCatch(mirai(1), error = identity))
  later::run_now(5)
  expect_s3_class(caught, "crossdock_error_busy")
  expect_match(conditionMessage(caught), "daemons(memory = )", fixed = TRUE)
  gate$open()
})

test_that("what is no limit, and what is no number", {
  at_end(daemons(0))
  for (none in list(NULL, 0, -1, NA, Inf)) {
    daemons(url = local_url(), memory = none)
    expect_identical(status()$memory[["capacity"]], NA_real_)
  }
  expect_error(daemons(1, memory = "x"), "`memory` must be a number of megabytes or NULL, not")
})

test_that("try_mirai() is mirai() otherwise", {
  expect_identical(try_mirai(x + 1, x = 1)[], 2) # without daemons
  expect_error(try_mirai(), "missing expression, perhaps wrap in {}?", fixed = TRUE)
  expect_error(try_mirai(1, 2), "all `...` arguments must be named")
})
