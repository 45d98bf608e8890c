# SPDX-License-Identifier: MIT
# Waiting for tasks, looking at them, stopping them.

daemons(2)

test_that("values are collected, singly and from lists, names kept", {
  expect_identical(collect_mirai(mirai(1)), 1)
  expect_identical(collect_mirai(list(a = mirai(1), mirai(NULL))), list(a = 1, NULL))
  expect_identical(collect_mirai(list()), list())
  wrong <- "object is not an Aio or list of Aios"
  expect_error(collect_mirai(1), wrong, fixed = TRUE)
  expect_error(collect_mirai(list(mirai(1), 2)), wrong, fixed = TRUE)
  expect_error(collect_mirai(list(mirai(1)), ".foo"), "value for '.foo' not found", fixed = TRUE)
})

test_that("call_mirai() gives back what it was given, invisibly", {
  m <- mirai(1)
  expect_identical(call_mirai(m), m)
  expect_identical(m$data, 1)
  expect_false(withVisible(call_mirai(m))$visible)
  expect_identical(call_mirai("text"), "text")
  tasks <- list(a = mirai(1), b = mirai(2))
  expect_identical(call_mirai(tasks)$b$data, 2)
})

test_that("unresolved() knows tasks, their data and lists", {
  gate <- new_gate()
  m <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_true(unresolved(m))
  expect_true(unresolved(m$data))
  expect_true(unresolved(list(mirai(1), m)))
  gate$open()
  call_mirai(m)
  expect_false(unresolved(m))
  expect_false(unresolved(m$data))
  expect_false(unresolved(list(m, m)))
  expect_false(unresolved(NA))
  expect_false(unresolved(NULL))
})

test_that("race_mirai() gives the index of the first that has ended", {
  gate <- new_gate()
  slow <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_identical(race_mirai(list(slow, mirai(1))), 2L)
  expect_false(withVisible(race_mirai(list(slow, mirai(1))))$visible)
  gate$open()
  call_mirai(slow)
  expect_identical(race_mirai(list(slow, mirai(1))), 1L)
  expect_identical(race_mirai(list()), 0L)
})

test_that("a waiting task is stopped and never runs", {
  gate <- new_gate()
  mark <- tempfile()
  busy <- lapply(1:2, function(i) mirai(wait_at(path), wait_at = wait_at, path = gate$path))
  waiting <- mirai(file.create(mark), mark = mark)
  expect_true(stop_mirai(waiting))
  expect_identical(printed(waiting$data), "'errorValue' int 20 | Operation canceled")
  expect_true(waiting[] >= 20L)
  expect_false(stop_mirai(waiting))
  gate$open()
  call_mirai(busy)
  expect_identical(mirai("on")[], "on")
  expect_false(file.exists(mark))
})

test_that("a running task is interrupted, its side effects end, its daemon stays", {
  pids <- sort(unlist(everywhere(Sys.getpid())[]))
  for (round in 1:3) {
    gate <- new_gate()
    mark <- tempfile()
    m <- mirai(
      {
        wait_at(path)
        file.create(mark)
      },
      wait_at = wait_at, path = gate$path, mark = mark
    )
    expect_true(eventually(gate$is_entered()))
    expect_true(stop_mirai(m))
    expect_true(m$data == 20L)
    # the daemon has been told by the time it does this
    expect_identical(sort(unlist(everywhere(Sys.getpid())[])), pids)
    gate$open()
    expect_identical(sort(unlist(everywhere(Sys.getpid())[])), pids)
    expect_false(file.exists(mark))
  }
})

test_that("stop_mirai() takes lists, and anything", {
  gate <- new_gate()
  tasks <- lapply(1:4, function(i) mirai(wait_at(path), wait_at = wait_at, path = gate$path))
  done <- call_mirai(mirai(1, .timeout = 0))
  expect_identical(stop_mirai(c(tasks, list(done))), c(TRUE, TRUE, TRUE, TRUE, FALSE))
  expect_false(withVisible(stop_mirai(tasks))$visible)
  expect_false(stop_mirai(NULL))
  expect_false(stop_mirai("text"))
})

