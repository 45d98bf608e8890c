# SPDX-License-Identifier: MIT
# Settings of profiles, profiles that share daemons, tasks() and explain().

both_brokers("a paused profile begins nothing", {
  start()
  profile_options(paused = TRUE)
  m <- mirai("at last")
  Sys.sleep(0.3)
  expect_true(unresolved(m))
  expect_match(explain(m)$reason, "paused")
  expect_identical(profile_options(paused = FALSE), list(paused = FALSE))
  expect_identical(m[], "at last")
})

both_brokers("a limit holds for what runs at one time", {
  start(2)
  profile_options(limit = 1)
  spans <- function() {
    m <- mirai_map(1:6, function(i) {
      begin <- Sys.time()
      Sys.sleep(0.05)
      c(begin, Sys.time())
    })
    times <- do.call(rbind, m[])
    times <- times[order(times[, 1]), ]
    sum(times[-1, 1] < times[-nrow(times), 2])
  }
  expect_identical(spans(), 0L)
  profile_options(limit = Inf)
  expect_gt(spans(), 0L)
})

both_brokers("the policy decides on the order", {
  start()
  file <- tempfile()
  orders <- function(policy) {
    unlink(file)
    profile_options(policy = policy)
    gate <- close_gate()
    m <- lapply(c("long", "short"), function(class) {
      mirai(note(file, class), note = note, file = file, class = class,
        .class = paste(class, policy), .estimate = if (class == "long") 20000 else 0.5
      )
    })
    gate$open()
    collect_mirai(c(m, list(gate$task)))
    noted(file)
  }
  expect_identical(orders("fifo"), c("long", "short"))
  expect_identical(orders("sjf"), c("short", "long"))
})

both_brokers("profiles share daemons by weight", {
  start(1)
  use_daemons(pool = "default", .compute = "two")
  use_daemons(pool = "default", .compute = "three")
  expect_identical(mirai(Sys.getpid(), .compute = "two")[], mirai(Sys.getpid())[])
  profile_options(weight = 3, .compute = "two")
  gate <- close_gate(.compute = "three") # its time counts, too
  file <- tempfile()
  m <- lapply(rep(c("default", "two"), each = 40), function(who) {
    mirai(
      {
        Sys.sleep(0.02)
        note(file, who)
      },
      note = note, file = file, who = who, .compute = who
    )
  })
  gate$open()
  collect_mirai(m)
  first <- noted(file)[1:40]
  expect_gt(sum(first == "two"), 24) # thirty
  expect_lt(sum(first == "two"), 37)
  daemons(0, .compute = "two")
  expect_identical(mirai("still")[], "still")
})

both_brokers("what is over a profile's quota waits in the session", {
  start(1)
  profile_options(max_tasks = 5)
  gate <- close_gate()
  m <- lapply(1:20, function(i) mirai(i, i = i))
  expect_lte(sum(tasks()$state == "queued"), 4L)
  gate$open()
  expect_identical(unlist(collect_mirai(m)), 1:20)
  profile_options(max_tasks = Inf)
})

test_that("profiles with a pool, on tcp too, end in any order", {
  use_state()
  use_daemons(url = local_url(tcp = TRUE))
  launch_local(1)
  use_daemons(pool = "default", .compute = "a")
  expect_identical(mirai("a", .compute = "a")[], "a")
  daemons(0)
  expect_true(daemons_set("a"))
  daemons(0, .compute = "a")
  use_daemons(1)
  expect_identical(mirai("new")[], "new")
})

test_that("settings say what is wrong with them", {
  expect_error(profile_options(limit = 1), "daemons must be set")
  expect_error(kick_tasks(), "daemons must be set")
  use_daemons(sync = TRUE, .compute = "here")
  expect_error(profile_options(paused = TRUE, .compute = "here"), "synchronous")
  use_daemons(1)
  wrong <- list(
    policy = list("lifo", 1), weight = list(0, -1, 2e6, "1", NA, Inf),
    limit = list(0, 1.5, -1, NA), paused = list(1, NA), pool = list(1, ""),
    max_tasks = list(0, "5"), max_bytes = list(-1)
  )
  for (name in names(wrong)) {
    for (value in wrong[[name]]) {
      given <- stats::setNames(list(value), name)
      expect_error(do.call(profile_options, given), sprintf("`%s` must be", name), fixed = TRUE)
    }
  }
  gate <- close_gate()
  expect_error(profile_options(policy = "fifo"), class = "crossdock_error")
  gate$open()
  expect_error(daemons(pool = "nowhere", .compute = "b"), "`pool` must be")
  expect_error(daemons(pool = "default"), "`pool` must be")
  expect_error(
    daemons(pool = "default", url = local_url(), .compute = "b"), "with `pool` there is no"
  )
  expect_false(daemons_set("b"))
})

# ---- tasks() ----

