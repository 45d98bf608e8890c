# SPDX-License-Identifier: MIT
# The programs of inst/examples print what they say they print, each in a fresh R process.

test_that("an Arrow table in a list, without and with a configuration", {
  skip_without("arrow")
  expect_promised_output("arrow")
})

test_that("a database on a daemon, queried through ADBC, gives Arrow tables", {
  skip_without("arrow", "DBI", "adbi", "adbcsqlite", "nanoarrow")
  expect_promised_output("adbc")
})

test_that("Arrow and polars at once", {
  skip_without("arrow", "polars")
  expect_promised_output("polars")
})

test_that("Arrow and polars at once, with a stand-in for polars", {
  skip_without("arrow")
  expect_promised_output("polars", env = standin_libraries())
})

test_that("torch modules and optimizers", {
  skip_without_torch()
  expect_promised_output("torch")
})

test_that("torch modules and optimizers in the older forms", {
  skip_without_torch()
  expect_promised_output("torch-vec")
})

test_that("torch modules and optimizers, with a stand-in for torch", {
  expect_promised_output("torch", env = standin_libraries())
})

test_that("the older forms, with a stand-in for torch", {
  expect_promised_output("torch-vec", env = standin_libraries())
})
