# SPDX-License-Identifier: MIT
# One task: what its expression sees, what it gives, how it fails, how it prints.

daemons(1)

# ---- what the expression sees ----

test_that("objects in .args are seen by the expression, not by each other", {
  expect_identical(mirai(x + y, .args = list(x = 1, y = 2))[], 3)
  f <- eval(quote(function(x) x + y), globalenv())
  value <- mirai(f(1), .args = list(f = f, y = 2))[]
  expect_identical(printed(value), "'miraiError' chr Error in f(1): object 'y' not found")
})

test_that("objects in ... are seen by each other", {
  f <- eval(quote(function(x) x + y), globalenv())
  expect_identical(mirai(f(1), f = f, y = 2)[], 3)
})

test_that("nothing else of the caller is seen, and nothing of ours", {
  here <- 1
  expect_match(mirai(here)[], "object 'here' not found")
  expect_identical(mirai(ls(all.names = TRUE), .args = list(a = 1))[], "a")
  expect_identical(
    mirai(setdiff(ls(globalenv(), all.names = TRUE), ".Random.seed"), b = 1)[], "b"
  )
})

test_that("closures carry what they enclose", {
  make <- function(n) function(x) x + n
  expect_identical(mirai(f(1), .args = list(f = make(10)))[], 11)
})

test_that("a symbol that holds an expression stands for it; any other is evaluated there", {
  expression <- quote(a + 1)
  expect_identical(mirai(expression, a = 1)[], 2)
  other <- 5
  expect_identical(mirai(other, other = 6)[], 6)
})

test_that("environments serve as ... and as .args, hidden names included", {
  objects <- list2env(list(a = 1, .b = 2, .Random.seed = 3L))
  expect_identical(mirai(a + .b, objects)[], 3)
  expect_identical(mirai(a + .b, .args = objects)[], 3)
  expect_identical(mirai(a + b, .args = c(a = 1, b = 2))[], 3)
})

test_that("what cannot be sent is refused in mirai's words, in the name of the call", {
  expect_error(mirai(), "missing expression, perhaps wrap in {}?", fixed = TRUE)
  unnamed <- "all `...` arguments must be named, unless supplying an environment"
  expect_error(mirai(1, 2), unnamed, fixed = TRUE)
  expect_error(mirai(1, a = 1, 2), unnamed, fixed = TRUE)
  expect_error(
    mirai(1, .args = list(1)),
    "all items in `.args` must be named, unless supplying an environment",
    fixed = TRUE
  )
  error <- tryCatch(mirai(1, 2), error = identity)
  expect_identical(class(error), c("simpleError", "error", "condition"))
  expect_identical(as.character(conditionCall(error)[[1]]), "mirai")
})

# ---- what it gives ----

test_that("a task is an invisible environment of mirai's classes with a growing id", {
  expect_false(withVisible(mirai(1))$visible)
  m <- mirai(1)
  expect_identical(class(m), c("crossdock_task", "mirai", "recvAio"))
  expect_type(m, "environment")
  expect_identical(attr(mirai(1), "id"), attr(m, "id") + 1L)
})

test_that("its data is there or unresolved, and cannot be set", {
  gate <- new_gate()
  m <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_identical(printed(m), "< mirai [] >")
  expect_s3_class(m$data, "unresolvedValue")
  expect_identical(as.vector(m$data), NA)
  expect_identical(printed(m$data), "'unresolved' logi NA")
  m$data <- 5
  gate$open()
  expect_type(m[], "integer")
  m$data <- 5
  expect_type(m$data, "integer")
  expect_identical(printed(m), "< mirai [$data] >")
})

test_that("any value comes back", {
  expect_null(mirai(NULL)[])
  expect_identical(mirai(quote(expr = ))[], quote(expr = ))
  expect_identical(mirai(quote(a + b))[], quote(a + b))
  expect_identical(mirai(invisible(2))[], 2)
  expect_identical(mirai(iris)[], iris)
  x <- as.double(1:1e6)
  expect_identical(mirai(rev(x), x = x)[], rev(x))
  expect_identical(mirai(return(3))[], 3)
})

test_that("tasks leave the random numbers of this session alone", {
  set.seed(1)
  before <- .Random.seed
  mirai(runif(1))[]
  expect_identical(.Random.seed, before)
})

test_that("a task restored from bytes has lost its value, no more", {
  m <- unserialize(serialize(mirai(1), NULL))
  expect_true(m$data == 7L)
  expect_false(unresolved(m))
  expect_true(m[] == 7L)
  expect_false(stop_mirai(m))
})

# ---- how it fails ----

test_that("an error keeps its text, call, class, fields and calls", {
  value <- mirai({
    f <- function(x) g(x)
    g <- function(x) stop(structure(
      class = c("odd_error", "error", "condition"),
      list(message = "no such thing", call = sys.call(), extra = x)
    ))
    f(1)
  })[]
  expect_identical(
    class(value), c("crossdock_task_error", "miraiError", "errorValue", "try-error")
  )
  expect_identical(as.character(value), "Error in g(x): no such thing")
  expect_identical(printed(value), "'miraiError' chr Error in g(x): no such thing")
  expect_identical(value$message, "no such thing")
  expect_identical(conditionMessage(value), "no such thing")
  expect_identical(conditionCall(value), quote(g(x)))
  expect_identical(value$extra, 1)
  expect_null(value$ext)
  expect_identical(value$condition.class, c("odd_error", "error", "condition"))
  expect_identical(vapply(value$stack.trace, deparse1, "")[2:3], c("g(x)", "f(1)"))
  expect_true("extra" %in% utils:::.DollarNames(value, "^ex"))
})

test_that("an error of the expression itself has no call", {
  expect_identical(as.character(mirai(stop("bad"))[]), "Error: bad")
  expect_identical(as.character(mirai(stop("bad", call. = FALSE))[]), "Error: bad")
})

test_that("errors of rlang keep their fields", {
  skip_without("rlang", "cli")
  value <- mirai(rlang::abort("bad", class = "custom", info = 7))[]
  expect_identical(value$info, 7)
  expect_true(all(c("custom", "rlang_error") %in% value$condition.class))
})

test_that("what reads a lazy argument fails as a task too", {
  value <- mirai(x, .args = list(x = structure(list(), class = "odd")))[]
  expect_s3_class(value, "odd")
  expect_identical(mirai("on")[], "on")
})

test_that("an interrupt in a task is a value", {
  value <- mirai({
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(20)
  })[]
  expect_identical(
    class(value), c("crossdock_interrupt", "miraiInterrupt", "errorValue", "try-error")
  )
  expect_identical(as.character(value), "")
  expect_identical(printed(value), "'miraiInterrupt' chr \"\"")
  expect_identical(mirai("on")[], "on")
})

test_that("a timeout ends the task as 5, and frees the daemon", {
  expect_identical(printed(mirai(1, .timeout = 0)$data), "'errorValue' int 5 | Timed out")
  expect_identical(mirai(1, .timeout = -1)[], 1)
  for (none in list(NULL, NA, Inf, "60000")) expect_identical(mirai(1, .timeout = none)[], 1)
  expect_identical(mirai(1, .timeout = 60000)[], 1)
  started <- Sys.time()
  m <- mirai(Sys.sleep(60), .timeout = 300.5)
  expect_identical(class(m[]), c("crossdock_value", "errorValue", "try-error"))
  expect_true(m$data == 5L && m$data < 20L)
  expect_identical(mirai("on")[], "on")
  expect_lt(as.double(Sys.time() - started, "secs"), 20)
})

daemons(0)
