# Sessions that listen on tcp: their broker is a process of its own, so that a computation of
# this session never keeps it from answering, and nothing from the network is read in here.

# Seconds that it gets to say goodbye to everybody.
broker_grace <- 3

# Start it and wait until it listens: list(group, folder, local, url,
# key, ports).
start_broker <- function(url) {
  the$groups <- group <- the$groups + 1L
  local <- local_url()
  folder <- dirname(sub("^ipc://", "", local))
  report <- file.path(folder, "report")
  arguments <- toString(vapply(c(local, url, report), deparse1, ""))
  call <- sprintf("crossdock:::broker_process(%s)", arguments)
  command <- c(rscript_program(), "--vanilla", "-e", call)
  environment <- c(child_environment(), "CROSSDOCK_SERVER_KEY") # it has its own
  .Call(C_rxd_launch, group, command, environment, "", "", "0", 1L)
  ready <- FALSE
  on.exit(if (!ready) stop_broker(list(group = group, folder = folder)))
  lines <- wait_report(report, group)
  ready <- TRUE
  list(
    group = group, folder = folder, local = local, url = lines[[2L]], key = lines[[3L]],
    ports = as.integer(lines[4:6])
  )
}

stop_broker <- function(broker) {
  stop_local(broker$group, broker_grace)
  unlink(broker$folder, recursive = TRUE)
}

# Lines of a file that the process writes when it listens, or cannot.
wait_report <- function(report, group) {
  while (!file.exists(report)) {
    ended <- tryCatch(check_launched(group, "the broker's process"), error = identity)
    if (inherits(ended, "error") && !file.exists(report)) {
      stop(ended)
    }
    Sys.sleep(0.005)
  }
  lines <- readLines(report, encoding = "UTF-8")
  if (lines[[1L]] != "ready") {
    stop_crossdock(lines[[1L]], paste("cannot start a broker:", lines[[2L]]))
  }
  lines
}

# What that process runs, until it is told to end or its session is gone. It says once how it
# went: started again in the place of one that crashed, it leaves, since the tasks are lost.
broker_process <- function(local, url, report) {
  if (!file.exists(report)) {
    life <- as.integer(Sys.getenv("CROSSDOCK_LIFE_FD"))
    .Call(C_rxd_broker_run, local, url, report, life)
  }
  invisible()
}