test_that("kinds of values are told apart", {
  error <- mirai(stop("bad"))[]
  code <- mirai(1, .timeout = 0)[]
  expect_true(is_mirai(mirai(1)))
  expect_true(is_mirai_error(error) && is_error_value(error))
  expect_true(is_error_value(code) && !is_mirai_error(code) && !is_mirai_interrupt(code))
  expect_false(is_mirai(1) || is_mirai_map(list()) || is_error_value(5L))
  expect_false(inherits(error, "error"))
})

daemons(0)

test_that("a task can be stopped before its daemon has ever worked", {
  use_daemons(1)
  m <- mirai(Sys.sleep(60))
  expect_true(stop_mirai(m))
  expect_true(m$data == 20L)
  started <- Sys.time()
  expect_identical(mirai("on")[], "on")
  expect_lt(as.double(Sys.time() - started, "secs"), 10)
})

test_that("a task that swallows interrupts costs its daemon, not the slot", {
  use_daemons(1)
  gate <- new_gate()
  m <- mirai(
    repeat tryCatch(wait_at(path), interrupt = identity),
    wait_at = wait_at, path = gate$path
  )
  expect_true(eventually(gate$is_entered()))
  expect_true(stop_mirai(m))
  expect_true(m$data == 20L)
  expect_identical(mirai("on")[], "on")
})

test_that("race_mirai() needs daemons", {
  expect_error(race_mirai(list()), "daemons must be set to use this function", fixed = TRUE)
})

# ---- tasks of another process ----

restored <- function(task) {
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(task, file)
  readRDS(file)
}

test_that("a task that was saved before it was collected is detached, and says so", {
  use_daemons(1)
  gate <- new_gate()
  m <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  copies <- list(restored(m), unserialize(serialize(m, NULL)))
  copies <- c(copies, list(restored(structure(list(m), class = class(mirai_map(1, identity))))[[1]]))
  for (copy in copies) {
    expect_identical(printed(copy), "< mirai [detached] >")
    expect_false(unresolved(copy))
    expect_identical(call_mirai(copy), copy)
    expect_identical(race_mirai(list(copy)), 1L)
    expect_false(stop_mirai(copy))
    value <- copy$data
    expect_identical(copy[], value)
    expect_true(is_error_value(value))
    expect_false(is_mirai_error(value))
    expect_true(value == 7L)
    expect_identical(printed(value)[[1]], "'errorValue' int 7 | Object closed")
    expect_match(printed(value)[[2]], "restored from a file, or comes from another R process")
    expect_match(attr(value, "message"), "detached", fixed = TRUE)
    expect_error(rethrow(copy), "^7 \\| Object closed: this task object was restored")
    expect_identical(explain(copy)$state, "detached")
    expect_match(mirai(1, .after = copy)[], "a task it comes after failed: 7", fixed = TRUE)
  }
  expect_true(unresolved(m)) # the task itself goes on
  gate$open()
  expect_true(is.integer(m[]))
})

test_that("one that was collected before has its value, here and elsewhere", {
  use_daemons(1)
  m <- mirai(c(a = 1))
  m[]
  expect_identical(restored(m)$data, c(a = 1))
  expect_identical(printed(restored(m)), "< mirai [$data] >")
  expect_identical(mirai(m$data, m = m)[], c(a = 1))
  expect_true(mirai(m$data, m = mirai(1))[] == 7L)
})

test_that("what a task object holds is named as in mirai", {
  use_daemons(1)
  m <- mirai(c(1, 2))
  expect_identical(ls(m), c("aio", "data"))
  x <- m[]
  x[1] <- 100
  expect_identical(ls(m), c("aio", "data", "value"))
  expect_identical(m$value, c(1, 2))
  m <- call_mirai(mirai(NULL))
  expect_null(m$data)
  expect_true(exists("value", envir = m, inherits = FALSE))
  many <- mirai_map(1:2, identity)
  many[]
  expect_identical(many[[2]]$value, 2L)
})
