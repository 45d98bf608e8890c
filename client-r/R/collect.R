#' Wait for tasks and collect their values
#'
#' `collect_mirai()` waits for a task, or all of a list, and returns the values; `m[]` is
#' the same. `call_mirai()` waits and returns the task itself. Waiting can be interrupted;
#' the tasks go on.
#'
#' A task belongs to the R process that made it. Saved to a file and restored, or sent to another
#' process, a task whose value was collected before still has it; any other is *detached*: its
#' value is an `errorValue` 7 which says so.
#'
#' @param x a task made by [mirai()], or a list of such, or a [mirai_map()].
#' @param options of a map, see [mirai_map()]: a character vector of `".flat"`,
#'   `".progress"` and `".stop"`, or a named list.
#' @return `collect_mirai()`: the value, or a list of values. `call_mirai()`: `x`, invisibly.
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai(1 + 1)
#' collect_mirai(m)
#' call_mirai(m)$data
#' daemons(0)
#' }
#' @export
collect_mirai <- function(x, options = NULL) {
  if (length(options) && !is_mirai(x)) {
    return(collect_map(x, map_options(options)))
  }
  if (length(the$listeners)) wait_telling(x)
  .Call(C_rxd_task_collect, x)
}

#' @rdname collect_mirai
#' @export
call_mirai <- function(x) {
  if (length(the$listeners)) wait_telling(x)
  invisible(.Call(C_rxd_task_wait, x))
}

#' Has a task not ended yet?
#'
#' @param x a task, its `$data`, or a list of tasks.
#' @return `TRUE` or `FALSE`; for a list `TRUE` while any has not ended; `FALSE` for anything
#'   else.
#' @examples
#' unresolved(1)
#' @export
unresolved <- function(x) {
  .Call(C_rxd_task_unresolved, x)
}

#' Wait for the first of several tasks
#'
#' @param x a list of tasks.
#' @inheritParams mirai
#' @param timeout wait at most so many milliseconds; `NULL`: as long as it takes.
#' @return The index of the first that has ended, invisibly; 0 for an empty list, and when none
#'   has ended in time.
#' @examples
#' \donttest{
#' daemons(2)
#' m <- list(mirai(Sys.sleep(1)), mirai(1))
#' race_mirai(m)
#' daemons(0)
#' }
#' @export
race_mirai <- function(x, .compute = NULL, timeout = NULL) {
  get_profile(.compute)
  if (!is.null(timeout) && (!is.numeric(timeout) || length(timeout) != 1L || is.na(timeout))) {
    stop_argument("`timeout` must be a number of milliseconds or NULL, not %s", deparse1(timeout))
  }
  tasks <- if (is_mirai(x)) list(x) else if (is.list(x)) x else list()
  invisible(.Call(C_rxd_task_race, tasks, if (is.null(timeout)) Inf else timeout / 1000))
}

#' Cancel tasks
#'
#' A waiting task never runs; a running one is interrupted, and its daemon is ended and
#' replaced when it does not stop within three seconds. Each resolves to `errorValue` 20 at once.
#'
#' @param x a task, or a list of tasks.
#' @return `TRUE` where the task had not ended (always `FALSE` for profiles without
#'   dispatcher), invisibly.
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai(Sys.sleep(10))
#' stop_mirai(m)
#' m$data
#' daemons(0)
#' }
#' @export
stop_mirai <- function(x) {
  invisible(.Call(C_rxd_task_stop, x))
}

#' @export
`[.crossdock_task` <- function(x, ...) {
  collect_mirai(x)
}

#' @export
`$<-.crossdock_task` <- function(x, name, value) x # `data` cannot be set

#' @export
print.crossdock_task <- function(x, ...) {
  if (.Call(C_rxd_task_is_detached, x)) {
    cat("< mirai [detached] >\n")
  } else {
    cat(if (unresolved(x)) "< mirai [] >\n" else "< mirai [$data] >\n")
  }
  invisible(x)
}

#' @export
print.crossdock_unresolved <- function(x, ...) {
  cat("'unresolved' logi NA\n")
  invisible(x)
}

#' Is it a task, a map, an error?
#'
#' @param x any object.
#' @return `TRUE` or `FALSE`. `is_error_value()` is true for errors, interrupts and codes
#'   alike.
#' @examples
#' is_mirai(1)
#' @name is_mirai
NULL

#' @rdname is_mirai
#' @export
is_mirai <- function(x) inherits(x, "mirai")

#' @rdname is_mirai
#' @export
is_mirai_map <- function(x) inherits(x, "mirai_map")

#' @rdname is_mirai
#' @export
is_mirai_error <- function(x) inherits(x, "miraiError")

#' @rdname is_mirai
#' @export
is_mirai_interrupt <- function(x) inherits(x, "miraiInterrupt")

#' @rdname is_mirai
#' @export
is_error_value <- function(x) inherits(x, "errorValue")
