#' Evaluate an expression on a daemon
#'
#' Sends an expression to a daemon and returns at once an object that will hold its value.
#'
#' The expression is evaluated in a new environment made from `.args`, whose parent is the
#' daemon's global environment. Objects in `...` are assigned to that global environment
#' first, so that functions sent along find each other there. Nothing else of the calling
#' environment is visible.
#'
#' A task always ends in exactly one outcome. It is the value of the expression, or
#' * an error of class `miraiError`, when the expression fails;
#' * an `errorValue`, an integer: 5 timed out, 7 the broker is gone, 19 the daemon was lost
#'   (it crashed, or `daemons(0)` was called), 20 cancelled by [stop_mirai()].
#'
#' When, where, in which order and how often a task runs is what the arguments from `.priority` on
#' are for, see [task_options]; without them, it waits for the next daemon that is free.
#'
#' Objects that R cannot serialize travel by the serial configuration of the profile, see
#' [serial_config()].
#'
#' Where no daemons were set up, each task starts an R process of its own, which ends after
#' it.
#'
#' @param .expr an expression, often in braces; or the name of a variable that holds one.
#' @param ... named objects that the expression needs, or one environment with them.
#' @param .args a named list, or an environment, of further objects, visible to the
#'   expression only.
#' @param .timeout in milliseconds, counted from the arrival at the broker; the task then
#'   ends as `errorValue` 5 and is interrupted. `NULL`: none.
#' @param .compute name of the compute profile; `NULL`: the current one, see
#'   [with_daemons()], usually `"default"`.
#' @param .finally an expression that the daemon evaluates once the outcome has been sent,
#'   whatever that was: for cleaning up where nobody should wait for it. It sees what the
#'   expression saw and made.
#' @param .priority `"interactive"`, `"normal"`, or `"batch"`; `NULL`: normal.
#' @param .class what the run time is learned by, a string; `NULL`: the name of the function that
#'   is called; `""`: none.
#' @param .estimate how long the task will probably run.
#' @param .delay the task does not begin before.
#' @param .deadline it begins before, or not at all.
#' @param .limit of one run.
#' @param .retries how often it is repeated: `c(error = 0, lost = 0)`, or one number for both; at
#'   most 1000.
#' @param .backoff the wait before it is repeated for the first time.
#' @param .replace,.dedupe keys: strings of at most 255 bytes.
#' @param .needs what its daemon must have: a string, or several.
#' @param .worker the daemon it should go to, a string.
#' @param .after tasks that it comes after, at most 32: a list, or a single one.
#' @param .rank in a profile with policy `"priority"`: the greater goes first; from -32768 to
#'   32767.
#' @section Memory:
#' In a profile with a budget (`daemons(memory = )`) `mirai()` waits while tasks that fill it
#' have not been begun by a daemon; the waiting can be interrupted. `try_mirai()` never waits: it
#' gives `NULL` instead of a task. Inside a callback of later, as in promises and Shiny, `mirai()`
#' does not wait either: it is an error there, of class `crossdock_error_busy`.
#'
#' @return A task, invisibly: an environment of class `mirai`. `m[]` waits for its value;
#'   `m$data` is the value, or an [unresolved()] one, and never waits.
#' @seealso [daemons()], [mirai_map()], [everywhere()], [call_task()]
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai(x + y, x = 1, y = 2)
#' m[]
#' m <- mirai(stop("no"))
#' m[]
#' daemons(0)
#' }
#' @export
mirai <- function(
  .expr,
  ...,
  .args = list(),
  .timeout = NULL,
  .compute = NULL,
  .finally = NULL,
  .priority = NULL,
  .class = NULL,
  .estimate = NULL,
  .delay = NULL,
  .deadline = NULL,
  .limit = NULL,
  .retries = NULL,
  .backoff = NULL,
  .replace = NULL,
  .dedupe = NULL,
  .needs = NULL,
  .worker = NULL,
  .after = NULL,
  .rank = NULL
) {
  if (missing(.expr)) {
    stop("missing expression, perhaps wrap in {}?")
  }
  expr <- task_expression(substitute(.expr), parent.frame())
  globals <- if (...length()) task_globals(...)
  args <- if (missing(.args)) list() else task_args(.args)
  if (!is.null(.timeout)) {
    .timeout <- check_timeout(.timeout)
  }
  finally <- if (!missing(.finally)) task_expression(substitute(.finally), parent.frame())
  options <- NULL
  usual <- 1L + ...length()
  if (nargs() > usual) { # the many tasks that ask for nothing do not pay for those that do
    usual <- usual + !missing(.args) + !missing(.timeout) + !missing(.compute) +
      !missing(.finally)
    if (nargs() > usual) {
      options <- task_options(environment(), .Call(C_rxd_task_class, expr))
      check_after_names(options, args)
    }
  }
  profile <- task_profile(.compute)
  if (!is.null(profile$memory)) {
    wait_for_room(profile)
  }
  invisible(submit_task(profile, expr, args, globals, .timeout, finally, options))
}

