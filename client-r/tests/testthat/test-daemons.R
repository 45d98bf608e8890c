# SPDX-License-Identifier: MIT
# Setting daemons up and ending them: arguments, profiles, status.

test_that("without daemons", {
  expect_false(daemons_set())
  expect_identical(status(), list(connections = 0L, daemons = 0L))
  expect_null(info())
  expect_identical(daemons(0), FALSE)
  expect_false(withVisible(daemons(0))$visible)
  expect_error(daemons(), "argument \"n\" is missing, with no default", fixed = TRUE)
  needed <- "daemons must be set to use this function"
  expect_error(launch_local(1), needed, fixed = TRUE)
})

test_that("wrong arguments are told in mirai's words, in the name of daemons()", {
  told <- function(code, text) {
    error <- tryCatch(code, error = identity)
    expect_identical(conditionMessage(error), text)
    expect_identical(as.character(conditionCall(error)[[1]]), "daemons")
  }
  told(daemons("url"), "`n` must be numeric, did you mean to provide `url`?")
  told(daemons(-1), "the number of daemons must be zero or greater")
  told(daemons(url = 1), "`url` must be of type character, not double")
  told(daemons(1, dispatcher = NA), "`dispatcher` must be TRUE or FALSE, not NA")
  told(daemons(1, sync = NA), "`sync` must be TRUE or FALSE, not NA")
  expect_error(daemons(1, serial = 5), "serial_config()", fixed = TRUE)
  expect_error(daemon("URL"), "address", class = "crossdock_error")
  expect_false(daemons_set())
})

test_that("what is wrong is said with its value, in the name of the call", {
  expect_wrong <- function(expr, text) {
    code <- substitute(expr)
    e <- expect_error(eval(code), text, fixed = TRUE)
    expect_identical(conditionCall(e), code)
  }
  expect_wrong(mirai(1, .compute = 7), "`.compute` must be a profile's name or NULL, not 7")
  expect_wrong(status(NA), "`.compute` must be a profile's name or NULL, not NA")
  expect_wrong(
    mirai(1, .timeout = "soon"), "`.timeout` must be a number of milliseconds or NULL, not \"soon\""
  )
  expect_wrong(daemons(1, dispatcher = ""), "`dispatcher` must be TRUE or FALSE, not \"\"")
  expect_wrong(daemons(url = character()), "`url` must be an address, a string, not character(0)")
  expect_wrong(host_url(port = "x"), "`port` must be a number from 0 to 65535, not \"x\"")
  expect_wrong(
    daemon("ipc:///nowhere", idletime = "1 h"),
    "`idletime` must be a number of milliseconds or Inf, not \"1 h\""
  )
  expect_wrong(nextget(1), "`x` must be the name of what is wanted, a string, not 1")
  expect_wrong(launch_local(1), "daemons must be set to use this function")
  use_daemons(url = local_url())
  expect_wrong(launch_local("a"), "`n` must be a number of daemons, zero or greater, not \"a\"")
  expect_wrong(launch_remote(-1), "`n` must be a number of daemons, zero or greater, not -1")
  expect_wrong(everywhere(1, .min = "all"), "`.min` must be a number of daemons, not \"all\"")
  expect_wrong(everywhere(1, .args = list(1)), "all items in `.args` must be named")
  expect_wrong(
    mirai_map(mean, identity), "`.x` must be a list, a vector, a data frame or a matrix, not function"
  )
})

test_that("require_daemons() says what to do", {
  expect_error(require_daemons(), "No daemons set.", fixed = TRUE)
  expect_error(require_daemons(), "daemons(6)", fixed = TRUE)
  expect_error(
    require_daemons("gpu"), "No daemons set for the 'gpu' compute profile.",
    fixed = TRUE
  )
  expect_error(require_daemons("gpu"), "daemons(6, .compute = \"gpu\")", fixed = TRUE)
  expect_error(with_daemons("gpu", 1), "No daemons set", fixed = TRUE)
  expect_error(local_daemons("gpu"), "No daemons set", fixed = TRUE)
})

