# SPDX-License-Identifier: MIT
# What cannot travel is found and named.

daemons(1)

pointer <- function(class) {
  out <- unserialize(serialize(methods::new("externalptr"), NULL))
  if (is.null(class)) out else structure(out, class = class)
}

test_that("the error of a task tells where an unregistered pointer was", {
  fit <- list(model = list(1, ptr = pointer("some_handle")))
  failed <- mirai(stop("invalid pointer"), x = fit)[]
  expect_identical(attr(failed, "unregistered"), c("x$model$ptr" = "some_handle"))
  expect_null(attr(mirai(stop("no"), x = 1)[], "unregistered"))
  expect_identical(mirai(2, x = fit)[], 2) # it may well not matter
})

test_that("it is found in environments, attributes, closures and arguments", {
  env <- structure(list2env(list(inner = pointer(NULL))), class = "wrapper")
  found <- function(...) attr(mirai(stop("no"), .args = list(...))[], "unregistered")
  expect_identical(found(e = env), c("e$inner" = "wrapper"))
  expect_identical(found(a = structure(1, p = pointer("h"))), c("attr(a, \"p\")" = "h"))
  f <- function() held
  environment(f) <- list2env(list(held = pointer("h")), parent = globalenv())
  expect_identical(found(f = f), c("environment(f)$held" = "h"))
  expect_identical(found(l = list(1, pointer("h"))), c("l[[2]]" = "h"))
})

test_that("options(crossdock.preflight = \"error\") refuses before anything is sent", {
  before <- options(crossdock.preflight = "error")
  on.exit(options(before))
  done <- info()[["completed"]]
  expect_error(mirai(1, x = list(p = pointer("h"))), "`x$p` is an external pointer (class <h>)",
    fixed = TRUE, class = "crossdock_error_unregistered"
  )
  expect_identical(mirai(1, x = 1)[], 1)
  expect_identical(info()[["completed"]], done + 1L)
})

test_that("reference class objects are found by their class", {
  methods::setRefClass("crossdock_counter", fields = list(n = "numeric"), where = globalenv())
  at_end(methods::removeClass("crossdock_counter", where = globalenv()))
  make <- function(n) methods::new("crossdock_counter", n = n)
  config <- serial_config(
    "crossdock_counter", function(x) serialize(x$n, NULL), function(bytes) make(unserialize(bytes))
  )
  x <- make(3)
  value <- list(a = x, b = list(x, 1))
  frames <- frames_of(value, config)
  expect_identical(tags(frames), "crossdock_counter")
  back <- value_of(frames, config)
  expect_true(methods::is(back$a, "crossdock_counter"))
  expect_identical(back$a$n, 3)
  back$a$n <- 4
  expect_identical(back$b[[1]]$n, 4) # it is one object
})

test_that("an S4 object that cannot be replaced is an error naming its class", {
  methods::setClass("crossdock_s4", representation(env = "environment"), where = globalenv())
  at_end(methods::removeClass("crossdock_s4", where = globalenv()))
  use_daemons(1, .compute = "s4", serial = serial_config("crossdock_s4", identity, identity))
  object <- methods::new("crossdock_s4", env = new.env())
  expect_error(
    mirai(1, x = list(o = object), .compute = "s4"),
    "`x$o` is an S4 object of the registered class <crossdock_s4>", fixed = TRUE
  )
  expect_identical(mirai(1, .compute = "s4")[], 1)
})

test_that("so it is as the value of a task, wherever that is evaluated", {
  define <- function() {
    methods::setClass("crossdock_s4", representation(env = "environment"), where = globalenv())
  }
  environment(define) <- globalenv()
  config <- serial_config("crossdock_s4", identity, identity)
  use_daemons(1, .compute = "s4", serial = config)
  use_daemons(sync = TRUE, .compute = "here", serial = config)
  at_end(methods::removeClass("crossdock_s4", where = globalenv()))
  define() # for the synchronous one
  for (profile in c("s4", "here")) {
    value <- mirai(
      {
        define()
        list(1, methods::new("crossdock_s4", env = new.env()), quote(f(x)), quote(expr = ))
      },
      define = define, .compute = profile
    )[]
    expect_s3_class(value, "miraiError")
    expect_match(
      value, "`value[[2]]` is an S4 object of the registered class <crossdock_s4>", fixed = TRUE
    )
    expect_true("crossdock_error_no_codec" %in% attr(value, "condition.class"))
    expect_identical(mirai(quote(f(x)), .compute = profile)[], quote(f(x)))
  }
})

daemons(0)

test_that("serial = \"auto\" carries tables of arrow and streams of nanoarrow", {
  skip_without("arrow", "nanoarrow")
  use_daemons(1, serial = "auto")
  table <- arrow::arrow_table(a = 1:3)
  got <- mirai(list(x, class(x)), x = table)[]
  expect_true(inherits(got[[1]], "Table"))
  expect_identical(as.data.frame(got[[1]])$a, 1:3)
  expect_identical(got[[2]], class(table))
  batch <- mirai(x, x = arrow::record_batch(a = 1:2))[]
  expect_true(inherits(batch, "RecordBatch"))
  stream <- mirai(as.data.frame(x), x = nanoarrow::as_nanoarrow_array_stream(data.frame(b = 1:2)))[]
  expect_identical(stream$b, 1:2)
})

test_that("the option asks for it, too; what is registered comes first", {
  before <- options(crossdock.serial = "auto")
  on.exit(options(before))
  skip_without("nanoarrow")
  use_daemons(1)
  stream <- nanoarrow::as_nanoarrow_array_stream(data.frame(b = 1:2))
  expect_identical(mirai(as.data.frame(x)$b, x = stream)[], 1:2)
})
