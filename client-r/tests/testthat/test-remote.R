# SPDX-License-Identifier: MIT
# How daemons are launched elsewhere: addresses, configurations, commands.

test_that("configurations have mirai's form", {
  expect_identical(
    remote_config(),
    list(command = NULL, args = c("", "."), rscript = "Rscript", quote = FALSE, tunnel = FALSE)
  )
  needed <- "`.` must be an element of the character vector(s) supplied to `args`"
  expect_error(remote_config(args = "x"), needed, fixed = TRUE)
  expect_error(remote_config(args = list(c("a", "."), "b")), needed, fixed = TRUE)
  ssh <- ssh_config(c("ssh://10.75.32.90:222", "ssh://user@node", "other"), timeout = 5)
  expect_identical(ssh$args, list(
    c("-o ConnectTimeout=5 -fTp 222", "10.75.32.90", "."),
    c("-o ConnectTimeout=5 -fTp 22", "user@node", "."),
    c("-o ConnectTimeout=5 -fTp 22", "other", ".")
  ))
  expect_identical(ssh[c("command", "rscript", "quote", "tunnel")], list(
    command = "ssh", rscript = "Rscript", quote = TRUE, tunnel = FALSE
  ))
  expect_true("." %in% cluster_config()$args)
  expect_error(http_config(), "not available in this version", fixed = TRUE)
})

test_that("addresses of this host", {
  expect_identical(local_url(tcp = TRUE), "tcp://127.0.0.1:0")
  expect_identical(local_url(tcp = TRUE, port = 5555), "tcp://127.0.0.1:5555")
  expect_match(local_url(), "^ipc:///")
  expect_error(local_url(tcp = TRUE, port = 70000), "`port`", fixed = TRUE)
  urls <- host_url(port = 5555)
  expect_true(all(grepl("^tcp://[^/]*:5555$", urls)))
  expect_false(is.null(names(urls)))
  expect_false(any(grepl("127.0.0.1", urls, fixed = TRUE)))
  expect_match(host_url(tls = TRUE), "^tls\\+tcp://.*:0$")
})

test_that("without daemons nothing is launched", {
  expect_error(launch_remote(), "daemons must be set to use this function", fixed = TRUE)
})

test_that("launch_remote() returns and prints commands", {
  use_daemons(url = local_url())
  url <- status()$daemons
  command <- sprintf("Rscript -e 'crossdock::daemon(\"%s\",maxtasks=3)'", url)
  commands <- launch_remote(2, maxtasks = 3)
  expect_identical(unclass(commands)[1:2], c(command, command))
  expect_identical(class(commands), c("crossdock_launch", "miraiLaunchCmd"))
  expect_identical(printed(commands), c("[1]", command, "", "[2]", command, ""))
  expect_identical(
    as.vector(launch_remote(1, remote_config(rscript = "/opt/R/bin/Rscript"))),
    sprintf("/opt/R/bin/Rscript -e 'crossdock::daemon(\"%s\")'", url)
  )
  expect_error(launch_remote(1, "ssh"), "remote_config()", fixed = TRUE)
})

test_that("commands run, one for each vector of arguments", {
  use_daemons(url = local_url())
  shells <- function(n) {
    remote_config("sh", rep(list(c("-c", ".")), n), rscript = rscript(), quote = TRUE)
  }
  lengths <- "`n` must equal the length of `args`, or either must be 1"
  expect_error(launch_remote(2, shells(3)), lengths, fixed = TRUE)
  expect_length(launch_remote(1, shells(2)), 2)
  expect_true(eventually(connections() == 2L))
  expect_length(launch_remote(1, shells(1), maxtasks = 1), 1)
  expect_true(eventually(connections() == 3L))
  expect_identical(mirai_map(1:20, function(i) i)[.flat], 1:20)
})

test_that("the profile of a shared broker is named, that of a session's own is not", {
  skip_without_programs()
  use_daemons(url = local_url(), .compute = "own")
  expect_false(grepl("own", launch_remote(.compute = "own"), fixed = TRUE))
  broker <- start_broker()
  use_daemons(broker = broker$url, .compute = "shared")
  command <- launch_remote(1, remote_config(rscript = rscript()), .compute = "shared")
  process <- start_program("sh", c("-c", command), r_environment())
  expect_true(has_workers("shared", 1L))
})

test_that("a launcher that fails leaves no profile", {
  expect_error(
    daemons(url = local_url(), remote = cluster_config("echo no room; exit 3 #")), "no room"
  )
  expect_false(daemons_set())
  expect_error(
    daemons(url = local_url(), remote = ssh_config("ssh://host", tunnel = TRUE)),
    "SSH tunnelling requires daemons `url` hostname to be `127.0.0.1`", fixed = TRUE
  )
  expect_false(daemons_set())
})

test_that("a job's script is what the resource manager gets", {
  script <- tempfile()
  use_daemons(url = local_url())
  remote <- cluster_config(paste("cat >", script), "#SBATCH --mem=16G\nmodule load 'R' $HOME")
  command <- launch_remote(1, remote)
  expect_identical(
    readLines(script), c("#!/bin/sh", "#SBATCH --mem=16G", "module load 'R' $HOME", command)
  )
})
