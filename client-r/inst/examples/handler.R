# SPDX-License-Identifier: MIT
# An R session calls a handler that is written in C. It takes a database and a query, and gives a
# database and a text. Needs a broker, and crossdock-worker with client-c/examples/sqlite_handlers.
library(crossdock)

# What the handler holds in memory as an object of class "sqlite3" is a file here.
# On the way it is the bytes of that file.
database <- function(path) structure(list2env(list(path = path)), class = "sqlite3")
to_bytes <- function(db) readBin(db$path, "raw", file.size(db$path))
from_bytes <- function(bytes) {
  db <- database(tempfile(fileext = ".sqlite"))
  writeBin(bytes, db$path)
  db
}
daemons(broker = TRUE, serial = serial_config("sqlite3", to_bytes, from_bytes), .compute = "sql")

# A database to send.
library(DBI)
db <- database(tempfile(fileext = ".sqlite"))
con <- dbConnect(adbi::adbi("adbcsqlite"), uri = db$path)
dbWriteTable(con, "cars", mtcars)
dbDisconnect(con)

# The handler runs the query and puts the rows into the table "result" of a new database.
m <- call_task(
  "sqlite.query", db, "SELECT cyl, count(*) AS cars, avg(mpg) AS mpg FROM cars GROUP BY cyl",
  .compute = "sql"
)
answer <- m[]

# The text it gives, and a query of the database it gives.
cat(answer[[2]])
con <- dbConnect(adbi::adbi("adbcsqlite"), uri = answer[[1]]$path)
dbGetQuery(con, "SELECT * FROM result WHERE mpg > 19")
dbDisconnect(con)

daemons(0, .compute = "sql")
