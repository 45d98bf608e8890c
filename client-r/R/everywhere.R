#' Evaluate an expression on every daemon
#'
#' Sets daemons up: loads packages, opens connections, makes objects. The expression runs once
#' on each daemon of the profile, as a barrier: it waits for the tasks before it to be
#' taken, and tasks after it wait until all daemons are through with it. What it leaves
#' behind (objects, packages, options) stays.
#'
#' @inheritParams mirai
#' @param .min wait until at least so many daemons are connected.
#' @param .serial a configuration made by [serial_config()], for this and all later tasks of
#'   the profile (the older form of `daemons(serial = )`).
#' @return A [mirai_map()] with one task for each daemon, invisibly.
#' @examples
#' \donttest{
#' daemons(2)
#' everywhere(y <<- 3)
#' mirai(y)[]
#' daemons(0)
#' }
#' @export
everywhere <- function(.expr, ..., .args = list(), .min = 1L, .compute = NULL, .serial = NULL) {
  if (missing(.expr)) {
    stop("missing expression, perhaps wrap in {}?")
  }
  require_daemons(.compute, environment())
  profile <- find_profile(.compute)
  expr <- task_expression(substitute(.expr), parent.frame())
  globals <- if (...length()) task_globals(...)
  if (!is.null(.serial)) {
    profile$serial <- serial_check(.serial, ".serial")
  }
  if (is_sync(profile)) {
    body <- task_body(expr, task_args(.args), globals)
    tasks <- list(submit_sync(profile, body, NULL, everywhere = TRUE))
    return(invisible(structure(tasks, class = map_class)))
  }
  parts <- max(1L, as.integer(.min), as.integer(profile_counts(profile)[["r_workers"]]))
  body <- task_body(expr, task_args(.args), globals)
  tasks <- .Call(C_rxd_submit, current_route(profile), body, NULL, parts)
  profile$last <- tasks
  invisible(structure(tasks, class = map_class))
}
