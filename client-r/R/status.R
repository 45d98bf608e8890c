# Named doubles: workers, r_workers, joined, queued, leased, ended, of everybody who uses the
# profile, since this session does.
profile_counts <- function(profile) {
  counts <- .Call(C_rxd_profile_count, profile$pointer)
  if (!is.null(profile$base)) {
    since <- c(3L, 6L)
    counts[since] <- pmax(counts[since] - profile$base[since], 0)
  }
  names(counts) <- c("workers", "r_workers", "joined", "queued", "leased", "ended")
  counts
}

#' Look at a compute profile
#'
#' @param .compute name of the compute profile, `NULL`: the current one; of `status()` also a
#'   cluster made by [make_cluster()].
#' @return `status()`: a list with `connections` (daemons connected), `daemons` (the address they
#'   connect to; `0L` when none are set), and with dispatcher `mirai`, the numbers of tasks
#'   awaiting, executing and completed, and `memory`, the megabytes of this session's tasks that
#'   wait, the most there ever were, and the budget of `daemons(memory = )` (`NA`: none). With a
#'   broker of its own (`daemons(broker = )`) a
#'   profile is shared: then the numbers count everybody's daemons and tasks, and `scope` says
#'   so. Where no daemon is connected since those that this session started cannot start,
#'   `fault` says why, with what one of them said last.
#'
#'   `info()`: connections, cumulative connections, and the same three numbers, as a named
#'   integer; `NULL` when no daemons are set; the last four `NA` without dispatcher.
#' @examples
#' status()
#' @export
status <- function(.compute = NULL) {
  if (inherits(.compute, "miraiCluster")) {
    return(cluster_status(.compute))
  }
  profile <- find_profile(.compute)
  if (is.null(profile)) {
    return(list(connections = 0L, daemons = 0L))
  }
  if (is_sync(profile)) {
    return(list(connections = 0L, daemons = profile$url))
  }
  counts <- profile_counts(profile)
  out <- list(connections = as.integer(counts[["workers"]]), daemons = profile$url)
  if (profile$dispatcher) {
    out$mirai <- task_counts(counts)
    out$memory <- memory_status(profile, counts[["queued"]])
  }
  if (profile$address != "" && !is_own_broker(profile$address)) {
    out$scope <- "all sessions that use this profile of the broker"
  }
  .Call(C_rxd_starts_looked)
  fault <- profile_fault(profile)
  if (is.character(fault)) {
    out$fault <- fault
  }
  out
}

task_counts <- function(counts) {
  c(
    awaiting = as.integer(counts[["queued"]]),
    executing = as.integer(counts[["leased"]]),
    completed = as.integer(counts[["ended"]])
  )
}

#' @rdname status
#' @export
info <- function(.compute = NULL) {
  profile <- find_profile(.compute)
  if (is.null(profile)) {
    return(NULL)
  }
  if (is_sync(profile)) {
    counts <- c(connections = 0L, cumulative = 0L, awaiting = 0L, executing = 0L, completed = 0L)
    counts[-1L] <- NA_integer_
    return(counts)
  }
  counts <- profile_counts(profile)
  out <- c(
    connections = as.integer(counts[["workers"]]),
    cumulative = as.integer(counts[["joined"]]),
    task_counts(counts)
  )
  if (!profile$dispatcher) {
    out[-1L] <- NA_integer_
  }
  out
}

#' Are daemons set?
#'
#' `daemons_set()` asks; `require_daemons()` is an error when none are.
#'
#' @inheritParams mirai
#' @param call of the error.
#' @return `TRUE` or `FALSE`; `require_daemons()`: `TRUE`, invisibly.
#' @examples
#' daemons_set()
#' @export
daemons_set <- function(.compute = NULL) {
  !is.null(find_profile(.compute))
}

#' @rdname daemons_set
#' @export
require_daemons <- function(.compute = NULL, call = environment()) {
  if (daemons_set(.compute)) {
    return(invisible(TRUE))
  }
  name <- profile_name(.compute)
  is_usual <- is.null(.compute) && name == "default"
  where <- if (is_usual) "" else sprintf(" for the '%s' compute profile", name)
  extra <- if (is_usual) "" else sprintf(", .compute = \"%s\"", name)
  hint <- sprintf("Use e.g. `crossdock::daemons(6%s)` to set 6 local daemons.", extra)
  if (has_cli()) {
    cli::cli_abort(c("No daemons set{where}.", "{hint}"), call = call)
  }
  stop(sprintf("No daemons set%s.\n%s", where, hint), call. = FALSE)
}

#' Use a compute profile for a while
#'
#' @param .compute name of a profile that is set up.
#' @param expr evaluated with this profile as the current one.
#' @param frame until this frame ends.
#' @return `with_daemons()`: the value of `expr`. `local_daemons()`: nothing.
#' @examples
#' \donttest{
#' daemons(1, .compute = "gpu")
#' with_daemons("gpu", mirai(1)[])
#' daemons(0, .compute = "gpu")
#' }
#' @export
with_daemons <- function(.compute, expr) {
  require_daemons(.compute, environment())
  local_daemons(.compute)
  expr
}

#' @rdname with_daemons
#' @export
local_daemons <- function(.compute, frame = parent.frame()) {
  require_daemons(.compute, frame)
  before <- the$current
  the$current <- .compute
  restore <- substitute(f(n), list(f = function(n) the$current <- n, n = before))
  do.call(on.exit, list(restore, add = TRUE), envir = frame)
  invisible()
}

#' @export
with.crossdock_daemons <- function(data, expr, ...) {
  name <- utils::tail(class(data), 1L)
  on.exit(daemons(0, .compute = name))
  with_daemons(name, expr)
}
