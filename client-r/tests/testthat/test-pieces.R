# SPDX-License-Identifier: MIT
# How a value is cut into frames.

kib <- 1024

test_that("a small value is one frame with a header", {
  frames <- frames_of(1)
  expect_identical(roles(frames), 1L)
  expect_identical(rawToChar(frames[[1]][1:3]), "xdr")
  expect_identical(as.integer(frames[[1]][4]), 1L)
})

test_that("large plain vectors become segments of exactly their size", {
  vectors <- list(
    runif(1e6), as.raw(seq_len(5e6) %% 256), complex(1e5, 1, 2), sample(1e5),
    sample(c(TRUE, NA), 1e5, TRUE)
  )
  for (x in vectors) {
    frames <- frames_of(x)
    expect_identical(roles(frames), c(1L, 3L))
    size <- switch(typeof(x), raw = 1, integer = 4, logical = 4, double = 8, complex = 16)
    expect_length(frames[[2]], size * length(x))
    expect_lt(length(frames[[1]]), 200)
    expect_identical(value_of(frames), x)
  }
  frames <- frames_of(vectors)
  expect_identical(roles(frames), c(1L, rep(3L, 5)))
  expect_identical(value_of(frames), vectors)
})

test_that("segments come back in place among names, attributes and other values", {
  x <- structure(runif(1e5), names = paste0("n", seq_len(1e5)), dim = NULL, extra = runif(5e4))
  value <- list(a = 1, x = x, frame = data.frame(p = runif(1e5), q = sample(1e5)), z = "end")
  frames <- frames_of(value)
  expect_length(segments(frames), 4L)
  expect_identical(value_of(frames), value)
})

test_that("the limit is 256 KiB of contents", {
  expect_length(segments(frames_of(raw(256 * kib))), 1L)
  expect_length(segments(frames_of(raw(256 * kib - 1))), 0L)
  expect_length(segments(frames_of(as.double(seq_len(32 * kib)) + 0)), 1L)
})

test_that("vectors of every length around the chunks of R come back", {
  chunk <- 8096
  lengths <- c(
    0, 1, 2, 3, outer(chunk * c(1, 2, 4, 8, 16, 32, 33, 64), -1:1, `+`), 64 * kib + 0:1
  )
  for (n in lengths) {
    makers <- list(\(n) as.raw(seq_len(n) %% 256), sample.int, runif, \(n) runif(n) + 1i)
    for (make in makers) {
      x <- list(-1L, 9L, make(n), "after", 10L, make(n))
      expect_true(identical(round_trip(x), x), info = paste(typeof(x[[3]]), n))
    }
  }
})

test_that("long texts stay in the body and come back", {
  for (size in c(8096, 8096 * 4, 8096 * 8, 3e5, 5e6)) {
    x <- c("short", strrep("\u00e9x", size / 2), NA)
    frames <- frames_of(x)
    expect_length(segments(frames), 0L)
    expect_identical(value_of(frames), x)
  }
})

test_that("a large body is several frames", {
  x <- paste0("text number ", seq_len(1e5))
  value <- list(x, runif(1e5), x)
  frames <- frames_of(value)
  expect_gt(length(bodies(frames)), 2)
  expect_identical(roles(frames), c(rep(1L, length(frames) - 1L), 3L))
  expect_identical(value_of(frames), value)
})

test_that("more large vectors than segments allowed go into the body", {
  x <- rep(list(as.raw(seq_len(256 * kib) %% 251)), 515)
  frames <- frames_of(x)
  expect_length(segments(frames), 512L)
  expect_lte(length(frames), 1000L)
  expect_identical(value_of(frames), x)
})

test_that("segments and objects go together", {
  value <- list(runif(1e5), tensor(runif(1e5)), sample(1e6), frame(1:3))
  config <- serial_config(
    c("test_tensor", "test_frame"),
    list(tensor_bytes, \(x) x$serialize()),
    list(tensor_from, \(bytes) frame(unserialize(bytes)))
  )
  frames <- frames_of(value, config)
  expect_identical(roles(frames), c(1L, 3L, 3L, 2L, 2L))
  back <- value_of(frames, config)
  expect_identical(back[c(1, 3)], value[c(1, 3)])
  expect_identical(tensor_value(back[[2]]), tensor_value(value[[2]]))
})

