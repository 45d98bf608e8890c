# SPDX-License-Identifier: MIT
# Across hosts: keys of a test's own, sshd, Slurm, network namespaces.

# A state directory for the rest of the calling test, so that no keys of the user are touched.
use_state <- function(frame = parent.frame()) {
  state <- tempfile("state-")
  dir.create(state, mode = "0700")
  use_variables(CROSSDOCK_STATE = state, frame = frame)
  state
}

use_variables <- function(..., frame = parent.frame()) {
  variables <- c(...)
  old <- Sys.getenv(names(variables), NA, names = TRUE)
  do.call(Sys.setenv, as.list(variables))
  at_end(
    for (name in names(old)) {
      if (is.na(old[[name]])) Sys.unsetenv(name) else do.call(Sys.setenv, as.list(old[name]))
    },
    frame
  )
}

# The process of the broker of a session that listens on tcp.
broker_pid <- function() {
  children <- processes_with(paste0("TMPDIR=", tempdir()))
  children[grepl("broker_process", command_lines(children), fixed = TRUE)]
}

# What tests/run installs must be there when it runs the tests; elsewhere they are skipped.
needs_programs <- function(...) {
  path <- paste(c(Sys.getenv("PATH"), "/usr/sbin", "/sbin"), collapse = .Platform$path.sep)
  use_variables(PATH = path, frame = parent.frame())
  missing <- Filter(function(program) !nzchar(Sys.which(program)), c(...))
  if (length(missing) && nzchar(Sys.getenv("CROSSDOCK_TEST_RUN"))) {
    stop("not installed: ", toString(missing))
  }
  testthat::skip_if(length(missing) > 0, paste("not installed:", toString(missing)))
}

skip_without_namespaces <- function() {
  testthat::skip_if_not(Sys.info()[["effective_user"]] == "root", "network namespaces need root")
  works <- suppressWarnings(system2("unshare", c("--net", "true"), stdout = FALSE, stderr = FALSE))
  testthat::skip_if_not(identical(works, 0L), "there are no network namespaces here")
}

# A network of its own with nothing but a loopback: the process that keeps it.
start_network <- function(frame = parent.frame()) {
  network <- start_program(
    "unshare", c("--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"),
    frame = frame
  )
  stopifnot(eventually(says(network, "up")))
  network
}

shell <- function(program, ...) {
  said <- system2(program, c(...), stdout = TRUE, stderr = TRUE)
  if (!is.null(attr(said, "status"))) {
    stop(paste(c(program, said), collapse = "\n"))
  }
}

# Keys and configurations of sshd and ssh, and a program `ssh` that uses them. Who logs in has
# the environment of a test.
new_ssh <- function() {
  folder <- tempfile("ssh-")
  dir.create(folder, mode = "0700")
  place <- function(name) file.path(folder, name)
  for (key in c("host", "user")) {
    shell("ssh-keygen", "-q", "-t ed25519", "-N ''", "-f", shQuote(place(key)))
  }
  file.copy(place("user.pub"), place("authorized"))
  own <- c("CROSSDOCK_STATE", "CROSSDOCK_TEST_RUN", "XDG_RUNTIME_DIR")
  set <- Sys.getenv(own, names = TRUE)
  set <- c(r_environment(sprintf("%s=%s", own, set)[nzchar(set)]), paste0("TMPDIR=", tempdir()))
  writeLines(c(
    paste("HostKey", place("host")), paste("AuthorizedKeysFile", place("authorized")),
    "PasswordAuthentication no", "UsePAM no", "StrictModes no", "PidFile none",
    paste("SetEnv", paste(set, collapse = " "))
  ), place("sshd_config"))
  writeLines(c(
    paste("IdentityFile", place("user")), "IdentitiesOnly yes", "BatchMode yes",
    paste("UserKnownHostsFile", place("known")), "HostKeyAlias testhost"
  ), place("ssh_config"))
  writeLines(paste("testhost", readLines(place("host.pub"))), place("known"))
  writeLines(c("#!/bin/sh", sprintf("exec ssh -F %s \"$@\"", place("ssh_config"))), place("ssh"))
  Sys.chmod(place("ssh"), "0700")
  list(program = place("ssh"), sshd_config = place("sshd_config"))
}

# sshd wants its absolute name, and as root a directory of its own.
sshd <- function(frame = parent.frame()) {
  if (Sys.info()[["effective_user"]] == "root" && !dir.exists("/run/sshd")) {
    dir.create("/run/sshd", mode = "0755")
    at_end(unlink("/run/sshd", recursive = TRUE), frame)
  }
  unname(Sys.which("sshd"))
}

# An sshd on a port of the loopback address.
start_sshd <- function(ssh, frame = parent.frame()) {
  program <- sshd(frame)
  for (attempt in 1:5) {
    port <- 20000L + (Sys.getpid() * 7L + attempt * 997L) %% 12000L
    options <- c("-D", "-e", "-f", ssh$sshd_config, "-o", "ListenAddress=127.0.0.1", "-p", port)
    server <- start_program(program, options, frame = frame)
    if (eventually(says(server, "Server listening") || !is_alive(server$pid), 10) &&
      is_alive(server$pid)) {
      server$url <- sprintf("ssh://%s@127.0.0.1:%d", Sys.info()[["effective_user"]], port)
      return(server)
    }
  }
  stop(paste(output_of(server), collapse = "\n"))
}
