# SPDX-License-Identifier: MIT
# What mirai_map()[.progress] shows, as mirai 2.7.3 does: a bar of cli's, or a text.

# A program that maps with the package of this name.
map_with <- function(package, code) {
  bquote({
    package <- asNamespace(.(package))
    package$daemons(1)
    map <- function(x, f = identity) package$mirai_map(x, f)
    .(code)
    package$daemons(0)
  })
}

# Without cli it is a text, on standard error. What the program says, carriage returns included.
text_of <- function(package, code) {
  libraries <- only_packages("crossdock", if (package == "mirai") c("mirai", "nanonext"))
  process <- start_r(map_with(package, code), libraries)
  expect_true(eventually(!is_alive(process$pid), 60))
  readChar(process$file, 1e5)
}

text_shown <- quote({
  a <- map(c(a = 1, b = 2))[.progress]
  b <- map(1)[.progress, .flat]
  d <- package$collect_mirai(map(1), list(.progress = "name", .flat = TRUE))
  map(list())[.progress]
  cat("values:", unlist(a), b, d, requireNamespace("cli", quietly = TRUE))
})
text_expected <- paste0(
  "\r[ 0 / 2 .... ]\r[ 1 / 2 .... ]\r[ 2 / 2 done ]\n",
  "\r[ 0 / 1 .... ]\r[ 1 / 1 done ]\n", "\r[ 0 / 1 .... ]\r[ 1 / 1 done ]\n",
  "\r[ 0 / 0 done ]\n", "values: 1 2 1 1 FALSE"
)

test_that("as a text", {
  expect_identical(text_of("crossdock", text_shown), text_expected)
})

test_that("as a text, in mirai", {
  skip_without("mirai", "nanonext")
  expect_identical(text_of("mirai", text_shown), text_expected)
})

text_failed <- quote({
  fails <- function(expr) tryCatch(expr, error = function(e) cat(conditionMessage(e), "\n"))
  fails(map(1:2, function(x) stop("first"))[.stop])
  fails(map(list(1, "a"))[.flat])
})

test_that("errors of maps are in mirai's words where there is no cli", {
  expected <- "In index 1:\nfirst \nCannot flatten outputs of differing type: double / character \n"
  said <- sub("Error in \\(function \\(x\\) *: ", "", text_of("crossdock", text_failed))
  expect_identical(said, expected)
})

test_that("an error ends the line", {
  said <- text_of("crossdock", quote(try(map(1:2, function(x) stop("no"))[.stop, .progress])))
  expect_match(said, "^\r\\[ 0 / 2 ....  ?\\]\nError")
})

# What cli is told, by its handler that writes a log: "1/2 updated". Not each step is shown, so
# that only begin and end are told for sure.
cli_shown <- quote({
  options(cli.progress_handlers_only = "logger", cli.progress_show_after = 0)
  a <- map(c(a = 1, b = 2))[.progress]
  b <- map(1:3)[.progress, .flat]
  d <- package$collect_mirai(map(1), list(.progress = "named"))
  d <- package$collect_mirai(
    map(1), list(.progress = list(name = "listed", type = "tasks", clear = FALSE))
  )
})

log_of <- function(package) {
  lines <- grep(" (created|terminated)", run_r(map_with(package, cli_shown)), value = TRUE)
  sub("^.*?cli-[0-9]+-[0-9]+ +", "", lines, perl = TRUE)
}

test_that("as a bar of cli's", {
  skip_without("cli")
  expect_identical(log_of("crossdock"), c(
    "0/2 created", "2/2 terminated (done)", "0/3 created", "3/3 terminated (done)",
    "0/1 created", "1/1 terminated (done)", "0/1 created", "1/1 terminated (done)"
  ))
})

test_that("as a bar of cli's, in mirai", {
  skip_without("cli", "mirai", "nanonext")
  expect_identical(log_of("crossdock"), log_of("mirai"))
})

test_that("a bar is gone after an error", {
  skip_without("cli", "rlang")
  said <- run_r(map_with("crossdock", quote({
    options(cli.progress_handlers_only = "logger", cli.progress_show_after = 0)
    try(map(1:2, function(x) if (x == 2) stop("no"))[.progress, .stop], silent = TRUE)
    try(map(list(1, "a"))[.progress, .flat], silent = TRUE)
    cat("after\n")
  })))
  expect_length(grep("terminated (failed)", said, fixed = TRUE), 2)
  expect_identical(said[[length(said)]], "after")
})
