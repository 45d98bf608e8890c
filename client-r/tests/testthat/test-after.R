# SPDX-License-Identifier: MIT
# Tasks that have to do with others: those that come after them, and those that are the same.

both_brokers("tasks of one key run once", {
  start(2)
  file <- tempfile()
  ask <- function(key) {
    mirai(
      {
        Sys.sleep(0.2)
        note(file)
      },
      note = note, file = file, .dedupe = key
    )
  }
  m <- lapply(c("a", "a", "a"), ask)
  expect_identical(unlist(collect_mirai(m)), c(1L, 1L, 1L))
  expect_identical(ask("a")[], 1L) # remembered
  expect_identical(ask("b")[], 2L)
  bad <- lapply(1:2, function(i) mirai(stop("no"), .dedupe = "bad"))
  expect_s3_class(bad[[1]][], "miraiError")
  expect_s3_class(bad[[2]][], "miraiError")
  expect_identical(mirai("good", .dedupe = "bad")[], "good")
})

both_brokers("results of earlier tasks are variables of later ones", {
  start(2)
  x <- mirai(
    {
      Sys.sleep(0.3)
      2
    }
  )
  y <- mirai(3)
  z <- mirai(x * y, .after = list(x = x, y = y))
  expect_identical(explain(z)$state, "waiting")
  expect_identical(z[], 6)
  again <- mirai(x * y + a, .args = list(a = 1), .after = list(x = x, y = y)) # both are here
  expect_identical(again[], 7)
  expect_identical(mirai(c(z, u), .after = list(z = z, u = mirai(1)))[], c(6, 1))
  expect_true(mirai(is.null(n), .after = list(n = mirai(NULL)))[])
})

both_brokers("without names only the order counts", {
  start(2)
  file <- tempfile()
  first <- mirai(
    {
      Sys.sleep(0.3)
      note(file, "first")
    },
    note = note, file = file
  )
  second <- mirai(note(file, "second"), note = note, file = file, .after = first)
  third <- mirai_map(1:2, function(i, note, file) note(file, "third"),
    .args = list(note = note, file = file), .after = list(second)
  )
  third[]
  expect_identical(noted(file), c("first", "second", "third", "third"))
  expect_identical(call_task("base::toupper", "x", .after = list(first))[], "X")
})

both_brokers("a map's function gets them as arguments", {
  start(2)
  total <- mirai(
    {
      Sys.sleep(0.1)
      100
    }
  )
  values <- mirai_map(1:3, function(x, y, total) x + y + total, .args = list(y = 10), .after = list(
    total = total
  ))
  expect_identical(values[.flat], c(111, 112, 113))
})

both_brokers("what comes after a task without a value does not run", {
  start(2)
  file <- tempfile()
  bad <- mirai(
    {
      Sys.sleep(0.2)
      stop("broken")
    }
  )
  child <- mirai(note(file), note = note, file = file, .after = list(x = bad))
  grandchild <- mirai(note(file), note = note, file = file, .after = child)
  expect_s3_class(grandchild[], "miraiError")
  expect_match(child[], "a task it comes after failed")
  expect_match(bad[], "broken")
  late <- mirai(note(file), note = note, file = file, .after = bad)
  expect_false(unresolved(late))
  expect_match(late[], "a task it comes after failed.*broken")
  stopped <- mirai(Sys.sleep(60))
  child <- mirai(note(file), note = note, file = file, .after = stopped)
  stop_mirai(stopped)
  expect_s3_class(child[], "miraiError")
  expect_identical(noted(file), character())
})

both_brokers("large results and objects of configured classes are handed over", {
  start(2, serial = portable_tensors())
  big <- mirai(
    {
      Sys.sleep(0.1)
      runif(3e5)
    }
  )
  thing <- mirai(
    {
      Sys.sleep(0.1)
      list(tensor(5))
    },
    tensor = portable_standins()$tensor
  )
  m <- mirai(
    list(length(big), sum(big), tensor_value(thing[[1]])),
    tensor_value = portable_standins()$tensor_value, .after = list(big = big, thing = thing)
  )
  expect_identical(m[], list(300000L, sum(big[]), 5))
})

test_that("in a synchronous profile the values are there", {
  use_daemons(sync = TRUE)
  x <- mirai(2)
  expect_identical(mirai(x + 1, .after = list(x = x), .priority = "batch", .delay = 1e6)[], 3)
  expect_match(mirai(1, .after = mirai(stop("no")))[], "a task it comes after failed")
})

test_that("tasks of another broker cannot be waited for", {
  use_daemons(1)
  use_daemons(1, url = local_url(), .compute = "other")
  launch_local(1, .compute = "other")
  m <- mirai(Sys.sleep(0.5), .compute = "other")
  expect_error(mirai(1, .after = m), "task 1 of `.after` is with another broker")
  expect_identical(mirai("next", .after = list(x = mirai(1)))[], "next")
})