both_brokers("tasks() tells the states of all tasks, with times and sizes", {
  start(1)
  begin <- Sys.time()
  done <- mirai(raw(1000), x = raw(5000))
  done[]
  failed <- mirai(stop("no"))
  failed[]
  gate <- close_gate()
  queued <- mirai(1, .class = "mine")
  stopped <- mirai(2)
  stop_mirai(stopped)
  delayed <- mirai(3, .delay = 60000)
  after <- mirai(4, .after = queued)
  expired <- mirai(5, .deadline = 50)
  expired[]
  table <- tasks()
  expect_s3_class(table, "data.frame")
  expect_named(table, c(
    "id", "state", "class", "profile", "worker", "submitted", "started", "ended", "run",
    "bytes_in", "bytes_out", "attempt"
  ))
  expect_identical(table$state, c(
    "done", "failed", "running", "queued", "cancelled", "delayed", "waiting", "expired"
  ))
  expect_identical(table$class, c("raw", "stop", "gate", "mine", NA, NA, NA, NA))
  expect_true(all(table$profile == "default"))
  expect_true(all(grepl("^[0-9a-f]{32}$", table$id)) && !anyDuplicated(table$id))
  expect_true(all(table$submitted >= begin - 1 & table$submitted <= Sys.time() + 1))
  ended <- c(1, 2, 5, 8)
  expect_identical(which(!is.na(table$ended)), as.integer(ended))
  expect_true(all(table$ended[ended] >= table$submitted[ended] - 0.1))
  expect_identical(length(unique(table$worker[1:3])), 1L)
  expect_identical(which(!is.na(table$worker)), 1:3)
  expect_identical(which(!is.na(table$started)), 1:3)
  expect_true(all(table$run[1:2] > 0 & table$run[1:2] < 5))
  expect_gt(table$bytes_in[[1]], 5000)
  expect_gt(table$bytes_out[[1]], 1000)
  expect_identical(table$attempt[1:3], c(1L, 1L, 1L))
  stop_mirai(delayed)
  gate$open()
  after[]
  expect_identical(tasks()$state[3:7], c("done", "done", "cancelled", "cancelled", "done"))
  expect_gt(tasks()$run[[3]], 0)
})

test_that("what is remembered of ended tasks is bounded, and ends with the profile", {
  use_daemons(2)
  use_daemons(1, .compute = "other")
  mirai(1, .compute = "other")[]
  for (i in 1:11) mirai_map(1:1000, identity)[]
  table <- tasks()
  expect_lte(nrow(table), 10000L)
  expect_gte(nrow(table), 9900L) # of all profiles together
  expect_true(all(table$state == "done"))
  expect_identical(nrow(tasks("other")), 0L)
  mirai(1, .compute = "other")[]
  expect_identical(nrow(tasks("other")), 1L)
  daemons(1)
  expect_identical(nrow(tasks()), 0L)
  m <- mirai(1)
  rm(m)
  gc()
  expect_true(nrow(tasks()) <= 1L)
})

test_that("where there are no tasks there is an empty table of the same shape", {
  none <- tasks("nowhere")
  use_daemons(1)
  expect_identical(none, tasks())
  use_daemons(sync = TRUE, .compute = "here")
  mirai(1, .compute = "here")
  expect_identical(tasks("here"), none)
  expect_identical(vapply(none, function(column) class(column)[[1]], ""), vapply(
    {
      mirai(1)[]
      tasks()
    }, function(column) class(column)[[1]], ""
  ))
})

test_that("tasks of everywhere() have a row for each daemon", {
  use_daemons(2)
  everywhere(1)[]
  expect_identical(tasks()$state, c("done", "done"))
  expect_identical(length(unique(tasks()$worker)), 2L)
})

# ---- explain() ----

both_brokers("explain() tells in words why a task waits", {
  start(1)
  collect_mirai(lapply(1:3, function(i) mirai(Sys.sleep(0.2), .class = "nap")))
  gate <- close_gate()
  expect_identical(explain(gate$task)$state, "running")
  m <- lapply(1:3, function(i) mirai(i, .class = "nap"))
  why <- explain(m[[3]])
  expect_s3_class(why, "crossdock_explanation")
  expect_identical(why$state, "queued")
  expect_identical(why$ahead, 2)
  expect_identical(why$workers, 1)
  expect_gt(why$predicted, 0.05)
  expect_lt(why$predicted, 1)
  expect_gt(why$starts, 0.1)
  text <- printed(why)
  expect_match(text[[1]], "^task [0-9a-f]{32}: queued: all workers that fit are busy$")
  expect_match(text, "before it: 2 tasks of its kind", all = FALSE)
  expect_match(text, "could run on: 1 daemon$", all = FALSE)
  expect_match(text, "predicted run time: [0-9.]+ (ms|s)$", all = FALSE)
  expect_match(text, "starts in about: ", all = FALSE)
  gate$open()
  collect_mirai(m)
  expect_identical(printed(explain(m[[1]])), "task: ended")
  waiting <- mirai(1, .delay = 60000)
  expect_match(printed(explain(waiting))[[1]], "delayed: its time has not come$")
  stop_mirai(waiting)
  expect_match(printed(explain(waiting))[[1]], "cancelled$")
})

test_that("explain() of something else", {
  expect_error(explain(1), "`x` must be a task, not an object of class <numeric>")
})
