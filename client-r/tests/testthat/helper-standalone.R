# SPDX-License-Identifier: MIT
# The programs of the tree: tests/run says where they are, in the environment.

skip_without_programs <- function() {
  for (name in c("BROKER", "WORKER")) {
    variable <- paste0("CROSSDOCK_", name, "_PROGRAM")
    testthat::skip_if_not(nzchar(Sys.getenv(variable)), paste(variable, "names no program"))
  }
}

# A broker of its own process: the process, with its address.
start_broker <- function(url = local_url(), frame = parent.frame()) {
  broker <- start_program(Sys.getenv("CROSSDOCK_BROKER_PROGRAM"), c("-q", "-l", url), frame = frame)
  if (!eventually(says(broker, "ready address="))) {
    stop(paste(output_of(broker), collapse = "\n"))
  }
  ready <- grep("ready address=", output_of(broker), value = TRUE)
  broker$url <- sub(".*ready address=([^ ]*).*", "\\1", ready)
  broker
}

# One on tcp whose first port is followed by somebody else's.
start_cramped_broker <- function(frame = parent.frame()) {
  for (attempt in 1:5) {
    port <- url_port(start_broker("tcp://127.0.0.1:0", frame)$url)
    url <- sprintf("tcp://127.0.0.1:%d", port - 1L)
    broker <- tryCatch(start_broker(url, frame), error = identity) # that one may be taken, too
    if (!inherits(broker, "error")) {
      return(broker)
    }
  }
  stop(broker)
}

url_port <- function(url) as.integer(sub(".*:", "", url))

# crossdock-worker with R daemons, or with the options for another kind.
start_worker <- function(
  url, profile, slots = 1, code = "crossdock::daemon()",
  args = c("--", rscript(), "-e", code), env = character(), frame = parent.frame()
) {
  options <- c("--url", url, "--profile", profile, "--slots", slots, "--grace", 2)
  program <- Sys.getenv("CROSSDOCK_WORKER_PROGRAM")
  start_program(program, c(options, args), r_environment(env), frame)
}

has_workers <- function(profile, n) eventually(connections(profile) == n)
