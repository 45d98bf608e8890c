# SPDX-License-Identifier: MIT
# Daemons of the test process itself.

# Sets daemons up for the rest of the calling test.
use_daemons <- function(..., .compute = NULL, frame = parent.frame()) {
  at_end(daemons(0, .compute = .compute), frame)
  daemons(..., .compute = .compute)
}

connections <- function(...) status(...)$connections

# A task that ends once this file exists, and says by a file when it runs.
new_gate <- function() {
  gate <- tempfile("gate-")
  list(
    open = function() invisible(file.create(gate)),
    is_entered = function(who = "") file.exists(paste0(gate, ".entered", who)),
    # for the task: wait_at(gate$path)
    path = gate
  )
}

wait_at <- function(path, who = "") {
  file.create(paste0(path, ".entered", who))
  while (!file.exists(path)) Sys.sleep(0.01)
  Sys.getpid()
}
environment(wait_at) <- globalenv()

# Is the very same external pointer or environment meant?
is_same <- function(x, y) identical(x, y, extptr.as.ref = TRUE)
environment(is_same) <- globalenv()

printed <- function(x) utils::capture.output(print(x))

# testthat runs helpers in a copy of the package's namespace, which R sends by its name, without
# the helpers. These are the functions `...` with an environment that goes along, named like them.
portable <- function(...) {
  place <- new.env(parent = globalenv())
  functions <- lapply(list(...), function(f) {
    environment(f) <- place
    f
  })
  list2env(functions, place)
  functions
}

# The stand-ins of helper-serial.R, to be used on daemons.
portable_standins <- function() {
  do.call(portable, mget(
    c("tensor", "tensor_value", "tensor_bytes", "tensor_from", "frame"),
    envir = environment(tensor)
  ))
}

portable_tensors <- function(vec = FALSE) {
  standins <- portable_standins()
  functions <- if (vec) tensor_vec_config() else tensor_config()
  place <- environment(standins$tensor)
  environment(functions[[2]][[1]]) <- environment(functions[[3]][[1]]) <- place
  functions
}
