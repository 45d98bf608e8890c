# SPDX-License-Identifier: MIT
# Streams of random numbers: per daemon, with a seed per task.

streams_of <- function(seed, n) {
  kinds <- RNGkind()
  on.exit(do.call(RNGkind, as.list(kinds)))
  set.seed(seed, "L'Ecuyer-CMRG", "Inversion", "Rejection")
  streams <- list(.Random.seed)
  while (length(streams) < n) {
    streams <- c(streams, list(parallel::nextRNGStream(streams[[length(streams)]])))
  }
  streams
}

test_that("with a seed results are the same whatever runs them", {
  draw <- function() {
    list(mirai(runif(1))[], mirai_map(1:3, function(x) rnorm(1))[.flat], mirai(.Random.seed)[])
  }
  use_daemons(2, seed = 42L)
  expected <- draw()
  expect_identical(expected[[3]], streams_of(42L, 5)[[5]])
  daemons(1, seed = 42L)
  expect_identical(draw(), expected)
  daemons(3, dispatcher = FALSE, seed = 42L)
  expect_identical(draw(), expected)
  daemons(sync = TRUE, seed = 42L)
  expect_identical(draw(), expected)
})

test_that("daemons have the streams after the seed's, in the order in which they joined", {
  use_daemons(2, seed = 7L)
  expect_identical(everywhere(.Random.seed)[], streams_of(7L, 3)[-1])
  launch_local(1)
  expect_true(eventually(connections() == 3L))
  expect_identical(everywhere(.Random.seed)[], streams_of(7L, 4)[-1])
  expect_identical(nextstream(), streams_of(7L, 1)[[1]])
  expect_identical(nextstream("default"), streams_of(7L, 2)[[2]])
  expect_identical(info()[["completed"]], 5L) # what the package itself sent is not counted
})

test_that("without a seed they follow the session's generator, of which one number is taken", {
  draw <- function() {
    set.seed(1)
    daemons(2)
    list(everywhere(.Random.seed)[], runif(1))
  }
  at_end(daemons(0))
  first <- draw()
  expect_identical(draw(), first)
  set.seed(1)
  expect_identical(first[[2]], runif(2)[[2]])
  expect_false(identical(first[[1]][[1]], first[[1]][[2]]))
  expect_identical(mirai(RNGkind())[], c("L'Ecuyer-CMRG", "Inversion", "Rejection"))
  before <- mirai(runif(1))[]
  expect_false(identical(mirai(runif(1))[], before)) # a daemon's goes on
})

test_that("that stream is the one which R itself makes of the session's generator", {
  kinds <- RNGkind()
  set.seed(8)
  runif(1)
  RNGkind("L'Ecuyer-CMRG", "Inversion", "Rejection")
  own <- .Random.seed
  do.call(RNGkind, as.list(kinds))
  set.seed(8)
  use_daemons(1)
  expect_identical(nextstream(), own)
  expect_identical(everywhere(.Random.seed)[], list(parallel::nextRNGStream(own)))
  set.seed(8)
  daemons(1, dispatcher = FALSE)
  expect_identical(everywhere(.Random.seed)[], list(own))
})

test_that("the session's generator is not touched otherwise", {
  use_daemons(1, seed = 1L)
  set.seed(5)
  seed <- .Random.seed
  mirai(runif(1))[]
  mirai_map(1:2, function(x) runif(1))[]
  nextstream()
  expect_identical(.Random.seed, seed)
  rm(".Random.seed", envir = globalenv())
  mirai(runif(1))[]
  expect_false(exists(".Random.seed", globalenv()))
  daemons(1, seed = 1L)
  expect_identical(RNGkind()[[1]], "Mersenne-Twister")
})

test_that("launch commands without dispatcher have a stream, and bad seeds are errors", {
  use_daemons(url = local_url(), dispatcher = FALSE, seed = 3L)
  for (stream in streams_of(3L, 2)) {
    command <- launch_remote(1)
    text <- sprintf("dispatcher=FALSE,rs=c(%s)", paste(stream, collapse = ","))
    expect_match(command, text, fixed = TRUE)
  }
  expect_error(daemons(1, seed = "x"), "`seed` must be an integer or NULL, not \"x\"")
  expect_error(daemons(1, seed = 1:2), "`seed` must be")
})

test_that("what is known of a profile", {
  expect_null(nextget("n"))
  expect_null(nextstream())
  use_daemons(1, seed = 4L)
  expect_identical(nextget("n"), 1L)
  expect_identical(nextget("url"), status()$daemons)
  expect_identical(nextget("dispatcher"), status()$daemons)
  expect_identical(nextget("seed"), 4L)
  expect_null(nextget("tls"))
  expect_identical(nextcode(0:3), c(
    "0 | Daemon connection terminated", "1 | Daemon idletime limit reached",
    "2 | Daemon walltime limit reached", "3 | Daemon task limit reached"
  ))
  expect_error(nextcode("x"), "`xc` must be an exit code")
})

test_that("in the place of a daemon that crashed there is one with numbers of its own", {
  for (wait in c(TRUE, FALSE)) {
    use_daemons(2, seed = 7L, .wait = wait)
    expect_true(eventually(connections() == 2L))
    streams <- streams_of(7L, 3)[-1]
    known <- streams
    for (restarts in 1:2) {
      before <- unlist(everywhere(Sys.getpid())[])
      tools::pskill(before[[2]], tools::SIGKILL)
      expect_true(eventually(
        {
          now <- everywhere(Sys.getpid())[] # one that has just gone may count, and is lost
          length(now) == 2L && !any(vapply(now, is_error_value, NA)) && !before[[2]] %in% now
        },
        30
      ))
      seeds <- everywhere(.Random.seed)[]
      expect_true(any(seeds %in% streams)) # of the one that lives
      new <- seeds[!seeds %in% known]
      expect_length(new, 1L)
      reachable <- unlist(lapply(streams, function(stream) {
        one <- parallel::nextRNGSubStream(stream)
        list(one, parallel::nextRNGSubStream(one))
      }), recursive = FALSE)
      expect_true(all(new %in% reachable))
      known <- c(known, new)
    }
  }
})
