# SPDX-License-Identifier: MIT
# A small program for a package that was just installed: a daemon, a task, an object that only its class can carry.
library(crossdock)

config <- serial_config(
  "box",
  function(x) charToRaw(paste0("packed ", x$content)),
  function(bytes) structure(list2env(list(content = rawToChar(bytes))), class = "box")
)
daemons(1, serial = config)
stopifnot(identical(mirai(1 + 1)[], 2))
box <- structure(list2env(list(content = "here")), class = "box")
stopifnot(identical(mirai(b$content, .args = list(b = box))[], "packed here"))
pid <- mirai(Sys.getpid())[]
stopifnot(is.integer(pid), pid != Sys.getpid())
daemons(0)
cat("crossdock", format(packageVersion("crossdock")), "works\n")
