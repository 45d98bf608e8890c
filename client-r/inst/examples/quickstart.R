# SPDX-License-Identifier: MIT
# A database that R daemons query; the answers come back as Arrow data.
#   R -f quickstart.R [--args broker]      broker: use the one that runs, and its daemons
library(crossdock)

# An Arrow stream lives behind a pointer, so R cannot send it to another process.
# These two functions can: from a stream to bytes, and back.
to_bytes <- function(stream) {
  bytes <- rawConnection(raw(), "wb")
  on.exit(close(bytes))
  nanoarrow::write_nanoarrow(stream, bytes)
  rawConnectionValue(bytes)
}
arrow <- serial_config("nanoarrow_array_stream", to_bytes, nanoarrow::read_nanoarrow)

# Two R processes, and a broker between them and us.
if ("broker" %in% commandArgs(TRUE)) {
  daemons(broker = TRUE, serial = arrow)
} else {
  daemons(2, serial = arrow)
}

# Each daemon opens the same SQLite file.
everywhere(
  {
    library(DBI)
    con <<- dbConnect(adbi::adbi("adbcsqlite"), uri = file)
  },
  file = tempfile(fileext = ".sqlite"), .min = 2
)

# Write a table. mirai() does not wait for its daemon; m[] does.
m <- mirai(dbWriteTableArrow(con, "iris", iris))
m[]

# Read it back: what arrives is Arrow data.
m <- mirai(dbReadTableArrow(con, "iris"))
m[]

# Query it.
m <- mirai(dbGetQueryArrow(con, 'SELECT * FROM iris WHERE "Sepal.Length" < 4.6'))
as.data.frame(m[])

# Four queries in one answer: streams travel wherever they are in a value.
m <- mirai(list(
  sepal = list(
    length = dbGetQueryArrow(con, 'SELECT * FROM iris WHERE "Sepal.Length" < 4.6'),
    width = dbGetQueryArrow(con, 'SELECT * FROM iris WHERE "Sepal.Width" < 2.6')
  ),
  petal = list(
    length = dbGetQueryArrow(con, 'SELECT * FROM iris WHERE "Petal.Length" < 1.5'),
    width = dbGetQueryArrow(con, 'SELECT * FROM iris WHERE "Petal.Width" < 0.2')
  )
))
str(rapply(m[], as.data.frame, how = "list"), max.level = 2, give.attr = FALSE)

status()

call_mirai(everywhere(dbDisconnect(con)))
daemons(0)
