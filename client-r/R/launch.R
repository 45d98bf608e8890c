# Local daemons: processes of this session, see supervise.c.

#' Launch local daemons
#'
#' Starts further local daemons for a profile that has been set up with [daemons()].
#'
#' @param n how many.
#' @param ... arguments for [daemon()], instead of those given to [daemons()]: logical and numeric
#'   ones, and `has`.
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
  check_many(n)
  launch_each(profile, as.integer(n), args)
  n
}

check_many <- function(n) {
  if (!is_number(n) || n < 0) {
    stop_option("n", "a number of daemons, zero or greater", n)
  }
}

# With a stream of random numbers for each, which it gives.
launch_each <- function(profile, n, args) {
  streams <- daemon_streams(profile, n)
  for (stream in streams) {
    launch(profile, 1L, add_args(args, stream_argument(stream)))
  }
  invisible(streams)
}

# Only logical and numeric ones go to daemon(), as text; and what tasks may need of it.
daemon_args <- function(..., has = NULL) {
  dots <- list(...)
  dots <- dots[vapply(dots, function(x) is.logical(x) || is.numeric(x), NA)]
  dots$has <- check_has(has)
  paste(sprintf("%s=%s", names(dots), vapply(dots, deparse1, "")), collapse = ",")
}

# Further arguments, as text.
add_args <- function(args, new) if (nzchar(args)) paste(args, new, sep = ",") else new

# What a local daemon runs, and its environment: the same libraries, temporary files where
# this session's end removes them even after a crash, no start file of R's own tests.
launch <- function(profile, n, args) {
  command <- c(rscript_program(), "-e", sprintf("crossdock::daemon(%s)", args))
  environment <- child_environment()
  if (!is.null(profile$tlscert)) {
    environment <- c(environment, paste0("CROSSDOCK_SERVER_KEY=", profile$tlscert))
  }
  owner <- .Call(C_rxd_session_number, profile$session)
  .Call(C_rxd_launch, profile$group, command, environment, profile$local, profile$place, owner, n)
  profile$is_told <- FALSE
  .Call(C_rxd_starts_expect, slow_start)
  if (grepl("(^|,)output=TRUE(,|$)", args)) {
    .Call(C_rxd_launched_echo, profile$group)
  }
}

rscript_program <- function() file.path(R.home("bin"), "Rscript")

child_environment <- function() {
  c(
    paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep)),
    paste0("TMPDIR=", tempdir()),
    "R_TESTS"
  )
}

# Start them and wait until all are connected. Gives their streams.
start_local <- function(profile, n) {
  before <- profile_counts(profile)[["workers"]]
  streams <- launch_each(profile, n, profile$args)
  wait_local(profile, before + n)
  streams
}

# Until so many daemons are connected.
wait_local <- function(profile, n) {
  began <- told <- proc.time()[[3L]]
  repeat {
    connected <- profile_counts(profile)[["workers"]]
    if (connected >= n) {
      return(invisible())
    }
    check_launched(profile$group)
    now <- proc.time()[[3L]]
    if (now - told >= slow_start) {
      told <- now
      profile$is_told <- TRUE
      tell_slow_start(connected, n, now - began, .Call(C_rxd_launched, profile$group))
    }
    Sys.sleep(0.005)
  }
}

# ---- those that cannot start ----

# So many crashes in a row, and it will not do better.
hopeless_after <- 3L
# Seconds after which it is said that nobody has come.
slow_start <- 10

last_lines <- function(found, intro) {
  if (nzchar(found$tail)) paste0(intro, "\n", found$tail) else ""
}

tell_slow_start <- function(connected, n, seconds, found) {
  message(sprintf(
    "crossdock: %d of %d daemons have connected within %.0f seconds%s", as.integer(connected),
    as.integer(n), seconds, last_lines(found, "; one said last:")
  ))
}

start_text <- function(found, what = "a daemon") {
  paste0(what, " could not start: ", found$reason, last_lines(found, "; its last lines:"))
}

# An error with the last words of a process that could not start, or crashes again and again.
check_launched <- function(group, what = "a daemon") {
  found <- .Call(C_rxd_launched, group)
  if (found$over > 0L || found$crashes >= hopeless_after) {
    stop_crossdock("system", start_text(found, what))
  }
}

# The value of tasks that wait for such.
start_error <- function(text) {
  error <- plain_error(text)
  attr(error, "condition.class") <- c(
    "crossdock_error_system", "crossdock_error", "error", "condition"
  )
  error
}

# Why no daemon serves the profile, although this session has started some: a text. NULL: one
# does, or may still come; NA: it has only just ended, and the broker may not know.
start_fault <- function(profile) {
  found <- .Call(C_rxd_launched, profile$group)
  if (found$ends == 0L || found$alive > 0L && found$fewest < hopeless_after) {
    return(NULL)
  }
  counts <- profile_counts(profile)
  failed <- found$ends - counts[["joined"]] # who has joined could start
  many <- if (found$alive > 0L) hopeless_after else 1L
  if (failed < many) {
    NULL
  } else if (counts[["workers"]] == 0) {
    start_text(found)
  } else if (found$since < 3) {
    NA
  }
}

# Called from C after processes of this session have ended: tasks that nobody will take end
# here, with the reason. TRUE: some did; NA: not to be told yet.
look_at_starts <- function() {
  found <- FALSE
  for (profile in c(the$profiles, the$ephemeral)) {
    fault <- if (!is_sync(profile)) tryCatch(profile_fault(profile), error = function(e) NULL)
    if (is.character(fault)) {
      .Call(C_rxd_profile_fail, profile$pointer, fault)
      found <- TRUE
    } else if (!is.null(fault) && !found) {
      found <- NA
    }
  }
  found
}

# The same of local daemons and of those that were launched elsewhere: a fault is that of both.
profile_fault <- function(profile) {
  fault <- start_fault(profile)
  if (!length(profile$launches)) {
    return(fault)
  }
  elsewhere <- launch_fault(profile)
  has_local <- .Call(C_rxd_launched, profile$group)$alive > 0L
  if (is.character(elsewhere) && (!has_local || is.character(fault))) elsewhere
}

# Called from C at a time that rxd_starts_expect() has set: says once of each profile that its
# daemons take their time to start.
tell_slow_starts <- function() {
  next_look <- Inf
  for (profile in c(the$profiles, the$ephemeral)) {
    if (!is_sync(profile)) {
      seconds <- tryCatch(tell_slow_profile(profile), crossdock_error = function(e) Inf)
      next_look <- min(next_look, seconds)
    }
  }
  if (is.finite(next_look)) {
    .Call(C_rxd_starts_expect, next_look)
  }
}

# In how many seconds to look again; Inf: not at all.
tell_slow_profile <- function(profile) {
  next_look <- tell_launches(profile)
  found <- .Call(C_rxd_launched, profile$group)
  if (isFALSE(profile$is_told) && found$alive > 0L && profile_counts(profile)[["joined"]] == 0) {
    if (found$age < slow_start) {
      return(min(next_look, slow_start - found$age))
    }
    profile$is_told <- TRUE
    tell_slow_start(0L, found$alive, found$age, found)
  }
  next_look
}

# Asked to end, then killed after `grace` seconds; waits for their end.
stop_local <- function(group, grace = 1) {
  left <- .Call(C_rxd_launched_stop, group, grace)
  while (left > 0L) {
    Sys.sleep(0.002)
    left <- .Call(C_rxd_launched_stop, group, NA_real_)
  }
}
