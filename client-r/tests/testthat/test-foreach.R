# SPDX-License-Identifier: MIT
# foreach on daemons: doParallel takes a cluster of make_cluster() as any other.

skip_if_not_installed("doParallel")

# foreach's operators are wanted, and nothing else of it.
`%dopar%` <- foreach::`%dopar%`
foreach <- foreach::foreach

use_foreach <- function(n, frame = parent.frame()) {
  cl <- make_cluster(n)
  doParallel::registerDoParallel(cl)
  at_end({
    foreach::registerDoSEQ()
    stop_cluster(cl)
  }, frame)
  cl
}

test_that("loops are spread over the nodes", {
  cl <- use_foreach(2)
  expect_identical(foreach::getDoParWorkers(), 2L)
  expect_identical(foreach(i = 1:5, .combine = c) %dopar% sqrt(i), sqrt(1:5))
  pids <- foreach(i = 1:2, .combine = c) %dopar% Sys.getpid()
  expect_setequal(pids, unlist(parallel::clusterCall(cl, Sys.getpid)))
  expect_identical(
    foreach(i = 1:2, j = c("a", "b")) %dopar% paste(i, j), list("1 a", "2 b")
  )
})

test_that("variables and packages go along", {
  use_foreach(2)
  offset <- 10
  add <- function(x) x + offset
  expect_identical(foreach(i = 1:3, .combine = sum) %dopar% add(i), 36)
  got <- foreach(i = 1:2, .packages = "stats4", .combine = c) %dopar% {
    "package:stats4" %in% search()
  }
  expect_identical(got, c(TRUE, TRUE))
  inner <- function(n) foreach(i = seq_len(n), .export = "offset", .combine = c) %dopar% (i + offset)
  expect_identical(inner(2), c(11, 12))
})

test_that("more loops than nodes, in order and not", {
  use_foreach(2)
  expect_identical(foreach(i = 1:40, .combine = c) %dopar% i, 1:40)
  options <- list(preschedule = FALSE)
  got <- foreach(i = 1:20, .options.snow = options, .inorder = FALSE, .combine = c) %dopar% i
  expect_setequal(got, 1:20)
})

test_that("an error in a loop is foreach's error, or left to the loop", {
  use_foreach(2)
  expect_error(foreach(i = 1:3) %dopar% if (i == 2) stop("two is bad"), "task 2 failed.*two is bad")
  got <- foreach(i = 1:3, .errorhandling = "remove", .combine = c) %dopar% {
    if (i == 2) stop("two is bad")
    i
  }
  expect_identical(got, c(1L, 3L))
})
