# SPDX-License-Identifier: MIT
# What a task may ask for. Each of these tests fails when the broker does not hear of the option.

both_brokers("tasks of a higher priority go first", {
  start()
  gate <- close_gate()
  file <- tempfile()
  m <- lapply(rep(c("batch", "normal", "interactive"), each = 6), function(priority) {
    mirai(note(file, p), note = note, file = file, p = priority, .priority = priority)
  })
  gate$open()
  collect_mirai(m)
  first <- noted(file)[1:8] # the others get a twentieth of the time, in advance
  expect_gte(sum(first == "interactive"), 6)
  expect_lte(sum(first == "batch"), 1)
})

both_brokers("the greater rank goes first under policy priority", {
  start()
  profile_options(policy = "priority")
  gate <- close_gate()
  file <- tempfile()
  m <- lapply(c(-5, 7, 2), function(rank) {
    mirai(note(file, r), note = note, file = file, r = rank, .rank = rank)
  })
  gate$open()
  collect_mirai(m)
  expect_identical(noted(file), c("7", "2", "-5"))
})

both_brokers("an estimate lets the short one go first", {
  start()
  profile_options(policy = "sjf")
  gate <- close_gate()
  file <- tempfile()
  m <- list(
    mirai(note(file, "a"), note = note, file = file, .class = "a", .estimate = 20000),
    mirai(note(file, "b"), note = note, file = file, .class = "b", .estimate = 0.5)
  )
  gate$open()
  collect_mirai(m)
  expect_identical(noted(file), c("b", "a"))
})

both_brokers("run times are learned by class", {
  start()
  profile_options(policy = "sjf")
  collect_mirai(lapply(c("slow", rep("fast", 6), "slow"), function(class) {
    mirai(Sys.sleep(s), s = if (class == "slow") 0.6 else 0.001, .class = class)
  }))
  gate <- close_gate()
  file <- tempfile()
  m <- lapply(c("slow", "slow", "fast"), function(class) {
    mirai(note(file, class), note = note, file = file, class = class, .class = class)
  })
  gate$open()
  collect_mirai(m)
  expect_identical(noted(file)[[1]], "fast")
})

test_that("the class is the function's name unless it is given", {
  use_daemons(1)
  f <- function(x) x
  environment(f) <- globalenv()
  object <- list(run = f)
  m <- list(
    f = mirai(f(1), f = f), "base::sum" = mirai(base::sum(1, 2)),
    g = mirai(f(1), f = f, .class = "g"),
    mirai(1), mirai(f(1), f = f, .class = ""), f = mirai(
      {
        x <- 1
        y <- f(x)
      },
      f = f
    ),
    run = mirai(object$run(1), object = object), mirai(if (TRUE) 1), "base::max" = call_task(
      "base::toupper", "x",
      .class = "base::max"
    ), "base::toupper" = call_task("base::toupper", "x")
  )
  maps <- c(mirai_map(1, f), mirai_map(1, function(x) x), mirai_map(1, f, .class = "h"))
  maps <- c(maps, mirai_map(1, base::abs))
  collect_mirai(c(m, maps))
  expected <- c(ifelse(nzchar(names(m)), names(m), NA), "f", NA, "h", "base::abs")
  expect_identical(tasks()$class, expected)
  expect_true(all(tasks()$state == "done"))
})

both_brokers("a delayed task begins later", {
  start()
  mirai(1)[]
  took <- system.time(value <- mirai("now", .delay = 400)[])[["elapsed"]]
  expect_identical(value, "now")
  expect_gte(took, 0.4)
  expect_lt(took, 5)
})

both_brokers("a deadline holds for the beginning", {
  start()
  gate <- close_gate(.deadline = 60000)
  m <- mirai("too late", .deadline = 100)
  later <- mirai("in time", .deadline = 60000)
  expect_true(m[] == 5L)
  expect_false(file.exists(gate$path))
  gate$open()
  expect_identical(later[], "in time")
})

