# SPDX-License-Identifier: MIT
# Tasks as promises: later's loop calls back when one has ended, see src/watch.c.

# Calls `call` from later's loop once the task has ended; at its next turn, if it has. With
# `events` also when it has sent something: as long as `call` says that there may be more. Its
# argument is the number of the watch, which this gives, too.
watch_task <- function(task, call, events = FALSE) {
  loadNamespace("later")
  the$last_watch <- number <- the$last_watch + 1L
  name <- as.character(number)
  the$watches[[name]] <- call
  watched <- FALSE
  on.exit(if (!watched) rm(list = name, envir = the$watches))
  .Call(C_rxd_task_watch, get("aio", envir = task), number, events)
  watched <- TRUE
  invisible(number)
}

# Called from C.
wake_watcher <- function(number) {
  name <- as.character(number)
  call <- the$watches[[name]]
  if (is.null(call)) {
    return(invisible())
  }
  on.exit(if (!isTRUE(has_more)) rm(list = name, envir = the$watches))
  has_more <- FALSE
  has_more <- call(number)
}

#' Tasks as promises
#'
#' With the packages promises and later, a task is a promise: it can be piped (`%...>%`), given
#' to [promises::then()], returned to Shiny or used in its `ExtendedTask`. A [mirai_map()] is
#' the promise of all its values. Nothing polls: the end of a task wakes R's event loop.
#'
#' The promise of a task that failed is rejected with a condition of the original's classes,
#' fields and `stack.trace`, and the message that the value of the task shows. That of a task
#' that was lost or cancelled, or has timed out, is rejected with an error like
#' `"5 | Timed out"`. Interrupts fulfil the promise, as in mirai.
#'
#' @param x a task or a map.
#' @return A promise, always the same one for a task; `TRUE`.
#' @examples
#' if (requireNamespace("promises", quietly = TRUE)) {
#'   \donttest{
#'   daemons(1)
#'   promises::then(mirai(1 + 1), function(value) print(value))
#'   later::run_now(5)
#'   daemons(0)
#'   }
#' }
#' @name promises
#' @exportS3Method promises::as.promise crossdock_task
as.promise.crossdock_task <- function(x) {
  if (is.null(x$promise)) {
    assign("promise", task_promise(x), envir = x)
  }
  x$promise
}

#' @rdname promises
#' @exportS3Method promises::is.promising crossdock_task
is.promising.crossdock_task <- function(x) TRUE

#' @rdname promises
#' @exportS3Method promises::as.promise crossdock_map
as.promise.crossdock_map <- function(x) {
  promises::promise_all(.list = lapply(unclass(x), as.promise.crossdock_task))
}

#' @rdname promises
#' @exportS3Method promises::is.promising crossdock_map
is.promising.crossdock_map <- function(x) TRUE

# Rejected from a handler and not from the loop, so that Shiny knows where it belongs.
task_promise <- function(task) {
  if (!unresolved(task)) {
    return(promises::promise(function(resolve, reject) {
      value <- task$data
      if (is_rejected(value)) reject(rejection(value)) else resolve(value)
    }))
  }
  ended <- promises::promise(function(resolve, reject) {
    watch_task(task, function(number) {
      resolve(NULL)
      FALSE
    })
  })
  promises::then(ended, function(value) {
    value <- task$data
    if (is_rejected(value)) {
      stop(rejection(value))
    }
    value
  })
}

is_rejected <- function(value) is_error_value(value) && !is_mirai_interrupt(value)

# What `.promise` of a map asks for.
promise_map <- function(tasks, handlers) {
  handlers <- if (is.list(handlers)) handlers else list(handlers)
  for (task in tasks) {
    promises::then(
      as.promise.crossdock_task(task), handlers[[1L]],
      if (length(handlers) > 1L) handlers[[2L]]
    )
  }
}

# The condition for which an error's value stands: the original's, with its message.
value_condition <- function(value) {
  if (!is_mirai_error(value)) {
    code <- if (is.integer(value)) as.integer(value)
    text <- if (is.null(code)) "Interrupted" else value_text(value)
    if (!is.null(attr(value, "message"))) {
      text <- paste0(text, ": ", attr(value, "message"))
    }
    return(structure(
      class = c("crossdock_outcome", "simpleError", "error", "condition"),
      list(message = text, call = NULL, code = code)
    ))
  }
  fields <- attributes(value)
  classes <- fields$condition.class
  fields[c("class", "condition.class")] <- NULL
  if (is.null(fields$message)) {
    fields$message <- as.character(value)
  }
  own <- setdiff(classes, c("simpleError", "error", "condition"))
  structure(
    class = c(own, "simpleError", "error", "condition"),
    c(fields["message"], list(call = fields$call), fields[!names(fields) %in% c("message", "call")])
  )
}

# The same as mirai words it.
rejection <- function(value) {
  condition <- value_condition(value)
  if (is_mirai_error(value)) {
    condition$message <- as.character(value)
  }
  condition
}

#' Signal the error of a task
#'
#' The value of a task that failed is an object, so that it can be looked at. `rethrow()` makes
#' an error of it again, with the classes, message, call and fields of the original, so that
#' `tryCatch()` and the like work as if the code had run here.
#'
#' @param x a task, which is waited for, or the value of one.
#' @return The value, if it is none of an error. Else nothing: there is an error. That of a
#'   task that was lost or cancelled, or has timed out, is of class `crossdock_outcome` and has
#'   the number in its field `code`.
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai(stop("no such thing"))
#' tryCatch(rethrow(m), error = conditionMessage)
#' daemons(0)
#' }
#' @export
rethrow <- function(x) {
  value <- if (is_mirai(x)) collect_mirai(x) else x
  if (is_error_value(value)) {
    stop(value_condition(value))
  }
  value
}
