# Local daemons: processes of this session, see supervise.c.

#' Launch local daemons
#'
#' Starts further local daemons for a profile that has been set up with [daemons()].
#'
#' @param n how many.
#' @param ... arguments for [daemon()], instead of those given to [daemons()].
#' @inheritParams daemons
#' @return `n`.
#' @examples
#' \donttest{
#' daemons(url = local_url())
#' launch_local(1)
#' mirai(Sys.getpid())[]
#' daemons(0)
#' }
#' @export
launch_local <- function(n = 1L, ..., .compute = NULL) {
  profile <- get_profile(.compute)
  check_not_sync(profile)
  args <- if (...length()) daemon_args(...) else profile$args
  launch_each(profile, as.integer(check_count(n)), args)
  n
}

# With a stream of random numbers for each.
launch_each <- function(profile, n, args) {
  for (stream in daemon_streams(profile, n)) {
    launch(profile, 1L, add_args(args, stream_argument(stream)))
  }
}

# Only logical and numeric ones go to daemon(), as text.
daemon_args <- function(...) {
  dots <- list(...)
  dots <- dots[vapply(dots, function(x) is.logical(x) || is.numeric(x), NA)]
  paste(sprintf("%s=%s", names(dots), vapply(dots, deparse1, "")), collapse = ",")
}

# Further arguments, as text.
add_args <- function(args, new) if (nzchar(args)) paste(args, new, sep = ",") else new

# What a local daemon runs, and its environment: the same libraries, temporary files where
# this session's end removes them even after a crash, no start file of R's own tests.
launch <- function(profile, n, args) {
  rscript <- file.path(R.home("bin"), "Rscript")
  command <- c(rscript, "-e", sprintf("crossdock::daemon(%s)", args))
  environment <- child_environment()
  if (!is.null(profile$tlscert)) {
    environment <- c(environment, paste0("CROSSDOCK_SERVER_KEY=", profile$tlscert))
  }
  owner <- .Call(C_rxd_session_number, profile$session)
  .Call(C_rxd_launch, profile$group, command, environment, profile$local, profile$place, owner, n)
  if (grepl("(^|,)output=TRUE(,|$)", args)) {
    .Call(C_rxd_launched_echo, profile$group)
  }
}

child_environment <- function() {
  c(
    paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep)),
    paste0("TMPDIR=", tempdir()),
    "R_TESTS"
  )
}

# Start them and wait until all are connected.
start_local <- function(profile, n) {
  before <- profile_counts(profile)[["workers"]]
  launch(profile, n, profile$args)
  wait_local(profile, before + n)
}

# Until so many daemons are connected.
wait_local <- function(profile, n) {
  repeat {
    if (profile_counts(profile)[["workers"]] >= n) {
      return(invisible())
    }
    check_launched(profile$group)
    Sys.sleep(0.005)
  }
}

# An error with the last words of a process that could not start, or crashes again and again.
check_launched <- function(group, what = "a daemon") {
  found <- .Call(C_rxd_launched, group)
  if (found[[2L]] > 0L || found[[5L]] >= 3L) {
    tail <- if (nzchar(found[[4L]])) paste0("; its last lines:\n", found[[4L]]) else ""
    stop_crossdock("system", paste0(what, " could not start: ", found[[3L]], tail))
  }
}

# Asked to end, then killed after `grace` seconds; waits for their end.
stop_local <- function(group, grace = 1) {
  left <- .Call(C_rxd_launched_stop, group, grace)
  while (left > 0L) {
    Sys.sleep(0.002)
    left <- .Call(C_rxd_launched_stop, group, NA_real_)
  }
}