both_brokers("a limit holds for a run, and signs of life begin it anew", {
  start()
  gate <- close_gate()
  waiting <- mirai("waited", .limit = 300)
  Sys.sleep(0.5)
  gate$open()
  expect_identical(waiting[], "waited")
  took <- system.time(m <- mirai(Sys.sleep(30), .limit = 300)[])[["elapsed"]]
  expect_true(m == 5L)
  expect_lt(took, 10)
  lives <- mirai(
    {
      for (i in 1:8) {
        Sys.sleep(0.1)
        if (touches) crossdock::touch_task()
      }
      "alive"
    },
    touches = TRUE, .limit = 400
  )
  expect_identical(lives[], "alive")
})

both_brokers("a task is repeated after errors, as often as it may", {
  start()
  file <- tempfile()
  try_three <- function(retries) {
    unlink(file)
    mirai(if (note(file) < 3) stop("again") else "third",
      note = note, file = file, .retries = retries
    )
  }
  expect_identical(try_three(c(error = 2))[], "third")
  expect_identical(length(noted(file)), 3L)
  expect_identical(utils::tail(tasks()$attempt, 1), 3L)
  expect_s3_class(try_three(c(error = 1))[], "miraiError")
  expect_identical(length(noted(file)), 2L)
  expect_s3_class(try_three(c(lost = 5))[], "miraiError")
  expect_identical(length(noted(file)), 1L)
})

both_brokers("a task is repeated after its daemon was lost", {
  start()
  file <- tempfile()
  die_once <- function(retries) {
    unlink(file)
    mirai(
      if (note(file) < 2) tools::pskill(Sys.getpid(), tools::SIGKILL) else "second",
      note = note, file = file, .retries = retries
    )
  }
  expect_identical(die_once(c(lost = 1))[], "second")
  expect_true(die_once(c(error = 5))[] == 19L)
})

both_brokers("there is a pause before a task is repeated", {
  start()
  file <- tempfile()
  mirai(1)[]
  took <- system.time(
    m <- mirai(if (note(file) < 3) stop("no") else "yes",
      note = note, file = file, .retries = 2, .backoff = 200
    )[]
  )[["elapsed"]]
  expect_identical(m, "yes")
  expect_gte(took, 0.6) # 200 and 400 ms
})

both_brokers("what killed three daemons is put aside until it is kicked", {
  start()
  file <- tempfile()
  m <- mirai(
    if (note(file) <= 3) tools::pskill(Sys.getpid(), tools::SIGKILL) else "well",
    note = note, file = file, .retries = c(lost = 10)
  )
  expect_true(eventually(identical(tasks()$state, "quarantine"), 60))
  expect_match(explain(m)$reason, "kick it")
  kick_tasks()
  expect_identical(m[], "well")
})

both_brokers("a task replaces an older one with the same key", {
  start()
  gate <- close_gate()
  first <- mirai("first", .replace = "slider")
  other <- mirai("other", .replace = "another slider")
  second <- mirai("second", .replace = "slider")
  expect_true(first[] == 20L)
  gate$open()
  expect_identical(second[], "second")
  expect_identical(other[], "other")
})

both_brokers("a task goes where there is what it needs", {
  start(1, has = "gpu=1 fast")
  launch_local(1, has = c("gpu=2", "zone=a"))
  expect_true(eventually(connections() == 2L))
  where <- function(needs) mirai(Sys.getpid(), .needs = needs)[]
  one <- where("fast")
  two <- where("zone=a")
  expect_false(one == two)
  for (i in 1:4) {
    expect_identical(where(c("gpu>=0.5", "fast")), one)
    expect_identical(where("gpu>=2"), two)
  }
  m <- mirai(Sys.getpid(), .needs = "gpu>=3")
  expect_match(explain(m)$reason, "no worker has what it needs")
  expect_true(unresolved(m))
  launch_local(1, has = "gpu=3")
  expect_false(m[] %in% c(one, two))
})

