# SPDX-License-Identifier: MIT
# The conformance suite of package future, for daemons as its backend.

skip_if_not_installed("future", "1.40.0")
skip_if_not_installed("future.tests")

# In a process of its own, which says a line for each step that failed, and how many there were.
expect_conformance <- function(plan, before = quote({}), after = quote({})) {
  said <- run_r(bquote({
    setwd(tempdir()) # a demo draws
    .(before)
    sets <- future.tests::check(.(plan), exit_value = FALSE, .args = character())
    .(after)
    steps <- unlist(unlist(sets, recursive = FALSE), recursive = FALSE)
    for (step in steps) {
      if (inherits(step$error, "error")) {
        cat("\nFAILED:", step$test$title, conditionMessage(step$error), step$output, "\n")
      }
    }
    cat("\nsteps:", length(steps), "\n")
  }), seconds = 140)
  expect_true(attr(said, "ended"))
  expect_identical(grep("^FAILED: ", said, value = TRUE), character())
  expect_gt(as.integer(sub("steps: ", "", grep("^steps: ", said, value = TRUE))), 80L)
}

test_that("the conformance suite passes, with the daemons of a profile", {
  expect_conformance(
    "plan(crossdock::future_daemons)", quote(daemons(2)),
    quote(stopifnot(status()$connections == 2, daemons(0) == FALSE)) # they are not the plan's
  )
})

test_that("the conformance suite passes, with daemons of its own", {
  expect_conformance(
    "plan(crossdock::future_daemons, workers = 2)",
    after = quote(stopifnot(length(crossdock:::the$profiles) == 0))
  )
})
