# SPDX-License-Identifier: MIT
# What happens on a daemon beside its tasks: .finally, callbacks of later, output.

test_that(".finally runs once the outcome is out, and sees what the task made", {
  use_daemons(1)
  mark <- tempfile("finally-")
  gate <- new_gate()
  m <- mirai(
    {
      made <- "made"
      "value"
    },
    wait_at = wait_at, path = gate$path, mark = mark,
    .finally = {
      wait_at(path)
      writeLines(made, mark)
    }
  )
  expect_identical(m[], "value")
  expect_true(eventually(gate$is_entered()))
  expect_false(file.exists(mark))
  gate$open()
  expect_identical(mirai("next")[], "next") # the daemon goes on after it
  expect_identical(readLines(mark), "made")
})

test_that(".finally runs after errors, and its own are no one's", {
  use_daemons(1)
  mark <- tempfile("finally-")
  expect_true(is_mirai_error(mirai(stop("no"), mark = mark, .finally = file.create(mark))[]))
  expect_true(eventually(file.exists(mark)))
  expect_identical(mirai(1, .finally = stop("no"))[], 1)
  expect_identical(mirai(2)[], 2)
  daemons(sync = TRUE)
  mark <- tempfile("finally-")
  mirai(1, mark = mark, .finally = file.create(mark))
  expect_true(file.exists(mark))
})

test_that("callbacks of later run while a daemon is idle", {
  skip_without("later")
  use_daemons(1)
  mark <- tempfile("later-")
  mirai(later::later(function() file.create(mark), 0.05), .args = list(mark = mark))[]
  expect_true(eventually(file.exists(mark)))
  mirai(later::later(function() stop("no")))[]
  expect_identical(mirai(1)[], 1)
})

test_that("output = TRUE shows what local daemons print, FALSE does not", {
  said <- run_r(quote({
    for (output in c(TRUE, FALSE)) {
      daemons(1, output = output)
      mirai({
        cat("said", output, "\n")
        message("told ", output)
      }, output = output)[]
      Sys.sleep(0.3)
      daemons(0)
    }
  }))
  expect_true("said TRUE " %in% said)
  expect_true("told TRUE" %in% said)
  expect_false(any(grepl("FALSE", said)))
})

test_that("a daemon by hand prints nothing of its tasks, unless it is told to", {
  url <- local_url()
  use_daemons(url = url)
  for (output in c(TRUE, FALSE)) {
    daemon <- start_r(bquote({
      daemon(.(url), output = .(output), maxtasks = 1)
      cat("left\n")
    }))
    mirai(cat("said\n"))[]
    expect_true(eventually(says(daemon, "left")))
    expect_identical(says(daemon, "said"), output)
  }
})
