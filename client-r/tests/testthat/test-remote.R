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
  expect_named(cluster_config(), c("command", "args", "rscript", "quote"))
  expect_null(cluster_config()$quote)
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

# ---- daemons that do not come ----

expect_no_start <- function(value, ...) {
  expect_s3_class(value, "miraiError")
  for (text in c("a daemon could not start", ...)) {
    expect_match(value, text, fixed = TRUE)
  }
}

test_that("where all launchers fail, tasks end with what they said, and status() has it", {
  use_daemons(url = local_url())
  early <- mirai("early")
  fails <- remote_config("sh", c("-c", "'echo no route to host >&2; exit 255'", "."))
  launch_remote(2, fails)
  seconds <- system.time(value <- early[])[["elapsed"]]
  expect_lt(seconds, 10)
  expect_no_start(value, "`sh` ended with exit code 255", "no route to host")
  expect_match(status()$fault, "no route to host", fixed = TRUE)
  late <- mirai("late")
  expect_true(eventually(!unresolved(late), 5))
  expect_no_start(late$data, "no route to host")
  launch_remote(1, remote_config("sh", c("-c", "."), rscript = rscript(), quote = TRUE))
  expect_identical(mirai("on")[], "on")
  expect_null(status()$fault)
})

test_that("a daemon that cannot connect tells why through its launcher", {
  use_daemons(url = local_url())
  url <- paste0(local_url(), "-not-this-one")
  command <- sprintf("'%s -e \"crossdock::daemon(\\\"%s\\\")\" #'", rscript(), url)
  launch_remote(1, remote_config("sh", c("-c", command, ".")))
  value <- mirai(1)[]
  expect_no_start(value, "ended with exit code 1", "the daemon cannot reach its broker")
})

test_that("one launcher of two that fails does not fail the tasks", {
  use_daemons(url = local_url())
  good <- c("-c", ".")
  bad <- c("-c", "'exit 7'", ".")
  launch_remote(1, remote_config("sh", list(bad, good), rscript = rscript(), quote = TRUE))
  expect_identical(mirai("on")[], "on")
  expect_null(status()$fault)
})

test_that("those that are missing are told of, once, wherever the session looks next", {
  output <- run_r(quote({
    utils::assignInNamespace("slow_start", 1, "crossdock")
    daemons(url = local_url())
    said <- function(code) {
      lines <- character()
      withCallingHandlers(code, message = function(m) {
        lines <<- c(lines, conditionMessage(m))
        invokeRestart("muffleMessage")
      })
      lines
    }
    launch_remote(2, remote_config("sh", c("-c", "'echo waiting for a licence; sleep 4'", ".")))
    m <- mirai(1)
    Sys.sleep(1.2)
    cat(gsub("\n", " | ", said(status())), "\n")
    cat(length(said(mirai(2))), "\n")
    daemons(0)
    daemons(url = local_url())
    launch_remote(2, cluster_config("echo Submitted job 12; cat >/dev/null"))
    Sys.sleep(1.2)
    cat(gsub("\n", " | ", said(mirai(2))), "\n")
    cat(unresolved(mirai(2)), "\n")
    daemons(0)
  }))
  expect_match(output[[1]], paste(
    "crossdock: 0 of 2 launched daemons have connected within 1 seconds; a launcher said last:",
    "| waiting for a licence"
  ), fixed = TRUE)
  expect_identical(output[[2]], "0 ")
  expect_match(output[[3]], "0 of 2 launched daemons .*Submitted job 12")
  expect_identical(output[[4]], "TRUE ")
})

test_that("a local daemon that hangs while it starts is told of without waiting for a task", {
  output <- run_r(quote({
    utils::assignInNamespace("slow_start", 1, "crossdock")
    file <- tempfile(fileext = ".R")
    writeLines('message("asking the licence server"); Sys.sleep(4)', file)
    Sys.setenv(R_PROFILE_USER = file)
    daemons(1, .wait = FALSE)
    Sys.sleep(1.5)
    m <- mirai("on")
    message("made")
    cat(m[], "\n")
  }))
  expect_match(output[[1]], "crossdock: 0 of 1 daemons have connected within [0-9]+ seconds")
  said <- output[nzchar(output)]
  expect_identical(said[2:4], c("asking the licence server", "made", "on "))
})