test_that("daemons(n) returns when all are connected, and status() tells", {
  set <- withVisible(use_daemons(2))
  expect_false(set$visible)
  expect_identical(class(set$value), c("crossdock_daemons", "miraiDaemons", "default"))
  expect_identical(printed(set$value), "[1] TRUE")
  expect_true(require_daemons())
  found <- status()
  expect_identical(found$connections, 2L)
  expect_type(found$daemons, "character")
  expect_identical(found$mirai, c(awaiting = 0L, executing = 0L, completed = 0L))
  expect_identical(
    info(),
    c(connections = 2L, cumulative = 2L, awaiting = 0L, executing = 0L, completed = 0L)
  )
  gate <- new_gate()
  tasks <- lapply(1:5, function(i) mirai(wait_at(path), wait_at = wait_at, path = gate$path))
  expect_true(eventually(identical(
    status()$mirai, c(awaiting = 3L, executing = 2L, completed = 0L)
  )))
  pids <- local({
    gate$open()
    unique(unlist(collect_mirai(tasks)))
  })
  stop_mirai(mirai(Sys.sleep(60)))
  expect_true(eventually(info()[["completed"]] == 6L)) # a cancelled one counts
  daemons(0)
  expect_true(eventually(!any(is_alive(pids))))
})

test_that("daemons(0) ends open tasks as 19, whether they run or wait", {
  use_daemons(1)
  gate <- new_gate()
  running <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_true(eventually(gate$is_entered()))
  waiting <- mirai(1)
  done <- call_mirai(mirai(1, .timeout = 0))
  daemons(0)
  expect_true(running$data == 19L && waiting$data == 19L && done$data == 5L)
  expect_identical(unclass(collect_mirai(list(running))[[1]])[[1]], 19L)
  expect_false(stop_mirai(waiting))
})

test_that("setting daemons anew replaces them, and ends open tasks as 19", {
  use_daemons(1)
  old <- mirai(Sys.getpid())[]
  open <- mirai(Sys.sleep(60))
  daemons(1)
  expect_true(open$data == 19L)
  expect_false(mirai(Sys.getpid())[] == old)
  expect_false(is_alive(old))
})

test_that("profiles have daemons and queues of their own", {
  use_daemons(1)
  use_daemons(1, .compute = "other")
  gate <- new_gate()
  busy <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_true(eventually(gate$is_entered()))
  there <- mirai(Sys.getpid(), .compute = "other")[]
  expect_identical(mirai_map(1:3, identity, .compute = "other")[.flat], 1:3)
  expect_identical(with_daemons("other", mirai(Sys.getpid())[]), there)
  in_function <- function() {
    local_daemons("other")
    mirai(Sys.getpid())[]
  }
  expect_identical(in_function(), there)
  expect_true(daemons_set("other") && !daemons_set("third"))
  expect_error(mirai(1, .compute = "third"), "'other'", fixed = TRUE)
  gate$open()
  expect_false(busy[] == there)
  daemons(0, .compute = "other")
  expect_false(is_alive(there))
  expect_true(is_alive(busy$data))
})

test_that("with() sets, uses and ends", {
  pid <- with(daemons(1, .compute = "short"), {
    expect_identical(info()[["connections"]], 1L)
    mirai(Sys.getpid())[]
  })
  expect_false(daemons_set("short"))
  expect_true(eventually(!is_alive(pid)))
})

test_that("a daemon that cannot start says why, and nothing is set", {
  profile <- tempfile(fileext = ".R")
  writeLines('message("the licence has run out"); quit("no", status = 5)', profile)
  old <- Sys.getenv("R_PROFILE_USER", NA)
  Sys.setenv(R_PROFILE_USER = profile)
  on.exit(if (is.na(old)) Sys.unsetenv("R_PROFILE_USER") else Sys.setenv(R_PROFILE_USER = old))
  error <- tryCatch(daemons(2), error = identity)
  expect_s3_class(error, "crossdock_error")
  expect_match(conditionMessage(error), "exit code 5", fixed = TRUE)
  expect_match(conditionMessage(error), "the licence has run out", fixed = TRUE)
  expect_false(daemons_set())
})
