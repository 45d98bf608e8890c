# SPDX-License-Identifier: MIT
# Leaving R, in whatever way: quick, and nothing stays behind. Forked children harm nobody.

two_daemons <- quote({
  daemons(2)
  gate <- tempfile()
  tasks <- lapply(1:6, function(i) mirai({
    file.create(paste0(path, Sys.getpid()))
    Sys.sleep(300)
  }, .args = list(path = gate)))
  while (length(Sys.glob(paste0(gate, "*"))) < 2L) Sys.sleep(0.01)
})

# Runs a session that leaves with tasks running: its output, and what was left of it.
leave <- function(last, setup) {
  mark <- paste0("CROSSDOCK_TEST=", basename(tempfile("leave-")))
  folder <- tempfile("tmp-")
  runtime <- tempfile("run-")
  dir.create(folder)
  dir.create(runtime, mode = "0700")
  code <- bquote({
    .(setup)
    cat(as.double(Sys.time()), "\n")
    .(last)
  })
  process <- start_r(code, c(mark, paste0("TMPDIR=", folder), paste0("XDG_RUNTIME_DIR=", runtime)))
  ended <- eventually(!is_alive(process$pid), 60)
  at <- as.double(Sys.time())
  list(
    ended = ended, seconds = at - as.double(output_of(process)[[1]]),
    output = output_of(process)[-1],
    processes = function() processes_with(mark),
    files = function() list.files(c(folder, runtime), all.files = TRUE, recursive = TRUE),
    folders = function() list.dirs(folder, recursive = FALSE)
  )
}

expect_nothing_left <- function(last, clean = TRUE, setup = two_daemons, seconds = 3) {
  skip_without_proc()
  left <- leave(last, setup)
  expect_true(left$ended)
  expect_lt(left$seconds, seconds)
  expect_true(eventually(length(left$processes()) == 0L, 10))
  if (clean) {
    expect_identical(left$files(), character())
    expect_identical(left$folders(), character())
  }
  left
}

test_that("the end of a program", {
  expect_nothing_left(quote(invisible()))
})

test_that("quit()", {
  expect_nothing_left(quote(quit("no", status = 5L)))
})

test_that("an error", {
  left <- expect_nothing_left(quote(stop("over")))
  expect_match(left$output, "over", all = FALSE)
})

test_that("the package unloaded before", {
  left <- expect_nothing_left(quote({
    rm(tasks)
    unloadNamespace("crossdock")
    cat("unloaded\n")
  }))
  expect_true("unloaded" %in% left$output)
})

test_that("a crash of R", {
  expect_nothing_left(quote(tools::pskill(Sys.getpid(), tools::SIGKILL)), clean = FALSE)
})

# Daemons that have not connected yet, a cluster, a task without daemons, a broker's process.
many_kinds <- quote({
  daemons(2, .wait = FALSE, .compute = "cold")
  cl <- make_cluster(1)
  daemons(url = local_url(tcp = TRUE), .compute = "tcp")
  launch_local(1, .compute = "tcp")
  tasks <- list(
    mirai(Sys.sleep(300), .compute = "cold"), mirai(Sys.sleep(300)),
    mirai(Sys.sleep(300), .compute = "tcp")
  )
})

test_that("the end of a program that had set up all kinds of things", {
  use_state()
  expect_nothing_left(quote(invisible()), setup = many_kinds, seconds = 6)
})

test_that("a crash of R with all kinds of things", {
  use_state()
  crash <- quote(tools::pskill(Sys.getpid(), tools::SIGKILL))
  expect_nothing_left(crash, clean = FALSE, setup = many_kinds)
})

test_that("a session that is told to terminate", {
  expect_nothing_left(quote({
    tools::pskill(Sys.getpid(), tools::SIGTERM)
    Sys.sleep(60)
  }), clean = FALSE)
})

test_that("a forked child gets errors, its parent works on", {
  output <- run_r(quote({
    daemons(1)
    m <- mirai({
      Sys.sleep(1)
      "parent"
    })
    fails <- function(code) inherits(try(code, silent = TRUE), "try-error")
    child <- parallel::mcparallel(c(
      mirai = fails(mirai(1)), wait = fails(m[]), stop = fails(stop_mirai(m)),
      map = fails(mirai_map(1, identity)), everywhere = fails(everywhere({})),
      status = fails(status()), new = fails(daemons(1, .compute = "new")), end = fails(daemons(0))
    ))
    failed <- parallel::mccollect(child)[[1]]
    cat("no error: ", names(failed)[!failed], "\n", sep = "")
    quitting <- parallel::mcparallel(quit("no"))
    suppressWarnings(parallel::mccollect(quitting))
    print(unlist(parallel::mclapply(1:2, function(i) {
      rm(m, envir = globalenv())
      gc()
      i
    }, mc.cores = 2)))
    print(c(m[], mirai("on")[], status()$connections))
  }), seconds = 40)
  expect_true(attr(output, "ended"))
  expect_identical(
    c(output), c("no error: ", "[1] 1 2", "[1] \"parent\" \"on\"     \"1\"     ")
  )
})

test_that("a task may fork", {
  use_daemons(1)
  expect_identical(
    mirai(unlist(parallel::mclapply(1:4, function(i) i * 2, mc.cores = 2)))[],
    c(2, 4, 6, 8)
  )
  expect_identical(mirai("on")[], "on")
})
