# SPDX-License-Identifier: MIT
# Looking at tasks: all of a profile, or why one waits.

#' Look at the tasks of this session
#'
#' `tasks()` lists the tasks that this session made in a profile: those that are open as the broker
#' sees them now, and those that have ended. Of all profiles together the last 10,000 that ended
#' are remembered; those of a profile until `daemons(0)`. A task whose object was dropped before
#' it ended is not in the list, nor are tasks of synchronous profiles.
#'
#' @param .compute name of the compute profile, `NULL`: the current one.
#' @return A data frame, in the order of submission:
#'   * `id`: 32 hexadecimal digits, as `crossdock explain` takes them;
#'   * `state`: `"unsent"` (on its way to the broker), `"queued"`, `"delayed"`, `"waiting"` (for
#'     tasks it comes after), `"held"` (at a daemon, behind others), `"running"`, `"cancelling"`,
#'     `"quarantine"` (see [kick_tasks()]), `"ended"` (its outcome is on its way here); after that
#'     `"done"`, `"failed"`, `"lost"`, `"cancelled"`, `"expired"`, `"rejected"`, `"broker_gone"`;
#'   * `class`: what its run time is learned by, see [task_options];
#'   * `profile`;
#'   * `worker`: the daemon that has it, or had it last, for `.worker` of [mirai()];
#'   * `submitted`, `started`, `ended`: times;
#'   * `run`: seconds of its last run, once it has ended;
#'   * `bytes_in`, `bytes_out`: of what was sent along, and of its result;
#'   * `attempt`: the number of its run, 1 unless it was repeated.
#'
#'   `NA` where something is not known, or not yet.
#' @seealso [explain()], [status()]
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai_map(1:3, sqrt)
#' m[]
#' tasks()[c("state", "class", "run", "attempt")]
#' daemons(0)
#' }
#' @export
tasks <- function(.compute = NULL) {
  name <- profile_name(.compute)
  profile <- the$profiles[[name]]
  columns <- if (is.null(profile) || is_sync(profile)) {
    c(rep(list(character()), 4L), rep(list(double()), 6L), rep(list(integer()), 2L))
  } else {
    .Call(C_rxd_profile_tasks, profile$pointer)
  }
  names(columns) <- c(
    "id", "state", "class", "worker", "submitted", "started", "ended", "run", "bytes_in",
    "bytes_out", "attempt", "number"
  )
  columns[5:7] <- lapply(columns[5:7], as.POSIXct, origin = "1970-01-01")
  columns$profile <- rep(name, length(columns$id))
  table <- as.data.frame(columns, stringsAsFactors = FALSE)[order(columns$number), ]
  row.names(table) <- NULL
  table[c(
    "id", "state", "class", "profile", "worker", "submitted", "started", "ended", "run",
    "bytes_in", "bytes_out", "attempt"
  )]
}

#' Why does a task wait?
#'
#' Asks the broker where a task is and what it waits for.
#'
#' @param x a task.
#' @param ... ignored.
#' @return A list of class `crossdock_explanation`, which prints in words: `id`, `state` (as in
#'   [tasks()]), `reason` (what it waits for; `""` when it does not), `worker` (that has it, or that
#'   it waits for), `ahead` (tasks of its kind before it), `workers` (that could run it),
#'   `predicted` (its run time), `attempts` and `deaths` (runs that are to be repeated; those of
#'   them that ended with a lost daemon), `starts` (about when); times in seconds, `NA` where
#'   nothing is known. Of a task that has ended only the first two.
#' @seealso [tasks()], [profile_options()]
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai(1, .needs = "gpu>=1")
#' explain(m)
#' stop_mirai(m)
#' daemons(0)
#' }
#' @export
explain <- function(x, ...) {
  UseMethod("explain")
}

#' @export
explain.default <- function(x, ...) {
  stop_argument("`x` must be a task, not an object of class <%s>", class(x)[[1L]])
}

#' @export
explain.crossdock_task <- function(x, ...) {
  known <- .Call(C_rxd_task_explain, x)
  if (is.null(known)) {
    known <- list(NA_character_, if (.Call(C_rxd_task_is_detached, x)) "detached" else "ended")
  }
  names <- c(
    "id", "state", "reason", "worker", "ahead", "workers", "predicted", "attempts", "deaths",
    "starts"
  )
  names(known) <- names[seq_along(known)]
  structure(known, class = "crossdock_explanation")
}

#' @export
print.crossdock_explanation <- function(x, ...) {
  cat(explanation_text(x), sep = "\n")
  invisible(x)
}

# A line for each thing that there is to say.
explanation_text <- function(x) {
  count <- function(n, one, many = paste0(one, "s")) {
    sprintf("%s %s", format(n, big.mark = ",", scientific = FALSE), if (n == 1) one else many)
  }
  has <- function(name) length(x[[name]]) > 0L && !is.na(x[[name]]) && x[[name]] != 0
  about <- function(seconds) {
    if (seconds < 0.0995) sprintf("%.2g ms", 1000 * seconds) else sprintf("%.3g s", seconds)
  }
  name <- if (is.na(x$id)) "task" else paste("task", x$id)
  reason <- if (length(x$reason) && nzchar(x$reason)) paste(":", x$reason)
  c(
    paste0(name, ": ", x$state, sub("^: ", ": ", paste(reason, collapse = ""))),
    if (has("ahead")) paste0("  before it: ", count(x$ahead, "task"), " of its kind"),
    if (length(x$workers)) paste0("  could run on: ", count(x$workers, "daemon")),
    if (has("worker")) paste0("  daemon: ", x$worker),
    if (has("predicted")) paste0("  predicted run time: ", about(x$predicted)),
    if (has("attempts")) {
      paste0("  repeated after: ", count(x$attempts, "run"), ", ", count(x$deaths, "lost daemon"))
    },
    if (length(x$starts) && !is.na(x$starts)) paste0("  starts in about: ", about(x$starts))
  )
}
