# SPDX-License-Identifier: MIT
# R and C at the two ends of a broker exchange the same class-tagged frames.

sum_by_country <- paste(
  "SELECT country, sum(people) AS people FROM cities", "GROUP BY country ORDER BY 2 DESC"
)
expected <- data.frame(country = c("NO", "FI", "SE"), people = c(1000, 457, 362))

test_that("an R session calls a handler written in C", {
  skip_without_sqlite()
  module <- Sys.getenv("CROSSDOCK_MODULE")
  skip_if_not(nzchar(module), "CROSSDOCK_MODULE names no file")
  broker <- start_broker()
  start_worker(broker$url, "c", 2, args = c("--module", module))
  use_daemons(broker = broker$url, serial = sqlite_config(), .compute = "c")
  value <- call_task("sqlite.query", city_database(), sum_by_country, .compute = "c")[]
  expect_s3_class(value[[1]], "sqlite3")
  rows <- sqlite$query_database(value[[1]], "SELECT country, people FROM result ORDER BY 2 DESC")
  expect_equal(rows, expected)
  expect_type(value[[2]], "character")
  expect_match(value[[2]], "FI", fixed = TRUE)

  # what goes wrong there is a miraiError here, with the handler's own words
  wrong <- call_task("sqlite.query", city_database(), "SELECT absent", .compute = "c")[]
  expect_true(is_mirai_error(wrong))
  expect_match(wrong, "no such column", fixed = TRUE)
  missing <- call_task("sqlite.query", "text", sum_by_country, .compute = "c")[]
  expect_match(missing, "must be of class sqlite3, not text", fixed = TRUE)
  expect_error(call_task("sqlite.query", iris, .compute = "c"), "data.frame", fixed = TRUE)

  # many at once
  cities <- city_database()
  tasks <- lapply(1:20, function(i) {
    call_task("sqlite.query", cities, sprintf("SELECT %d AS n", i), .compute = "c")
  })
  numbers <- lapply(collect_mirai(tasks), function(value) {
    sqlite$query_database(value[[1]], "SELECT n FROM result")$n
  })
  expect_equal(unlist(numbers), 1:20)

  # stopped, and looked at, like any other task
  endless <- "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c"
  m <- call_task("sqlite.query", city_database(), endless, .compute = "c")
  expect_true(eventually(status("c")$mirai[["executing"]] == 1L))
  expect_true(stop_mirai(m))
  expect_true(m$data == 20L)
  expect_true(eventually(status("c")$mirai[["executing"]] == 0L))
})

test_that("an R task does not go to a C handler, nor waits for ever unseen", {
  skip_without_sqlite()
  broker <- start_broker()
  start_worker(broker$url, "c", args = c("--module", Sys.getenv("CROSSDOCK_MODULE")))
  use_daemons(broker = broker$url, .compute = "c")
  expect_true(has_workers("c", 1L))
  m <- mirai(1, .compute = "c", .timeout = 500)
  expect_true(m[] == 5L)
})

test_that("an R session calls functions of R daemons by name", {
  use_daemons(1)
  everywhere(join <<- function(...) paste(..., sep = "-"))[]
  expect_identical(call_task("join", "a", "b")[], "a-b")
  expect_identical(call_task("base::rev", as.raw(1:3))[], as.raw(3:1))
  expect_match(call_task("absent")[], "there is no function 'absent' on this daemon", fixed = TRUE)
  expect_match(call_task("base::nchar", "text")[], "integer")
  expect_identical(as.character(call_task("base::stop", "no")[]), "Error: no")
  expect_true(call_task("base::identity", "x", .timeout = 0)[] == 5L)
  expect_error(call_task(5), "name of a handler")
})

test_that("a C program calls functions of R daemons", {
  skip_without_sqlite()
  program <- Sys.getenv("CROSSDOCK_PROGRAM")
  skip_if_not(nzchar(program), "CROSSDOCK_PROGRAM names no program")
  broker <- start_broker()
  code <- c(
    deparse(sqlite_code),
    'crossdock::register_serial("sqlite3", sqlite_bytes, sqlite_from)',
    "shout <- function(text) paste0(toupper(text), '!')",
    "answer <- function(database, sql) {",
    "  result <- new_database()",
    '  connection <- DBI::dbConnect(adbi::adbi("adbcsqlite"), uri = result$path)',
    "  on.exit(DBI::dbDisconnect(connection))",
    '  DBI::dbWriteTable(connection, "result", query_database(database, sql))',
    "  result",
    "}",
    "crossdock::daemon()"
  )
  start_worker(broker$url, "r", args = c("--", rscript(), r_file(code)))
  submit <- function(...) {
    folder <- tempfile("submit-")
    dir.create(folder)
    args <- c("submit", "-u", broker$url, "-p", "r", "-t", "60", "-o", folder, ...)
    text <- suppressWarnings(system2(program, shQuote(args), stdout = TRUE, stderr = TRUE))
    files <- list.files(folder, full.names = TRUE)
    list(text = c(text), status = attr(text, "status"), files = files)
  }
  expect_identical(submit("shout", "text:hello")$text, "HELLO!")
  expect_identical(submit("base::toupper", "text:caf\u00e9")$text, "CAF\u00c9")

  database <- city_database()
  found <- submit("answer", paste0("sqlite3=", database$path), paste0("text:", sum_by_country))
  expect_match(found$files, "\\.sqlite3$")
  rows <- sqlite$query_database(sqlite$new_database(found$files), "SELECT * FROM result")
  expect_equal(rows, expected)

  failed <- submit("answer", paste0("sqlite3=", database$path), "text:SELECT absent")
  expect_identical(failed$status, 1L)
  expect_match(paste(failed$text, collapse = " "), "no such column", fixed = TRUE)
  failed <- submit("base::nchar", "text:hello")
  expect_match(paste(failed$text, collapse = " "), "integer")
  failed <- submit("base::toupper", "polars=/dev/null")
  expect_match(paste(failed$text, collapse = " "), "polars")
  expect_identical(submit("shout", "text:still here")$text, "STILL HERE!")
})
