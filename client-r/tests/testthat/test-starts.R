# SPDX-License-Identifier: MIT
# Daemons that cannot start: whoever waits for them hears why, within seconds, with their log.

# R processes that start from now on run this first.
use_r_profile <- function(lines, frame = parent.frame()) {
  file <- tempfile(fileext = ".R")
  writeLines(lines, file)
  use_variables(R_PROFILE_USER = file, frame = frame)
}

use_licence <- function(frame = parent.frame()) {
  use_r_profile('message("the licence has run out"); quit("no", status = 5)', frame)
}

seconds_of <- function(code) system.time(code)[["elapsed"]]

expect_start_error <- function(value, text, reason = "could not start") {
  expect_s3_class(value, "miraiError")
  expect_match(value, "a daemon could not start", fixed = TRUE)
  expect_match(value, text, fixed = TRUE)
  expect_match(value, reason, fixed = TRUE)
  expect_s3_class(tryCatch(rethrow(value), error = identity), "crossdock_error_system")
}

test_that("with .wait = FALSE the tasks say so, and status()", {
  use_licence()
  use_daemons(1, .wait = FALSE)
  tasks <- list(mirai(1), mirai(2))
  expect_lt(seconds_of(values <- collect_mirai(tasks)), 10)
  for (value in values) {
    expect_start_error(value, "the licence has run out", "exit code 5")
  }
  expect_lt(sum(gregexpr("licence", values[[1]])[[1]] > 0), 2) # the last attempt's lines alone
  expect_match(status()$fault, "the licence has run out", fixed = TRUE)
  expect_lt(seconds_of(value <- mirai(3)[]), 2) # those that come later, too
  expect_start_error(value, "the licence has run out")
  m <- mirai(4)
  expect_true(eventually(!unresolved(m), 5)) # asked without waiting
  expect_start_error(m$data, "the licence has run out")
  expect_lt(seconds_of(race_mirai(list(mirai(5)))), 2)
  expect_lt(seconds_of(value <- everywhere(6)[[1]][]), 2)
  expect_start_error(value, "the licence has run out")
})

test_that("once the reason is gone, the profile works", {
  local({
    use_licence()
    daemons(1, .wait = FALSE)
    expect_s3_class(mirai(1)[], "miraiError")
  })
  at_end(daemons(0))
  launch_local(1)
  expect_identical(mirai("on")[], "on")
  expect_null(status()$fault)
})

test_that("promises are rejected, and nobody has to wait", {
  skip_without("promises", "later")
  use_licence()
  use_daemons(1, .wait = FALSE)
  said <- NULL
  promises::then(mirai(1), onRejected = function(e) said <<- e)
  expect_true(eventually(
    {
      later::run_now(0.1)
      !is.null(said)
    },
    10
  ))
  expect_match(conditionMessage(said), "the licence has run out", fixed = TRUE)
  expect_s3_class(said, "crossdock_error_system")
  said <- NULL
  promises::then(mirai(1), onRejected = function(e) said <<- e)
  expect_true(eventually(
    {
      later::run_now(0.1)
      !is.null(said)
    },
    5
  ))
})

test_that("a profile that listens, a task without daemons, a cluster", {
  use_licence()
  use_daemons(url = local_url())
  m <- mirai(1)
  launch_local(1)
  expect_lt(seconds_of(value <- m[]), 10)
  expect_start_error(value, "the licence has run out")
  daemons(0)
  expect_lt(seconds_of(value <- mirai(1)[]), 10)
  expect_start_error(value, "the licence has run out")
  expect_lt(seconds_of(error <- tryCatch(make_cluster(2), error = identity)), 10)
  expect_s3_class(error, "crossdock_error_system")
  expect_match(conditionMessage(error), "the licence has run out", fixed = TRUE)
})

test_that("a daemon that has served and ended in order is no failure", {
  use_daemons(1, maxtasks = 1, .wait = FALSE)
  expect_identical(mirai("on")[], "on")
  waits <- mirai("later")
  expect_false(eventually(!unresolved(waits), 1))
  expect_null(status()$fault)
  launch_local(1)
  expect_identical(waits[], "later")
})

test_that("daemons that crash in tasks are no failure either, however often", {
  use_daemons(1)
  crash <- function() mirai(tools::pskill(Sys.getpid(), tools::SIGKILL))
  tasks <- c(lapply(1:4, function(i) crash()), list(mirai("on")))
  values <- collect_mirai(tasks)
  expect_identical(values[[5]], "on")
  expect_true(all(vapply(values[1:4], function(v) unclass(v)[[1]], 0L) == 19L))
})

test_that("the package is gone, or R", {
  library <- tempfile("library-")
  dir.create(library)
  file.copy(system.file(package = "crossdock"), library, recursive = TRUE)
  code <- bquote({
    tell <- function(text) cat(gsub("\n", " ", text), "\n")
    try_both <- function() {
      tell(tryCatch(daemons(2), error = conditionMessage))
      daemons(1, .wait = FALSE)
      tell(mirai(1)[])
      daemons(0)
    }
    file.rename(.(library), .(paste0(library, "-away")))
    began <- Sys.time()
    try_both()
    utils::assignInNamespace("rscript_program", function() "/no/such/Rscript", "crossdock")
    try_both()
    cat(as.double(Sys.time() - began, "secs") < 30, "\n")
  })
  output <- run_r(code, c(paste0("R_LIBS=", library), "R_LIBS_USER=/none"))
  expect_length(output, 5)
  expect_match(output[1:2], "could not start: it ended with exit code 1", fixed = TRUE)
  expect_match(output[1:2], "there is no package called .crossdock.")
  expect_match(output[3:4], "/no/such/Rscript", fixed = TRUE)
  expect_identical(output[[5]], "TRUE ")
})

test_that("a start that takes its time is told of, with what the daemon said", {
  output <- run_r(quote({
    utils::assignInNamespace("slow_start", 1, "crossdock")
    file <- tempfile(fileext = ".R")
    writeLines('message("asking the licence server"); Sys.sleep(6)', file)
    Sys.setenv(R_PROFILE_USER = file)
    daemons(2)
    cat("two\n")
  }))
  said <- "crossdock: 0 of 2 daemons have connected within 1 seconds"
  expect_match(output[[1]], said, fixed = TRUE)
  expect_true("asking the licence server" %in% output)
  expect_true("two" %in% output)
})

test_that("a key that the broker refuses", {
  skip_without_programs()
  use_state()
  broker <- start_broker("tcp://127.0.0.1:0")
  other <- local({
    state <- use_state()
    shell(Sys.getenv("CROSSDOCK_PROGRAM"), "keys", "new")
    state
  })
  daemons(broker = broker$url) # with a key that it knows
  at_end(daemons(0))
  use_variables(CROSSDOCK_KEY_FILE = file.path(other, "user.key"))
  m <- mirai(1)
  launch_local(1)
  expect_lt(seconds_of(value <- m[]), 10)
  expect_start_error(value, "does it admit ours")
})
