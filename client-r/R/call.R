#' Call a handler by its name
#'
#' Calls a named handler, in whatever language its worker is written: a C handler, or on an R
#' daemon a function `pkg::fun` or one that [everywhere()] put into the global environment.
#' The arguments and the value travel as class-tagged frames.
#'
#' An argument is a raw vector (class `"raw"`), a string (class `"text"`), or an object of a
#' class in the serial configuration of the profile, see [serial_config()]. Anything else is an
#' error that names its class.
#'
#' @param name of the handler.
#' @param ... its arguments; names go along.
#' @param .class as of [mirai()]; `NULL`: the handler's name.
#' @param .after as of [mirai()], without names: only the order counts. A handler in C finds the
#'   results of those whose values are not in this session yet.
#' @inheritParams mirai
#' @return A task, invisibly. Its value is that of the handler, or a list of values when it
#'   gives several.
#' @examples
#' \donttest{
#' daemons(1)
#' call_task("base::toupper", "hello")[]
#' daemons(0)
#' }
#' @export
call_task <- function(
  name,
  ...,
  .timeout = NULL,
  .compute = NULL,
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
  if (!is.character(name) || length(name) != 1L || is.na(name) || !nzchar(name)) {
    stop_option("name", "the name of a handler, a string", name)
  }
  if (!is.null(.timeout)) {
    .timeout <- check_timeout(.timeout)
  }
  options <- task_options(environment())
  if (has_after(options) && !is.null(names(options[[8L]]))) {
    stop_argument("`.after` of call_task() takes no names: there only the order counts")
  }
  profile <- task_profile(.compute)
  if (is_sync(profile)) {
    stop_argument("handlers cannot be called in synchronous compute profiles")
  }
  after <- if (has_after(options)) split_after(options, TRUE)
  if (is.character(after)) {
    return(invisible(failed_task(after)))
  }
  if (!is.null(after)) {
    options <- after$options
  }
  wait_for_room(profile)
  route <- current_route(profile)
  invisible(if (is_over(.timeout)) {
    .Call(C_rxd_task_ended, route, 5L)
  } else {
    .Call(C_rxd_submit_call, route, name, list(...), .timeout, options)
  })
}
