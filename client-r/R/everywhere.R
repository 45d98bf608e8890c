#' Evaluate an expression on every daemon
#'
#' Sets daemons up: loads packages, opens connections, makes objects. The expression runs once
#' on each daemon of the profile, as a barrier: it waits for the tasks before it to be
#' taken, and tasks after it wait until all daemons are through with it. What it leaves
#' behind (objects, packages, options) stays. It takes none of the arguments in [task_options].
#'
#' @inheritParams mirai
#' @param .min wait until at least so many daemons are connected.
#' @param .persist `TRUE`: daemons that join the profile later run it, too, before the first task
#'   that they get from this session; also those that take the place of one that crashed.
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
everywhere <- function(
  .expr,
  ...,
  .args = list(),
  .min = 1L,
  .compute = NULL,
  .serial = NULL,
  .persist = FALSE
) {
  if (missing(.expr)) {
    stop("missing expression, perhaps wrap in {}?")
  }
  check_no_options(names(list(...)))
  require_daemons(.compute, environment())
  profile <- find_profile(.compute)
  expr <- task_expression(substitute(.expr), parent.frame())
  globals <- if (...length()) task_globals(...)
  if (!is.null(.serial)) {
    profile$serial <- serial_check(.serial, ".serial")
  }
  check_flag(.persist, ".persist")
  if (!is_number(.min)) {
    stop_option(".min", "a number of daemons", .min)
  }
  args <- task_args(.args)
  if (is_sync(profile)) {
    body <- task_body(expr, args, globals)
    tasks <- list(submit_sync(profile, body, NULL, everywhere = TRUE))
    return(invisible(structure(tasks, class = map_class)))
  }
  parts <- max(1L, as.integer(.min), as.integer(profile_counts(profile)[["r_workers"]]))
  body <- task_body(expr, args, globals)
  if (.persist) {
    body <- task_body(package_call("persistent_value"), list(id = keep_setup(profile, body)), NULL)
  }
  tasks <- .Call(C_rxd_submit, current_route(profile), body, NULL, parts, NULL)
  profile$last <- tasks
  invisible(structure(tasks, class = map_class))
}

# Each daemon runs it at once and as a barrier: there is nothing that a task may ask for. Taken for
# an object of the daemons, an option would be lost without a word.
check_no_options <- function(names, call = sys.call(-1L)) {
  options <- c(option_names, ".timeout", ".finally")
  wrong <- intersect(names, options)
  if (length(wrong)) {
    stop_argument(
      "everywhere() takes no `%s`: it runs on each daemon at once, as a barrier", wrong[[1L]],
      call = call
    )
  }
}

# A call of a function of ours on a daemon, with an argument that the task has.
package_call <- function(name, argument = "id") {
  function_call <- call(":::", as.name("crossdock"), as.name(name))
  as.call(c(function_call, if (!is.null(argument)) as.name(argument)))
}

# ---- setup that stays: it travels with the serial configuration, see new_route() ----

# Into the profile's; its id.
keep_setup <- function(profile, body) {
  config <- current_route(profile)[[3L]]
  the$setups <- the$setups + 1L
  id <- paste0(basename(tempdir()), "-", the$setups)
  entry <- list(id, .Call(C_rxd_frames_of, body, config, "client"))
  profile$persist <- c(profile$persist, list(entry))
  profile$route <- NULL
  id
}

# On a daemon, once for each: list(id, frames).
run_setup <- function(entry, config) {
  id <- entry[[1L]]
  if (!is.null(the$persistent[[id]])) {
    return(invisible())
  }
  before <- the$task
  on.exit(the$task <- before)
  the$persistent[[id]] <- tryCatch(
    {
      what <- .Call(C_rxd_value_of, entry[[2L]], config, "worker")
      the$task <- list(FALSE, TRUE, config, what, 0L)
      task_expression <- what[[1L]]
      task_environment <- make_environment(what)
      list(eval(task_expression, task_environment, .GlobalEnv))
    },
    error = identity
  )
  the$has_new_setup <- TRUE # what it left behind stays
}

# What it gave; for the task of everywhere() itself. An error is one again.
persistent_value <- function(id) {
  value <- the$persistent[[id]]
  if (inherits(value, "condition")) {
    stop(value)
  }
  value[[1L]]
}
