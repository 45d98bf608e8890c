# SPDX-License-Identifier: MIT
# Profiles that come and go leave memory, descriptors, threads and files where they were; see
# helper-rounds.R.

test_that("profiles that come and go", {
  skip_without_proc()
  output <- run_rounds(quote({
    size <- if (is_long) 200L else 5L
    rounds("profiles", if (is_long) 6L else 9L, function(times = 1L) {
      for (i in seq_len(size)) {
        name <- paste0("profile-", i)
        daemons(1, .compute = name)
        stopifnot(identical(mirai("on", .compute = name)[], "on"))
        daemons(0, .compute = name)
      }
    }, warm = if (is_long) 1L else 3L)
  }))
  expect_true("end" %in% output)
  # 30 profiles lie between, or 800: 35 KB, or 4 KB, left by each would be more than this. Threads
  # come and go with a profile, and with them arenas of the allocator
  expect_identical(grown(output, if (is_long) 3072 else 1024), character())
})

test_that("profiles without daemons, clusters, ephemeral tasks, listeners", {
  skip_without_proc()
  output <- run_rounds(quote({
    rounds("others", if (is_long) 30L else 9L, function(times = 1L) {
      for (i in 1:5) {
        name <- paste0("profile-", i)
        daemons(url = local_url(), .compute = name)
        mirai(1, .compute = name)
        daemons(0, .compute = name)
        daemons(sync = TRUE, .compute = name)
        mirai(1, .compute = name)
        daemons(0, .compute = name)
      }
      stop_cluster(make_cluster(1))
      mirai(1)[]
    }, warm = 3L)
  }))
  expect_true("end" %in% output)
  expect_identical(grown(output, if (is_long) 2048 else 512), character())
})
