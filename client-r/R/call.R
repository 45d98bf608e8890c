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
call_task <- function(name, ..., .timeout = NULL, .compute = NULL) {
  if (!is.character(name) || length(name) != 1L || is.na(name) || !nzchar(name)) {
    stop("`name` must be the name of a handler, a string")
  }
  profile <- task_profile(.compute)
  if (is_sync(profile)) {
    stop_argument("handlers cannot be called in synchronous compute profiles")
  }
  wait_for_room(profile)
  route <- current_route(profile)
  invisible(if (is_over(.timeout)) {
    .Call(C_rxd_task_ended, route, 5L)
  } else {
    .Call(C_rxd_submit_call, route, name, list(...), .timeout)
  })
}