test_that("what a daemon has comes from its environment, too", {
  skip_without_programs()
  broker <- start_broker()
  start_worker(broker$url, "default", env = "CROSSDOCK_HAS=gpu=4")
  use_daemons(broker = broker$url)
  expect_true(has_workers("default", 1L))
  expect_identical(mirai("here", .needs = "gpu>=4", .timeout = 20000)[], "here")
})

both_brokers("a task goes to the daemon that it names", {
  start(2)
  gate <- new_gate()
  m <- lapply(1:2, function(i) mirai(wait_at(path, i), wait_at = wait_at, path = gate$path, i = i))
  expect_true(eventually(gate$is_entered(1) && gate$is_entered(2)))
  workers <- tasks()$worker
  gate$open()
  known <- data.frame(pids = unlist(collect_mirai(m)), workers)
  expect_identical(length(unique(workers)), 2L)
  for (i in c(1, 2, 1, 1, 2, 2)) {
    expect_identical(mirai(Sys.getpid(), .worker = known$workers[[i]])[], known$pids[[i]])
  }
  expect_identical(mirai("any", .worker = "999999999")[], "any") # that one is not here
})

# ---- bad input ----

test_that("errors name the argument, the value, and what is allowed", {
  use_daemons(1)
  m <- mirai(1)
  wrong <- list(
    .priority = list("high", 2, c("batch", "normal"), NA_character_),
    .class = list(1, c("a", "b"), NA_character_, strrep("x", 256)),
    .estimate = list(0, -1, NA, Inf, "1", c(1, 2)), .delay = list(-1, "1", NaN, Inf, 1e20),
    .deadline = list(0, -5, "soon"), .limit = list(0, -1, TRUE),
    .retries = list(-1, 1.5, c(error = 1, other = 2), c(1, 2), 1001, "3", c(lost = NA)),
    .backoff = list(-1, 3600001, "1"), .replace = list("", 1, c("a", "b"), strrep("x", 256)),
    .dedupe = list("", NA_character_), .needs = list("", 1, "=x", "gpu>=many", "a>1", NA, "gpu>="),
    .worker = list(5, "x", "", "0"), .rank = list(40000, 1.5, "1"),
    .after = list(1, list(1), list(m, "x"), rep(list(m), 33), list(a = m, a = m))
  )
  for (name in names(wrong)) {
    for (value in wrong[[name]]) {
      given <- stats::setNames(list(value), name)
      error <- tryCatch(do.call(mirai, c(list(quote(1)), given), quote = TRUE), error = identity)
      expect_s3_class(error, "error")
      text <- sprintf("`%s` must", name)
      expect_match(conditionMessage(error), text, fixed = TRUE, info = deparse1(value))
    }
  }
  expect_error(
    mirai(1, .priority = "high"),
    "`.priority` must be \"interactive\", \"normal\" or \"batch\", not \"high\"",
    fixed = TRUE
  )
  expect_error(mirai(1, .delay = 5, .deadline = 5), "`.deadline` must be later than `.delay`")
  expect_error(
    mirai(x, .args = list(x = 1), .after = list(x = m)),
    "`.after` and `.args` both have a variable `x`"
  )
  expect_error(call_task("base::toupper", "x", .after = list(a = m)), "takes no names")
  expect_error(daemons(1, has = "a>=1", .compute = "x"), "`has` must be words", fixed = TRUE)
  expect_error(mirai_map(1, sqrt, .limit = 0), "`.limit` must be", fixed = TRUE)
  error <- tryCatch(mirai(1, .rank = 0.5), error = identity)
  expect_identical(conditionCall(error)[[1]], quote(mirai))
  expect_identical(mirai("still here")[], "still here")
})

test_that("touch_task() says whether there is a task", {
  expect_false(touch_task())
  use_daemons(1)
  expect_true(mirai(crossdock::touch_task())[])
})
