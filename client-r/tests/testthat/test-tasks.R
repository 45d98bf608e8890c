# SPDX-License-Identifier: MIT
# Many tasks: none is lost, none runs twice, the counts are exact.

test_that("20,000 tasks over 4 daemons each run once", {
  use_daemons(4)
  everywhere(runs <<- 0L)[]
  n <- 20000L
  before <- info()
  tasks <- lapply(seq_len(n), function(i) {
    mirai({
      assign("runs", runs + 1L, envir = globalenv())
      i
    }, .args = list(i = i))
  })
  expect_identical(unlist(collect_mirai(tasks)), seq_len(n))
  counts <- info() - before
  expect_identical(counts[["completed"]], n)
  expect_identical(unname(info()[c("awaiting", "executing")]), c(0L, 0L))
  expect_identical(sum(unlist(everywhere(runs)[])), n)
})

test_that("a killed daemon: its task is 19, another takes its place, the queue goes on", {
  use_daemons(4)
  old <- unlist(everywhere(Sys.getpid())[])
  victim <- mirai(tools::pskill(Sys.getpid(), tools::SIGKILL))
  tasks <- lapply(1:400, function(i) mirai(i, .args = list(i = i)))
  expect_identical(unclass(victim[])[[1]], 19L)
  expect_identical(printed(victim$data), "'errorValue' int 19 | Connection reset")
  expect_identical(unlist(collect_mirai(tasks)), 1:400)
  expect_true(eventually(connections() == 4L))
  new <- unlist(everywhere(Sys.getpid())[])
  expect_length(intersect(old, new), 3L)
  expect_identical(info()[["cumulative"]], 5L)
})

test_that("a daemon that leaves R in the middle of a task: 19 as well", {
  use_daemons(1)
  expect_true(mirai(quit("no"))[] == 19L)
  expect_true(eventually(connections() == 1L))
  expect_identical(mirai("on")[], "on")
})

test_that("10,000 handles dropped without being collected leave nothing", {
  skip_without_proc()
  use_daemons(2)
  pages <- function() as.double(scan("/proc/self/statm", quiet = TRUE)[[2]])
  drop_many <- function() {
    for (i in 1:10000) mirai(i, .args = list(i = i))
    expect_true(eventually(sum(info()[c("awaiting", "executing")]) == 0L, 60))
    mirai("last")[]
    gc(full = TRUE)
  }
  drop_many()
  drop_many()
  before <- pages()
  completed <- info()[["completed"]]
  for (round in 1:4) drop_many()
  expect_lt((pages() - before) * 4 / 1024, 12) # megabytes, for 40,000 tasks
  expect_identical(info()[["completed"]] - completed, 40004L)
})
