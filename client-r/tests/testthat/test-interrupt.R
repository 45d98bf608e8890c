# SPDX-License-Identifier: MIT
# Ctrl-C in every wait: within half a second, and the session can be used after it.

# Runs in a process of its own, which is sent SIGINT while it waits.
interrupts <- quote({
  stamp <- tempfile()
  strike <- function(after) {
    order <- "(sleep %.2f; date +%%s.%%N >%s; kill -INT %d) >/dev/null 2>&1 &"
    system(sprintf(order, after, stamp, Sys.getpid()))
  }
  # Seconds from the signal to the handler; NA: the wait ended by itself.
  interrupted <- function(wait, after, prepare) {
    ended <- FALSE
    prepare()
    strike(after)
    tryCatch(
      {
        wait()
        ended <- TRUE
        Sys.sleep(after + 2)
      },
      interrupt = function(i) {
        if (ended) NA else as.double(Sys.time()) - as.double(readLines(stamp))
      }
    )
  }
  # The machine may be slow at the wrong moment: one of three in time will do.
  check <- function(
    name, wait, after = 0.3, use = function() mirai("on")[], prepare = function() NULL
  ) {
    seconds <- NULL
    for (attempt in 1:3) {
      seconds <- c(seconds, interrupted(wait, after, prepare))
      if (any(seconds < 0.5, na.rm = TRUE)) break
    }
    usable <- tryCatch(identical(use(), "on"), error = function(e) conditionMessage(e))
    cat(sprintf("%s: in time %s, usable %s\n", name, any(seconds < 0.5, na.rm = TRUE), usable))
    if (!any(seconds < 0.5, na.rm = TRUE)) cat("#", name, seconds, "\n")
  }
  forever <- function() mirai(Sys.sleep(60))
  many <- function() mirai_map(1:2, function(x) Sys.sleep(60))
  # The task that was waited for is not harmed; it is stopped to make room.
  wait_for <- function(make, wait) {
    function() {
      m <- make()
      on.exit(stop_mirai(m))
      wait(m)
    }
  }

  daemons(2)
  check("m[]", wait_for(forever, function(m) m[]))
  check("call_mirai", wait_for(forever, call_mirai))
  check("collect list", wait_for(function() list(forever(), forever()), collect_mirai))
  check("race_mirai", wait_for(function() list(forever(), forever()), race_mirai))
  check("map[]", wait_for(many, function(m) m[]))
  check("map[.flat]", wait_for(many, function(m) m[.flat]))
  check("map[.stop]", wait_for(many, function(m) m[.stop]))
  check("map[.progress]", wait_for(many, function(m) suppressMessages(m[.progress])))
  check("everywhere", wait_for(function() everywhere(Sys.sleep(60)), function(m) m[]))
  check("race with a time limit", wait_for(
    function() list(forever()), function(m) race_mirai(m, timeout = 30000)
  ))
  check("collect with on_event", wait_for(function() {
    on_event(mirai(repeat {
      crossdock::progress(1)
      Sys.sleep(0.01)
    }), progress = function(value) NULL)
  }, collect_mirai))
  # In the middle of making tasks: those made so far are let go.
  check("mapping", function() {
    repeat m <- mirai_map(1:5000, function(x) NULL)
  }, 0.4)
  check("collecting many", function() repeat mirai_map(1:5000, function(x) NULL)[.flat], 0.4)
  check("everywhere again and again", function() repeat everywhere(NULL)[], 0.3)
  m <- mirai({
    Sys.sleep(1)
    "unharmed"
  })
  check("own task", function() m[], 0.2, function() if (m[] == "unharmed") "on")
  daemons(0)

  set <- function() {
    daemons(1)
    on.exit(daemons(0))
    mirai("on")[]
  }
  check("daemons(n)", function() daemons(8), 0.15, function() {
    if (daemons_set()) "still set" else set()
  })
  # A daemon that does not want to end is killed after a second.
  pid <- NULL
  stubborn <- function() {
    daemons(1)
    pid <<- mirai(Sys.getpid())[]
    mark <- tempfile()
    mirai(repeat tryCatch(if (file.create(mark)) Sys.sleep(60), interrupt = identity), mark = mark)
    while (!file.exists(mark)) Sys.sleep(0.01)
  }
  check("daemons(0)", function() daemons(0), 0.2, prepare = stubborn, use = function() {
    for (i in 1:500) if (tools::pskill(pid, 0)) Sys.sleep(0.01)
    if (daemons_set() || tools::pskill(pid, 0)) "still there" else set()
  })
  check("broker that is not there", function() {
    daemons(broker = paste0("ipc://", tempfile()))
    stop("connected?")
  }, 0.1, set)
  check("make_cluster", function() make_cluster(8), 0.15, set)
  check("parLapply", function() {
    cl <- make_cluster(1)
    on.exit(stop_cluster(cl))
    parallel::parLapply(cl, 1:2, function(i) Sys.sleep(60))
  }, 1.5, set)
  if (requireNamespace("future", quietly = TRUE)) {
    check("value of a future", function() {
      old <- future::plan(crossdock::future_daemons, workers = 1)
      on.exit(future::plan(old))
      future::value(future::future(Sys.sleep(60)))
    }, 2, set)
  } else {
    cat("value of a future: in time TRUE, usable TRUE\n")
  }
  check("listening on tcp", function() daemons(url = local_url(tcp = TRUE)), 0.1, function() {
    if (daemons_set()) "still set" else set()
  })
  full <- function() {
    daemons(1, memory = 1)
    for (i in 1:2) mirai(Sys.sleep(60), x = raw(2e6))
  }
  check("memory", function() for (i in 1:3) mirai(1, x = raw(2e6)), 0.3, set, full)
  check("everywhere(.min)", wait_for(function() {
    daemons(1)
    everywhere(1, .min = 2)
  }, function(m) m[]), 0.8, set)
  # A daemon that never gets as far as connecting, waited for or not.
  profile <- tempfile(fileext = ".R")
  writeLines("Sys.sleep(60)", profile)
  hung <- function(...) {
    Sys.setenv(R_PROFILE_USER = profile)
    on.exit(Sys.unsetenv("R_PROFILE_USER"))
    daemons(1, ...)
  }
  check("daemon that hangs", hung, 0.5, set)
  check("task of a daemon that hangs", wait_for(function() {
    hung(.wait = FALSE)
    mirai(1)
  }, function(m) m[]), 0.5, set)
  check("ephemeral", wait_for(forever, function(m) m[]), 0.3, function() mirai("on")[])
  cat("end\n")
})

