# SPDX-License-Identifier: MIT
# Codecs that fail, on either side: the failure is told, the daemon lives, the next task works.

# An object says where its functions shall fail.
fragile <- function(fail_at = "nowhere") {
  structure(list2env(list(fail_at = fail_at), parent = emptyenv()), class = "fragile")
}

fragile_config <- local({
  client <- Sys.getpid()
  side <- function() if (Sys.getpid() == client) "client" else "worker"
  serial_config(
    "fragile",
    function(x) {
      if (x$fail_at == paste(side(), "sfunc")) {
        stop(structure(
          class = c("fragile_error", "error", "condition"),
          list(message = "out of glue", call = NULL)
        ))
      }
      if (x$fail_at == paste(side(), "type")) "not raw" else charToRaw(x$fail_at)
    },
    function(bytes) {
      if (rawToChar(bytes) == paste(side(), "ufunc")) {
        stop("broken on arrival")
      }
      structure(list2env(list(fail_at = rawToChar(bytes)), parent = emptyenv()), class = "fragile")
    }
  )
})

daemons(1, serial = fragile_config)
pid <- mirai(Sys.getpid())[]

expect_unharmed <- function() {
  expect_identical(mirai(Sys.getpid())[], pid)
  expect_s3_class(mirai(x, x = fragile())[], "fragile")
}

expect_lost_object <- function(value, side) {
  expect_identical(class(value), c("crossdock_value", "errorValue", "try-error"))
  expect_true(value == 1000L)
  expect_identical(attr(value, "codec"), "fragile")
  expect_identical(attr(value, "side"), side)
  expect_match(attr(value, "message"), "broken on arrival", fixed = TRUE)
}

test_that("an object that cannot be encoded here: the codec's own error, and nothing is sent", {
  before <- info()
  expect_error(mirai(x, x = fragile("client sfunc")), "out of glue", class = "fragile_error")
  expect_error(mirai(x, .args = list(x = fragile("client type"))), "did not return a raw vector")
  expect_error(mirai_map(list(fragile("client sfunc")), identity), class = "fragile_error")
  expect_error(everywhere(x, x = fragile("client sfunc")), class = "fragile_error")
  expect_identical(info(), before)
  expect_unharmed()
})

test_that("an object that cannot be decoded by the daemon: 1000 in its place, the rest is there", {
  task <- mirai(list(class(x$broken), x$whole, x$broken), x = list(
    broken = fragile("worker ufunc"), whole = "whole"
  ))
  value <- task[]
  expect_identical(value[[1]][[2]], "errorValue")
  expect_identical(value[[2]], "whole")
  expect_lost_object(value[[3]], "worker")
  expect_unharmed()
})

test_that("an object that cannot be decoded here: 1000 in its place, the rest is there", {
  value <- mirai(list(x, "whole"), x = fragile("client ufunc"))[]
  expect_lost_object(value[[1]], "client")
  expect_identical(value[[2]], "whole")
  expect_unharmed()
})

test_that("an object that cannot be encoded by the daemon: an error that names its class", {
  for (fail_at in c("worker sfunc", "worker type")) {
    value <- mirai(list(1, x), x = fragile(fail_at))[]
    expect_true(is_mirai_error(value))
    expect_match(value, "class <fragile> on the worker", fixed = TRUE)
    expect_match(value, if (fail_at == "worker sfunc") "out of glue" else "raw vector")
    expect_identical(value$class_tag, "fragile")
    expect_identical(value$side, "worker")
  }
  expect_unharmed()
})

test_that("a task's error may hold an object that cannot be encoded", {
  value <- mirai(
    stop(structure(
      class = c("rich_error", "error", "condition"),
      list(message = "with an object", call = NULL, object = x)
    )),
    x = fragile("worker sfunc")
  )[]
  expect_true(is_mirai_error(value))
  expect_identical(as.character(value), "Error: with an object") # what it says still arrives
  expect_unharmed()
})

test_that("without a configuration R's own serialization decides", {
  everywhere({}, .serial = list())
  expect_s3_class(mirai(x, x = fragile("worker sfunc"))[], "fragile")
  everywhere({}, .serial = fragile_config)
  expect_unharmed()
})

test_that("the daemon served all of this", {
  expect_identical(info()[["cumulative"]], 1L)
})

daemons(0)
