# SPDX-License-Identifier: MIT
# everywhere(), and what daemons keep between tasks.

daemons(2)
pids <- sort(unlist(everywhere(Sys.getpid())[]))

test_that("each daemon evaluates the expression once", {
  expect_length(unique(pids), 2)
  m <- everywhere(Sys.getpid())
  expect_s3_class(m, "mirai_map")
  expect_length(m, 2)
  expect_identical(sort(m[.flat]), pids)
  expect_false(withVisible(everywhere({}))$visible)
})

test_that("it is a barrier: what was submitted before runs before, what comes after waits", {
  gate <- new_gate()
  busy <- mirai(
    {
      wait_at(path)
      exists("barrier")
    },
    wait_at = wait_at, path = gate$path
  )
  expect_true(eventually(gate$is_entered()))
  all <- everywhere(barrier <<- TRUE)
  after <- mirai_map(1:20, function(i) get0("barrier", globalenv()))
  Sys.sleep(0.2) # the idle daemon could run them all by now
  expect_true(all(vapply(unclass(after), unresolved, NA)))
  gate$open()
  expect_false(busy[])
  expect_identical(after[.flat], rep(TRUE, 20))
  call_mirai(all)
})

test_that("what everywhere() leaves stays; what a task leaves is cleaned up", {
  everywhere(
    {
      kept <<- 1
      library(tools)
      options(crossdock.kept = 1)
    },
    exported = "exported"
  )
  mirai(
    {
      assign("left", 1, globalenv())
      assign("kept", 2, globalenv())
      library(splines)
      options(crossdock.left = 1, crossdock.kept = 3, digits = 3)
    },
    sent = 1
  )[]
  everywhere({})
  state <- everywhere(list(
    exists("left"), exists("sent"), "package:splines" %in% search(), getOption("crossdock.left"),
    getOption("crossdock.kept"), getOption("digits"), "package:tools" %in% search(), exported
  ))[]
  for (one in state) {
    expect_identical(one, list(FALSE, FALSE, FALSE, NULL, 1, 7L, TRUE, "exported"))
  }
  # a changed value is not restored
  expect_identical(sort(everywhere(kept)[.flat]), c(1, 2))
})

test_that("the state of the random numbers is kept between tasks", {
  use_daemons(1, .compute = "random")
  first <- mirai({
    set.seed(1)
    runif(1)
  }, .compute = "random")[]
  second <- mirai(runif(1), .compute = "random")[]
  kinds <- RNGkind()
  at_end(do.call(RNGkind, as.list(kinds)))
  set.seed(1, "L'Ecuyer-CMRG") # the generator of all daemons
  expect_identical(c(first, second), runif(2))
})

test_that("its errors are values, and it counts as tasks", {
  before <- info()[["completed"]]
  values <- everywhere(stop("not here"))[]
  expect_true(all(vapply(values, is_mirai_error, NA)))
  expect_identical(info()[["completed"]] - before, 2L)
  expect_error(everywhere(), "missing expression, perhaps wrap in {}?", fixed = TRUE)
})

test_that("a daemon that comes later has not seen it; .min waits for it", {
  everywhere(seen <<- TRUE)[]
  m <- everywhere(exists("seen"), .min = 3)
  expect_length(m, 3)
  expect_true(unresolved(m))
  launch_local(1)
  expect_identical(sum(m[.flat]), 2L)
  expect_identical(connections(), 3L)
})

test_that("with .persist, daemons that join later are set up, too, once each", {
  use_daemons(2, .compute = "persist")
  values <- everywhere(
    {
      runs <<- get0("runs", ifnotfound = 0) + 1
      "set up"
    },
    sent = 5, .persist = TRUE, .compute = "persist"
  )[]
  expect_identical(values, list("set up", "set up"))
  launch_local(1, .compute = "persist")
  expect_true(eventually(connections("persist") == 3L))
  for (i in 1:2) {
    expect_identical(everywhere(c(runs, sent), .compute = "persist")[], rep(list(c(1, 5)), 3))
  }
  mirai(tools::pskill(Sys.getpid(), tools::SIGKILL), .compute = "persist")[]
  expect_true(eventually(connections("persist") == 3L)) # the one that took its place
  expect_identical(everywhere(c(runs, sent), .compute = "persist")[], rep(list(c(1, 5)), 3))
  failed <- everywhere(stop("no setup"), .persist = TRUE, .compute = "persist")[]
  expect_identical(vapply(failed, as.character, ""), rep("Error: no setup", 3))
  expect_identical(mirai(sent, .compute = "persist")[], 5)
})

test_that("a persistent setup uses the serial configuration, and a later one goes along", {
  config <- portable_tensors()
  use_daemons(1, .compute = "persist", serial = config)
  standins <- portable_standins()
  everywhere(kept <<- tensor_value(x), x = standins$tensor(3), tensor_value = standins$tensor_value,
    .persist = TRUE, .compute = "persist")
  launch_local(1, .compute = "persist")
  expect_true(eventually(connections("persist") == 2L))
  expect_identical(everywhere(kept, .compute = "persist")[], list(3, 3))
})

daemons(0)

test_that("cleanup = FALSE leaves what tasks leave", {
  use_daemons(1, cleanup = FALSE)
  mirai(x <<- 5)[]
  expect_identical(mirai(x)[], 5)
})

test_that("everywhere() needs daemons", {
  expect_error(everywhere(1), "No daemons set", fixed = TRUE)
})

test_that("what tasks may ask for is an error there", {
  use_daemons(1)
  for (name in c(".priority", ".after", ".needs", ".timeout", ".finally")) {
    arguments <- stats::setNames(list(quote(1), 1), c("", name))
    error <- tryCatch(do.call(everywhere, arguments, quote = TRUE), error = identity)
    expect_match(conditionMessage(error), sprintf("everywhere() takes no `%s`", name), fixed = TRUE)
    expect_identical(conditionCall(error)[[1]], everywhere)
  }
})