test_that("every wait can be interrupted", {
  output <- run_r(interrupts)
  lines <- grep(": in time", output, value = TRUE)
  failed <- output[!grepl("in time TRUE, usable TRUE|^end$", output)]
  expect_identical(failed, character())
  expect_length(lines, 27)
  expect_true("end" %in% output)
})

# A callback of ours that is interrupted, or has an error, in the loop of package later.
in_loop <- quote({
  daemons(1)
  gate <- tempfile()
  waiting <- function() {
    unlink(gate)
    mirai({
      while (!file.exists(gate)) Sys.sleep(0.01)
      crossdock::progress(1)
      Sys.sleep(0.5)
    }, gate = gate)
  }
  # What ended the loop: an interrupt, or what is expected in any case.
  run <- function(name, is_over) {
    file.create(gate)
    end <- Sys.time() + 20
    how <- tryCatch(
      {
        while (!is_over() && Sys.time() < end) later::run_now(1)
        if (is_over()) "goes on" else "is late"
      },
      interrupt = function(i) "ends"
    )
    cat(name, how, "\n")
  }
  strike <- function() {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(5)
  }
  m <- waiting()
  on_event(m, progress = function(value) strike())
  run("event, interrupt:", function() FALSE)
  m <- waiting()
  crossdock:::watch_task(m, function(number) strike())
  run("end, interrupt:", function() FALSE)
  m <- waiting()
  promises::then(m, function(value) strike())
  run("promise, interrupt:", function() FALSE)
  m <- waiting()
  failed <- FALSE
  crossdock:::watch_task(m, function(number) {
    failed <<- TRUE
    stop("as it must")
  })
  run("end, error:", function() failed)
  cat("usable", mirai(1)[], "\n")
})

test_that("Ctrl-C while a task's callback runs ends the loop that called it", {
  skip_without("later", "promises")
  output <- run_r(in_loop)
  said <- grep("^(event|end|promise|usable)", output, value = TRUE)
  expect_identical(trimws(said), c(
    "event, interrupt: ends", "end, interrupt: ends", "promise, interrupt: ends",
    "end, error: goes on", "usable 1"
  ))
  expect_true(any(grepl("as it must", output, fixed = TRUE)))
})
