# SPDX-License-Identifier: MIT
# mirai_map() and its options.

daemons(2)

test_that("a map is an invisible list of tasks, names kept", {
  expect_false(withVisible(mirai_map(1:2, identity))$visible)
  m <- mirai_map(c(a = 1, b = 2), function(x) x * 10)
  expect_identical(class(m), c("crossdock_map", "mirai_map"))
  expect_identical(m[], list(a = 10, b = 20))
  expect_identical(printed(m), "< mirai map [2/2] >")
  expect_true(is_mirai_map(m) && is_mirai(m[["a"]]))
  expect_identical(m["a"], list(a = 10, b = 20)) # brackets collect, they choose nothing
  expect_false(unresolved(m))
})

test_that("arguments come from .args, globals from ...", {
  expect_identical(mirai_map(1:2, function(x, y) x + y, .args = list(y = 10))[.flat], c(11, 12))
  expect_identical(mirai_map(1:2, function(x, y) x + y, .args = list(10))[.flat], c(11, 12))
  f <- eval(quote(function(x) x + offset), globalenv())
  expect_identical(mirai_map(1:2, f, offset = 0.5)[.flat], c(1.5, 2.5))
  expect_identical(mirai_map(list(quote(a), NULL), function(x) class(x))[.flat], c("name", "NULL"))
})

test_that("rows of data frames and matrices are mapped, columns by name", {
  data <- data.frame(
    a = 1:2, b = c("x", "y"), f = factor(c("u", "v")), d = as.Date("2024-01-01") + 0:1,
    row.names = c("first", "second")
  )
  back <- mirai_map(data, function(b, a, d, f) list(a, b, f, d))[]
  expect_identical(back$second, list(2L, "y", factor("v", c("u", "v")), as.Date("2024-01-02")))
  expect_identical(names(back), c("first", "second"))
  expect_null(names(mirai_map(data.frame(a = 1:2), identity)[]))
  named <- matrix(1:4, 2, dimnames = list(c("p", "q"), c("b", "a")))
  expect_identical(mirai_map(named, function(a, b) a - b)[], list(p = 2L, q = 2L))
  expect_identical(mirai_map(matrix(1:4, 2), function(x, y) x * y)[.flat], c(3L, 8L))
})

test_that("nothing to map", {
  expect_identical(mirai_map(list(), identity)[], list())
  expect_null(mirai_map(list(), identity)[.flat])
  expect_identical(mirai_map(data.frame(), identity)[], list())
})

test_that(".flat takes values of one type only, and cancels the rest otherwise", {
  expect_identical(mirai_map(c(a = 1, b = 2), identity)[.flat], c(a = 1, b = 2))
  gate <- new_gate()
  m <- mirai_map(
    list(1, "a", gate$path, gate$path),
    function(x) if (is.character(x) && nchar(x) > 1) wait_at(x) else x,
    wait_at = wait_at
  )
  differing <- "cannot flatten outputs of differing type: double / character"
  expect_error(m[.flat], differing, fixed = TRUE)
  expect_true(m[[3]]$data == 20L && m[[4]]$data == 20L)
  expect_error(mirai_map(1, function(x) stop("first"))[.flat], class = "error")
})

test_that(".stop raises the first error with its place, and cancels the rest", {
  skip_without("cli", "rlang")
  gate <- new_gate()
  m <- mirai_map(
    c(a = "good", b = "bad", c = gate$path),
    function(x) switch(x, good = 1, bad = rlang::abort("oh no", info = 7), wait_at(x)),
    wait_at = wait_at
  )
  error <- tryCatch(m[.stop], error = identity)
  expect_s3_class(error, "rlang_error")
  expect_identical(error$location, 2L)
  expect_identical(error$name, "b")
  expect_identical(class(error$parent), c("error", "condition"))
  expect_identical(conditionMessage(error$parent), "oh no")
  expect_identical(error$parent$info, 7)
  expect_identical(error$parent$condition.class, c("rlang_error", "error", "condition"))
  expect_type(error$parent$stack.trace, "list")
  expect_true(m[["c"]]$data == 20L)
  expect_identical(mirai_map(1:2, identity)[.stop], list(1L, 2L))
  lost <- tryCatch(mirai_map(1:2, function(x) quit("no"))[.stop], error = identity)
  expect_identical(lost$location, 1L)
  expect_null(lost$name)
  expect_identical(conditionMessage(lost$parent), "19 | Connection reset")
  expect_identical(class(lost$parent), c("error", "condition"))
})

test_that("options combine, also by name", {
  expect_identical(mirai_map(1:2, identity)[.stop, .flat], 1:2)
  capture.output(values <- mirai_map(1:2, identity)[.progress, .flat], type = "message")
  expect_identical(values, 1:2)
  m <- mirai_map(c(a = 1L), identity)
  expect_identical(collect_mirai(m, c(".flat", ".stop")), c(a = 1L))
  capture.output(
    values <- collect_mirai(m, list(.progress = "name", .flat = TRUE)),
    type = "message"
  )
  expect_identical(values, c(a = 1L))
  expect_error(collect_mirai(m, ".foo"), "value for .\\.foo. not found")
})

test_that("errors stay values without .stop", {
  values <- mirai_map(1:3, function(x) if (x == 2) stop("two") else x)[]
  expect_true(is_mirai_error(values[[2]]))
  expect_identical(values[-2], list(1L, 3L))
})

test_that("in the brackets stands an option, or a variable that holds one", {
  x <- mirai_map(1:2, identity)
  flat <- .flat
  expect_identical(x[flat], 1:2)
  expect_identical(x["a"], list(1L, 2L))
  expect_error(x[.flatt], "object '.flatt' not found; options are .flat, .progress, .stop")
  expect_identical(collect_mirai(x[[1]], ".flat"), 1L) # a single task has none
})

test_that("what cannot be mapped", {
  expect_error(
    mirai_map(1:2, "text"), "`.f` must be of type function, not character",
    fixed = TRUE
  )
  unnamed <- "all `...` arguments must be named, unless supplying an environment"
  expect_error(mirai_map(1:2, identity, 3), unnamed, fixed = TRUE)
})

test_that("no local daemons are made from within a map", {
  nested <- mirai_map(1, function(x) crossdock::daemons(1))[[1]][]
  expect_true(is_mirai_error(nested))
  expect_match(nested, "cannot create local daemons from within mirai map", fixed = TRUE)
})

daemons(0)

test_that("a map needs daemons", {
  expect_error(mirai_map(1:2, identity), "No daemons set", fixed = TRUE)
})
