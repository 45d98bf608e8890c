# SPDX-License-Identifier: MIT
# make_cluster() and what package parallel does with it.

library(parallel)

use_cluster <- function(..., frame = parent.frame()) {
  cl <- make_cluster(...)
  at_end(stop_cluster(cl), frame)
  cl
}

test_that("it looks like mirai's, and ends", {
  cl <- use_cluster(2)
  expect_s3_class(cl, c("miraiCluster", "cluster"))
  expect_match(printed(cl), "^< miraiCluster \\| ID: `[0-9]+` nodes: 2 active: TRUE >$")
  expect_match(printed(cl[[2]]), "^< miraiNode \\| node: 2 cluster ID: `[0-9]+` >$")
  expect_identical(status(cl)$connections, 2L)
  pids <- unlist(clusterCall(cl, Sys.getpid))
  expect_identical(length(unique(pids)), 2L)
  expect_false(withVisible(stop_cluster(cl))$visible)
  expect_match(printed(cl), "active: FALSE >$")
  expect_true(eventually(!any(is_alive(pids))))
  expect_error(clusterCall(cl, Sys.getpid), "cluster is no longer active")
  expect_identical(status(cl), list(connections = 0L, daemons = 0L))
  expect_null(stop_cluster(cl))
})

test_that("the functions of parallel give what they give elsewhere", {
  cl <- use_cluster(2)
  expect_identical(parLapply(cl, 1:5, sqrt), lapply(1:5, sqrt))
  expect_identical(parLapplyLB(cl, 1:7, function(x) x * 2), lapply(1:7, function(x) x * 2))
  expect_identical(parSapply(cl, 1:3, function(x) x), 1:3)
  expect_identical(clusterMap(cl, function(a, b) a + b, 1:3, 4:6), list(5L, 7L, 9L))
  expect_identical(clusterApplyLB(cl, 1:9, function(x) x), as.list(1:9))
  expect_identical(parApply(cl, matrix(1:4, 2), 1, sum), c(4L, 6L))
  offset <- 10
  clusterExport(cl, "offset", environment())
  expect_identical(clusterEvalQ(cl, offset + 1), list(11, 11))
  expect_identical(clusterCall(cl, function(x) x, NULL), list(NULL, NULL))
})

test_that("what is sent to a node stays on that node, in whatever order they are used", {
  cl <- use_cluster(2)
  pids <- unlist(clusterCall(cl, Sys.getpid))
  expect_identical(unlist(clusterCall(cl[2], Sys.getpid)), pids[[2]])
  expect_identical(unlist(clusterCall(cl, Sys.getpid)), pids)
  clusterEvalQ(cl[1], mine <- "first")
  expect_identical(clusterEvalQ(cl, exists("mine")), list(TRUE, FALSE))
})

test_that("random numbers repeat", {
  draw <- function() {
    cl <- use_cluster(2)
    clusterSetRNGStream(cl, 123)
    parSapply(cl, 1:4, function(i) runif(1))
  }
  expect_identical(draw(), draw())
})

test_that("an error on a node is parallel's error", {
  cl <- use_cluster(2)
  bad <- function() stop("bad")
  expect_error(clusterCall(cl, bad), "2 nodes produced errors; first error: .*bad")
  expect_error(
    clusterApplyLB(cl, 1:5, function(x) if (x == 3) stop("three") else x),
    "one node produced an error: .*three"
  )
  expect_identical(clusterCall(cl, function() 1), list(1, 1)) # they go on
})

test_that("nodes can come from elsewhere", {
  shown <- utils::capture.output(cl <- make_cluster(2, url = local_url()))
  at_end(stop_cluster(cl))
  expect_identical(shown[[1]], "Shell commands for deployment on nodes:")
  commands <- launch_remote(cl)
  expect_identical(length(commands), 2L)
  expect_match(commands, "cleanup=FALSE,rs=c\\(")
  expect_identical(as.vector(unclass(launch_remote(cl[[1]]))), commands[[1]])
  for (command in commands) {
    start_program("/bin/sh", c("-c", paste("exec", command)), r_environment())
  }
  expect_true(eventually(status(cl)$connections == 2L))
  expect_identical(clusterApply(cl, 1:4, function(x) x * 2), list(2, 4, 6, 8))
})

test_that("wrong arguments", {
  expect_error(make_cluster(0), "`n` must be 1 or greater")
  expect_error(make_cluster("a"), "`n` must be numeric, did you mean", fixed = TRUE)
  expect_error(make_cluster(-1), "`n` must be 1 or greater")
  expect_error(stop_cluster(1), "`cl` must be a cluster made by make_cluster(), not 1", fixed = TRUE)
  expect_error(make_cluster(), "argument \"n\" is missing, with no default")
})
