# SPDX-License-Identifier: MIT
# Payloads of any size. CROSSDOCK_LONG=1 takes a raw vector of more than 2^31 elements (about 11 GB
# of memory), else 300 MB.

bytes <- if (nzchar(Sys.getenv("CROSSDOCK_LONG"))) 2^31 + 12345 else 3e8

# Bytes that repeat after a prime number of them, so that no piece equals another of equal size.
large_raw <- function(bytes) rep_len(as.raw((seq_len(251L) * 7L) %% 251L), bytes)

# Functions that go along to daemons: length, both ends, the middle, and the sum of all.
digests <- portable(
  byte_sum = function(x, step = 2^22) { # without another copy of the vector
    from <- seq(1, length(x), by = step)
    sum(vapply(from, function(i) sum(as.integer(x[i:min(length(x), i + step - 1)])), 0L) + 0)
  },
  digest = function(x) {
    n <- length(x)
    list(n, x[1:1000], x[n / 2 + 0:1000], x[(n - 1000):n], byte_sum(x))
  }
)
digest <- digests$digest

expect_large_round_trip <- function() {
  x <- large_raw(bytes)
  want <- digest(x)
  got <- mirai(digest(x), .args = list(x = x, digest = digest))[]
  expect_identical(got, want)
  back <- mirai(x, .args = list(x = x))
  rm(x)
  value <- back[]
  if (!is.raw(value)) {
    fail(paste(printed(value), collapse = "\n"))
  }
  expect_identical(digest(value), want)
}

test_that("a large raw vector goes to a daemon and comes back", {
  use_daemons(1)
  expect_large_round_trip()
})

test_that("also over tcp, with little memory in the broker", {
  skip_without_proc()
  use_state()
  use_daemons(url = local_url(tcp = TRUE))
  launched <- launch_remote(1, remote_config(
    "sh", c("-c", "."), rscript = rscript(), quote = TRUE
  ))
  expect_length(launched, 1)
  expect_true(eventually(connections() == 1L))
  broker <- broker_pid()
  base <- memory_of(broker, "VmHWM")
  expect_large_round_trip()
  peak <- memory_of(broker, "VmHWM")
  cat(sprintf("  %.0f bytes there and back: broker %.0f KiB, at most %.0f\n", bytes, base, peak))
  expect_lt(peak - base, 100 * 1024)
})
