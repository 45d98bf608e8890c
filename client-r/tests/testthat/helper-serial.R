# SPDX-License-Identifier: MIT
# A value as payload frames and back, without a broker; and stand-ins for classes of other packages.

frames_of <- function(value, config = NULL, side = "client") {
  .Call(crossdock:::C_rxd_frames_of, value, config, side)
}

value_of <- function(frames, config = NULL, side = "worker") {
  .Call(crossdock:::C_rxd_value_of, frames, config, side)
}

round_trip <- function(value, config = NULL) value_of(frames_of(value, config), config)

object_bytes <- function(object, config, side = "client") {
  .Call(crossdock:::C_rxd_object_bytes, object, config, side)
}

object_of <- function(bytes, tag, config, side = "worker") {
  .Call(crossdock:::C_rxd_object_of, bytes, tag, config, side)
}

# 1 body, 2 object, 3 segment
roles <- function(frames) vapply(frames, attr, 0L, "role")
tags <- function(frames) unlist(lapply(frames, attr, "tag"))
counts <- function(frames) vapply(frames, attr, 0L, "count")
bodies <- function(frames) frames[roles(frames) == 1L]
objects <- function(frames) frames[roles(frames) == 2L]
segments <- function(frames) frames[roles(frames) == 3L]

# As torch does it: an external pointer with a class. Each is another one, and points nowhere once
# R itself has serialized it.
tensor <- function(value) {
  pointer <- unserialize(serialize(methods::new("externalptr"), NULL))
  attr(pointer, "value") <- value
  structure(pointer, class = c("test_tensor", "R7"))
}
tensor_value <- function(x) {
  stopifnot(inherits(x, "test_tensor"))
  attr(x, "value")
}
tensor_bytes <- function(x) serialize(tensor_value(x), NULL)
tensor_from <- function(bytes) tensor(unserialize(bytes))
tensor_config <- function() serial_config("test_tensor", tensor_bytes, tensor_from)
tensor_vec_config <- function() {
  serial_config(
    "test_tensor",
    function(x) serialize(lapply(x, tensor_value), NULL),
    function(bytes) lapply(unserialize(bytes), tensor),
    vec = TRUE
  )
}

# As polars does it: an environment with a class and methods inside.
frame <- function(value) {
  self <- new.env(parent = emptyenv())
  self$value <- value
  self$serialize <- function() serialize(value, NULL)
  structure(self, class = c("test_frame", "polars_object"))
}
frame_config <- function() {
  serial_config("test_frame", \(x) x$serialize(), \(bytes) frame(unserialize(bytes)))
}