# ---- input that is not what was sent ----

refused <- "the task's bytes are not a serialization: "

is_refused <- function(frames) {
  tryCatch(
    {
      value_of(frames, tensor_config())
      FALSE
    },
    error = \(e) startsWith(conditionMessage(e), refused)
  )
}

test_that("frames out of order, missing or foreign are refused", {
  frames <- frames_of(list(runif(1e5), sample(1e5), "x", tensor(1)), tensor_config())
  expect_false(is_refused(frames))
  for (order in list(4:1, 2:4, c(1, 3, 4), 1:3, c(1, 2, 2, 3, 4), c(1, 3, 2, 4), 0, c(1:4, 1))) {
    expect_true(is_refused(frames[order]), info = toString(order))
  }
  plain <- serialize(1, NULL, xdr = FALSE)
  expect_true(is_refused(list(structure(plain, role = 1L, count = 0L))))
  attr(frames[[1]], "role") <- 4L
  expect_true(is_refused(frames))
})

test_that("another version or byte order is told apart", {
  frames <- frames_of(1)
  newer <- swapped <- frames
  newer[[1]][4] <- as.raw(2)
  expect_error(value_of(newer), "version 2 of the format is not known here")
  swapped[[1]][5:8] <- rev(swapped[[1]][5:8])
  expect_error(value_of(swapped), "the other byte order")
})

test_that("a body cut short at any place is refused", {
  frames <- frames_of(list(1, "a", tensor(1)), tensor_config())
  cut <- \(n) c(list(structure(frames[[1]][seq_len(n)], role = 1L, count = 0L)), frames[-1])
  expect_false(is_refused(cut(length(frames[[1]]))))
  for (n in seq_along(frames[[1]]) - 1L) expect_true(is_refused(cut(n)), info = n)
})

test_that("any changed byte of a body is refused", {
  value <- list(a = 1, b = iris[1:3, ], c = function(x) x, d = tensor(1), e = runif(1e5))
  frames <- frames_of(value, tensor_config())
  set.seed(20)
  size <- length(frames[[1]])
  survived <- integer()
  for (i in 1:4000) {
    at <- if (i <= size) i else sample.int(size, sample.int(4, 1))
    wrong <- frames
    wrong[[1]][at] <- xor(wrong[[1]][at], as.raw(sample.int(255, length(at), TRUE)))
    if (!is_refused(wrong)) survived <- c(survived, i)
  }
  expect_identical(survived, integer())
})

test_that("a changed byte of a large vector is another number, no more", {
  frames <- frames_of(list(1, as.double(1:1e5) + 0, "end"))
  frames[[2]][8 * 7] <- as.raw(0)
  back <- value_of(frames)
  expect_identical(which(back[[2]] != 1:1e5), 7L)
  expect_identical(back[[3]], "end")
})

test_that("a packed frame that does not hold its objects is refused", {
  frames <- frames_of(lapply(1:100, tensor), tensor_config())
  size <- length(frames[[2]])
  packed <- function(n = size, count = 100L, tag = "test_tensor", first = frames[[2]][1:8]) {
    bytes <- frames[[2]][seq_len(n)]
    if (n >= 8) bytes[1:8] <- first
    list(frames[[1]], structure(bytes, role = 2L, count = count, tag = tag))
  }
  expect_false(is_refused(packed()))
  for (n in c(0, 1, 799, 800, 1000, size - 1)) expect_true(is_refused(packed(n)), info = n)
  expect_true(is_refused(packed(first = as.raw(rep(255, 8)))))
  expect_true(is_refused(packed(count = 50L)))
  expect_true(is_refused(packed(tag = NULL)))
})