# ---- launchers that outlive their profile ----

# A launcher that says where its processes are; `then`: what it does after that.
new_launcher <- function(then = "sleep 600 & echo $! >> %1$s; sleep 600") {
  file <- tempfile("pids-")
  script <- sprintf(paste("echo $$ >> %1$s;", then), file)
  args <- c("-c", shQuote(script), ".")
  list(
    args = args, remote = remote_config("sh", args),
    pids = function(n) {
      stopifnot(eventually(file.exists(file) && length(readLines(file)) >= n))
      as.integer(readLines(file))
    }
  )
}

test_that("a launcher that still runs ends with its profile, and all it started with it", {
  skip_without_proc()
  launcher <- new_launcher()
  use_daemons(url = local_url(), remote = launcher$remote)
  pids <- launcher$pids(2)
  expect_true(all(is_alive(pids)))
  seconds <- system.time(daemons(0))[["elapsed"]]
  expect_lt(seconds, 1)
  expect_true(eventually(!any(is_alive(pids)), 2))
})

test_that("one that will not is killed after a second", {
  skip_without_proc()
  launcher <- new_launcher("trap '' TERM; echo 0 >> %1$s; while :; do sleep 1; done")
  use_daemons(url = local_url(), remote = launcher$remote)
  pid <- launcher$pids(2)[[1]]
  daemons(0)
  expect_true(eventually(!is_alive(pid), 1))
})

test_that("it ends with the session, too", {
  skip_without_proc()
  launcher <- new_launcher()
  run_r(bquote({
    daemons(url = local_url(), remote = remote_config("sh", .(launcher$args)))
    Sys.sleep(1)
  }))
  expect_true(eventually(!any(is_alive(launcher$pids(2))), 2))
})

test_that("a launcher whose daemon shall go on without the session is left alone", {
  skip_without_proc()
  skip_without_programs()
  broker <- start_broker()
  use_daemons(broker = broker$url, .compute = "shared")
  file <- tempfile("pid-")
  here <- c("-c", shQuote(sprintf("echo $$ > %s; eval \"$0\"", file)), ".")
  launch_remote(
    1, remote_config("sh", here, rscript = rscript(), quote = TRUE), .compute = "shared"
  )
  expect_true(has_workers("shared", 1L))
  daemons(0, .compute = "shared")
  launcher <- as.integer(readLines(file))
  at_end(tools::pskill(launcher, tools::SIGTERM))
  expect_true(is_alive(launcher))
  use_daemons(broker = broker$url, .compute = "shared")
  expect_identical(mirai("still there", .compute = "shared")[], "still there")
})

# ---- sockets ----

test_that("in a directory that others use, a path becomes a directory of the session's own", {
  folder <- tempfile("open-")
  dir.create(folder)
  Sys.chmod(folder, "1777", use_umask = FALSE)
  url <- paste0("ipc://", folder, "/x")
  use_daemons(url = url)
  expect_identical(format(file.mode(file.path(folder, "x"))), "700")
  expect_setequal(
    list.files(file.path(folder, "x")), paste0("broker", c("", ".bulk", ".lock", ".workers"))
  )
  start_r(bquote(daemon(.(url))))
  expect_true(eventually(connections() == 1L))
  launch_local(1)
  expect_true(eventually(connections() == 2L))
  x <- as.raw(seq_len(3e7) %% 251L)
  expect_identical(mirai(rev(x), x = x)[], rev(x))
  expect_error(daemons(url = url, .compute = "second"), "another broker listens")
  daemons(0)
  expect_length(list.files(folder), 0)
  daemons(url = url) # it is made again
  expect_true(daemons_set())
})

test_that("where others could put a socket in its place it is refused", {
  folder <- tempfile("loose-")
  dir.create(folder)
  Sys.chmod(folder, "0777", use_umask = FALSE)
  url <- paste0("ipc://", folder, "/x")
  expect_error(daemons(url = url), "loose-.*nobody else may replace")
  expect_false(daemons_set())
  file.create(file.path(folder, "x"))
  expect_error(daemon(url), "not a broker's directory")
})
