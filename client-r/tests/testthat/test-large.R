# SPDX-License-Identifier: MIT
# Payloads of any size, one way at a time. CROSSDOCK_LONG=1 takes raw vectors of 4 GB, more than
# 2^31 elements, else 512 MB.

bytes <- if (is_long) 4e9 + 12345 else 2^29

# Functions that go along to daemons: length, both ends, the middle, and the sum of all.
digests <- portable(
  # Bytes that repeat after a prime number of them, so that no piece equals another of equal size.
  large_raw = function(bytes) rep_len(as.raw((seq_len(251L) * 7L) %% 251L), bytes),
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
large_raw <- digests$large_raw

# There, then back; what that took in seconds. Garbage is collected so that both are not there at
# one time.
expect_large_passes <- function() {
  x <- large_raw(bytes)
  want <- digest(x)
  there <- system.time(got <- mirai(digest(x), .args = list(x = x, digest = digest))[])
  expect_identical(got, want)
  rm(x)
  gc()
  mirai(gc())[]
  made <- mirai(large_raw(bytes), .args = list(bytes = bytes, large_raw = large_raw))
  back <- system.time(value <- made[])
  if (!is.raw(value)) {
    fail(paste(printed(value), collapse = "\n"))
  }
  expect_identical(digest(value), want)
  cat(sprintf(
    "  %.0f bytes there (and looked at) in %.1f s, made and back in %.1f s\n", bytes,
    there[["elapsed"]], back[["elapsed"]]
  ))
}

test_that("a large raw vector goes to a daemon, and another comes back", {
  use_daemons(1)
  expect_large_passes()
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
  expect_large_passes()
  peak <- memory_of(broker, "VmHWM")
  cat(sprintf("  over tcp: broker %.0f KiB, at most %.0f\n", base, peak))
  expect_lt(peak - base, 100 * 1024)
})
