# SPDX-License-Identifier: MIT
# SQLite databases as class-tagged frames: the bytes are a database's file, for C as for R.

# For this session, and as a file for other R programs.
sqlite_code <- quote({
  # A database is an environment that knows its file.
  new_database <- function(path = tempfile(fileext = ".db")) {
    structure(list2env(list(path = path), parent = emptyenv()), class = "sqlite3")
  }
  query_database <- function(database, sql) {
    connection <- DBI::dbConnect(adbi::adbi("adbcsqlite"), uri = database$path)
    on.exit(DBI::dbDisconnect(connection))
    DBI::dbGetQuery(connection, sql)
  }
  sqlite_bytes <- function(x) readBin(x$path, "raw", file.size(x$path))
  sqlite_from <- function(bytes) {
    path <- tempfile(fileext = ".db")
    writeBin(bytes, path)
    structure(list2env(list(path = path), parent = emptyenv()), class = "sqlite3")
  }
})
sqlite <- new.env(parent = globalenv())
eval(sqlite_code, sqlite)

sqlite_config <- function() serial_config("sqlite3", sqlite$sqlite_bytes, sqlite$sqlite_from)

# A database with a table of five cities.
city_database <- function() {
  database <- sqlite$new_database()
  connection <- DBI::dbConnect(adbi::adbi("adbcsqlite"), uri = database$path)
  on.exit(DBI::dbDisconnect(connection))
  DBI::dbWriteTable(connection, "cities", data.frame(
    name = c("Bergen", "Oslo", "Turku", "Tampere", "Malmo"),
    country = c("NO", "NO", "FI", "FI", "SE"), people = c(291, 709, 202, 255, 362)
  ))
  database
}

skip_without_sqlite <- function() {
  skip_without_programs()
  skip_without("DBI", "adbi", "adbcsqlite", "nanoarrow")
}