#' @rdname mirai
#' @export
try_mirai <- function(
  .expr,
  ...,
  .args = list(),
  .timeout = NULL,
  .compute = NULL,
  .finally = NULL,
  .priority = NULL,
  .class = NULL,
  .estimate = NULL,
  .delay = NULL,
  .deadline = NULL,
  .limit = NULL,
  .retries = NULL,
  .backoff = NULL,
  .replace = NULL,
  .dedupe = NULL,
  .needs = NULL,
  .worker = NULL,
  .after = NULL,
  .rank = NULL
) {
  if (missing(.expr)) {
    stop("missing expression, perhaps wrap in {}?")
  }
  expr <- task_expression(substitute(.expr), parent.frame())
  globals <- if (...length()) task_globals(...)
  args <- task_args(.args)
  if (!is.null(.timeout)) {
    .timeout <- check_timeout(.timeout)
  }
  finally <- if (!missing(.finally)) task_expression(substitute(.finally), parent.frame())
  options <- task_options(environment(), .Call(C_rxd_task_class, expr))
  check_after_names(options, args)
  profile <- task_profile(.compute)
  invisible(if (has_room(profile)) {
    submit_task(profile, expr, args, globals, .timeout, finally, options)
  })
}

# A symbol that names an expression stands for it.
task_expression <- function(expr, frame) {
  if (is.symbol(expr)) {
    value <- get0(as.character(expr), envir = frame)
    return(if (is.language(value)) value else expr)
  }
  .Call(C_rxd_strip_srcref, expr)
}

task_globals <- function(...) {
  dots <- list(...)
  names <- names(dots)
  if (is.null(names) && length(dots) == 1L && is.environment(dots[[1L]])) {
    dots <- as.list.environment(dots[[1L]], all.names = TRUE)
    return(dots[names(dots) != ".Random.seed"])
  }
  if (is.null(names) || !all(nzchar(names))) {
    stop_argument(
      "all `...` arguments must be named, unless supplying an environment"
    )
  }
  dots
}

task_args <- function(args) {
  if (is.environment(args)) {
    return(as.list.environment(args, all.names = TRUE))
  }
  if (length(args) && (is.null(names(args)) || !all(nzchar(names(args))))) {
    stop_argument(
      "all items in `.args` must be named, unless supplying an environment"
    )
  }
  if (is.list(args)) args else as.list(args)
}

# What travels: with the version it is written in, see run_task(). A fifth may follow, `.finally`;
# a sixth, FALSE: nobody wants to hear of it while it runs; a seventh, the names of the variables
# that the broker fills; an eighth, what its spans belong to, see otel.R.
task_body <- function(expr, args, globals) {
  events <- getOption("crossdock.events")
  if (!is.null(events) && isFALSE(events)) {
    list(expr, args, globals, the$series, NULL, FALSE)
  } else {
    list(expr, args, globals, the$series)
  }
}

# One task, with whatever the profile adds to it. What most tasks have none of costs them no call,
# here, in task_body() and in submit_body(): calls of R were half of what a tiny task takes.
submit_task <- function(
  profile,
  expr,
  args,
  globals,
  timeout = NULL,
  finally = NULL,
  options = NULL
) {
  span <- if (!is.null(the$tracer)) task_span(environment(), profile)
  after <- NULL
  if (!is.null(options) && has_after(options)) {
    after <- split_after(options, !is_sync(profile))
    if (is.character(after)) {
      return(failed_task(after))
    }
    args <- c(args, after$values)
    options <- after$options
  }
  if (!is.null(profile$seeded) && profile$seeded) {
    globals[[".Random.seed"]] <- next_stream(profile)
  }
  body <- task_body(expr, args, globals)
  if (!is.null(finally)) {
    body[[5L]] <- finally
  }
  if (!is.null(after)) {
    if (length(body) < 6L) {
      body[5:6] <- list(finally, TRUE)
    }
    body[[7L]] <- after$names
  }
  if (!is.null(span)) {
    body[[8L]] <- otel::pack_http_context()
  }
  task <- submit_body(profile, body, timeout, options)
  if (!is.null(span)) {
    span$set_attribute("mirai.id", attr(task, "id"))
  }
  task
}

# It is on its way, or, without daemons, has ended.
submit_body <- function(profile, body, timeout, options) {
  if (!is.null(profile$sync) && is_sync(profile)) {
    return(submit_sync(profile, body, timeout))
  }
  route <- current_route(profile)
  if (profile$has_s4) {
    check_s4(body, profile$config)
  }
  if (!is.null(timeout) && is_over(timeout)) {
    return(.Call(C_rxd_task_ended, route, 5L))
  }
  task <- .Call(C_rxd_submit, route, body, timeout, 0L, options)
  if (!is.null(profile$memory)) {
    waiting_bytes(profile) # for its peak
  }
  task
}

# Milliseconds, or NULL for none. As in mirai NA, Inf and negative ones are none, and "100" is 100.
check_timeout <- function(timeout) {
  number <- suppressWarnings(as.double(if (length(timeout) == 1L) timeout))
  if (!length(number) || is.na(number) && !is.na(timeout)) {
    stop_option(".timeout", "a number of milliseconds or NULL", timeout)
  }
  if (!is.na(number) && number >= 0 && number <= .Machine$integer.max) as.integer(number)
}

# No time at all: the task has timed out before it began.
is_over <- function(timeout) !is.null(timeout) && timeout == 0L
