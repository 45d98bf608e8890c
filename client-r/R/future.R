# SPDX-License-Identifier: MIT
# Daemons as a backend of package future, by its backend API: launchFuture() and what goes with
# it. A future is one task; what it evaluates is future's own expression, so that globals,
# packages, random numbers, output and conditions are as with every other backend.

#' Futures on daemons
#'
#' A backend for package future: after `plan(crossdock::future_daemons)` every program that
#' uses futures (future.apply, furrr, doFuture, targets, ...) evaluates them on daemons.
#'
#' `plan(crossdock::future_daemons)` uses the daemons that [daemons()] has set, local or on
#' other hosts, and leaves them alone when the plan changes. With `workers` it starts so many
#' local daemons in a compute profile of its own; they end with the plan.
#'
#' What differs from the backends of package future: making a future never waits for a free
#' worker, since the broker queues it. A daemon that crashes is replaced; its future is an error
#' of class `FutureInterruptError`, the others go on. Objects of classes in the serial
#' configuration of the profile (see [serial_config()]) travel as globals and as values.
#' `cancel()` interrupts the daemon and keeps it. Conditions of class `immediateCondition`, such as
#' those of package progressr, arrive while the future runs: `resolved()` and `value()` signal
#' them.
#'
#' Each future leaves a daemon as it found it: see `cleanup` of [daemon()].
#'
#' @param ... further arguments of the backend, see `future::plan()`.
#' @param workers `NULL`: the daemons of the compute profile; a number, or a function that gives
#'   one: so many local daemons are started.
#' @param .compute name of the compute profile, set up by [daemons()]; `NULL`: the current one
#'   when the plan is made. Not with `workers`.
#' @return None: it is an argument of `future::plan()`, and calling it is an error.
#' @examples
#' if (requireNamespace("future", quietly = TRUE)) {
#'   \donttest{
#'   daemons(2)
#'   future::plan(crossdock::future_daemons)
#'   f <- future::future(Sys.getpid())
#'   future::value(f) == Sys.getpid()
#'   future::plan(future::sequential)
#'   daemons(0)
#'   }
#' }
#' @export
future_daemons <- function(..., workers = NULL, .compute = NULL) {
  stop("future_daemons() is to be given to future::plan(), not to be called")
}
class(future_daemons) <- c("future_daemons", "multiprocess", "future", "function")
attr(future_daemons, "init") <- TRUE
attr(future_daemons, "tweakable") <- c("workers", ".compute")
attr(future_daemons, "factory") <- function(workers = NULL, .compute = NULL, ...) {
  new_future_backend(workers, .compute, ...)
}

# Of future's class; its own fields are `profile` (a name), `own` (how many daemons are its own;
# NULL: none are), `active` (futures by number, see remember_future()).
new_future_backend <- function(workers, compute, ...) {
  own <- check_workers(workers)
  backend <- future::MultiprocessFutureBackend(...)
  if (is.null(own)) {
    require_daemons(compute, sys.call(-1L))
    backend[["profile"]] <- profile_name(compute)
  } else if (!is.null(compute)) {
    stop_argument("`workers` starts daemons of its own: leave out `.compute`")
  } else {
    the$future_backends <- the$future_backends + 1L
    backend[["profile"]] <- sprintf(".futures-%d", the$future_backends)
    backend[["own"]] <- own
  }
  backend[["active"]] <- new.env(parent = emptyenv())
  backend[["sweep_at"]] <- 64L
  backend[["futureClasses"]] <- c("CrossdockFuture", backend[["futureClasses"]])
  class(backend) <- c("CrossdockFutureBackend", class(backend))
  future_profile(backend)
  backend
}

check_workers <- function(workers) {
  if (is.function(workers)) {
    workers <- workers()
  }
  bad <- !is.numeric(workers) || length(workers) != 1L || is.na(workers) || workers < 1 ||
    is.infinite(workers)
  if (!is.null(workers) && bad) {
    stop_argument(
      "`workers` must be a number, 1 or greater, a function that gives one, or NULL, not %s",
      deparse1(workers), call = NULL
    )
  }
  if (is.null(workers)) NULL else as.integer(workers)
}

# The compute profile. Daemons of its own are started, the first time, and where an old plan is
# taken up again. The random numbers of this session are not touched.
future_profile <- function(backend) {
  name <- backend[["profile"]]
  if (is.null(the$profiles[[name]])) {
    if (is.null(backend[["own"]])) {
      stop(future::FutureError(sprintf(
        "the daemons of compute profile '%s' are gone; set them again with daemons()", name
      )))
    }
    keep_random(daemons(backend[["own"]], .compute = name))
  }
  the$profiles[[name]]
}

#' @exportS3Method future::launchFuture CrossdockFutureBackend
launchFuture.CrossdockFutureBackend <- function(backend, future, ...) {
  profile <- future_profile(backend)
  expr <- future::getExpression(future, mc.cores = 1L)
  future[["is_inline"]] <- is_sync(profile)
  if (!future[["is_inline"]]) {
    expr <- relaying(expr, future[["conditions"]])
  }
  future[["task"]] <- submit_task(profile, expr, list(), NULL)
  future[["state"]] <- "running"
  remember_future(backend, future)
  invisible(future)
}

#' @exportS3Method future::resolved CrossdockFuture
resolved.CrossdockFuture <- function(x, ...) {
  if (NextMethod()) {
    return(TRUE)
  }
  if (is.null(x[["task"]])) {
    return(FALSE)
  }
  has_ended <- !unresolved(x[["task"]])
  relay_conditions(x)
  has_ended
}

#' @exportS3Method future::result CrossdockFuture
result.CrossdockFuture <- function(future, ...) {
  if (future[["state"]] == "created") {
    future <- future::run(future)
  }
  if (is.null(future[["result"]])) {
    future[["result"]] <- collect_future(future)
    forget_future(future)
  }
  if (inherits(future[["result"]], "FutureError")) {
    stop(future[["result"]])
  }
  future[["result"]]
}

# Waits for its task. A result of future's, or an error of future's saying what became of it.
collect_future <- function(future) {
  wait_relaying(future)
  value <- collect_mirai(future[["task"]])
  if (isTRUE(future[["interrupted"]])) {
    return(future_error(future, future::FutureCanceledError, "was cancelled"))
  }
  if (inherits(value, "FutureResult")) {
    future[["state"]] <- "finished"
    return(if (future[["is_inline"]]) value else unsignal(value, future))
  }
  if (inherits(value, "FutureError")) { # of future's code on the daemon
    future[["state"]] <- "failed"
    return(value)
  }
  if (is_error_value(value) && value_code(value) %in% c(19L, 20L) || is_mirai_interrupt(value)) {
    future[["state"]] <- "interrupted"
    return(future_error(future, future::FutureInterruptError, "was interrupted: ", value))
  }
  future[["state"]] <- "failed"
  future_error(future, future::FutureError, "failed: ", value)
}

value_code <- function(value) if (is.integer(value)) as.integer(value) else 0L

future_error <- function(future, error, what, value = NULL) {
  label <- if (is.null(future[["label"]])) "<unnamed>" else future[["label"]]
  why <- if (is_mirai_interrupt(value)) {
    "the daemon got an interrupt"
  } else if (is_error_value(value)) {
    value_text(value)
  } else if (!is.null(value)) {
    sprintf("the daemon gave an object of class '%s'", class(value)[[1L]])
  }
  error(sprintf("the future '%s' %s%s", label, what, toString(why)), future = future)
}

# ---- conditions that are signalled while a future runs, see ?future::future ----
# They are those of class immediateCondition, such as progressr's. future's code records them, and
# lets them through; a handler around it sends them ahead, numbered. resolved() and value()
# signal what has come. In a synchronous profile the session's handlers have seen them by then.

# The classes of a future's conditions that are not to wait for its end.
immediate_classes <- function(conditions) {
  classes <- attr(conditions, "immediateConditionClasses", exact = TRUE)
  if (is.null(classes) && !is.null(conditions)) "immediateCondition" else classes
}

relaying <- function(expr, conditions) {
  classes <- immediate_classes(conditions)
  if (!length(classes)) {
    return(expr)
  }
  handler <- new_relay(classes, as.character(attr(conditions, "exclude", exact = TRUE)))
  as.call(list(quote(base::withCallingHandlers), expr, condition = handler))
}

# Its environment travels along, and so does the count.
new_relay <- function(classes, excluded) {
  sent <- 0L
  function(condition) {
    if (is_immediate(condition, classes) && !inherits(condition, excluded)) {
      sent <<- sent + 1L
      send_ahead(sent, condition)
    }
  }
}

# Of those that future's code records as signalled. Errors are the future's end.
is_immediate <- function(condition, classes) {
  inherits(condition, classes) && !inherits(condition, "error") &&
    !(inherits(condition, "warning") && getOption("warn") >= 2L)
}

# What cannot be sent comes with the result.
send_ahead <- function(number, condition) {
  what <- list(number = number, condition = condition)
  tryCatch(emit(structure(what, class = ahead_class)), error = function(e) FALSE)
}

ahead_class <- "crossdock_condition"

# The number of the first event that was not looked at yet.
next_event <- function(future) if (is.null(future[["heard"]])) 0 else future[["heard"]]

relay_conditions <- function(future) {
  known <- known_events(future[["task"]], next_event(future))
  if (!length(known[[2L]])) {
    return(invisible())
  }
  if (is.null(future[["decoding"]])) {
    future[["decoding"]] <- new.env(parent = emptyenv())
  }
  future[["heard"]] <- known[[2L]][[length(known[[2L]])]][[1L]] + 1
  for (event in decode_events(known, future[["decoding"]])) {
    if (inherits(event[[4L]], ahead_class)) {
      future[["relayed"]] <- c(future[["relayed"]], event[[4L]]$number)
      signal_condition(event[[4L]]$condition)
    }
  }
}

signal_condition <- function(condition) {
  if (inherits(condition, "warning")) {
    warning(condition)
  } else if (inherits(condition, "message")) {
    message(condition)
  } else {
    signalCondition(condition)
  }
}

# Until its task has ended.
wait_relaying <- function(future) {
  task <- future[["task"]]
  relay_conditions(future)
  while (unresolved(task)) {
    if (!in_later()) {
      lapply(the$listeners, deliver) # of on_event()
    }
    .Call(C_rxd_task_wait_event, get("aio", envir = task), next_event(future), telling_ms)
    relay_conditions(future)
  }
  relay_conditions(future)
}

# Those that did not come ahead were recorded as signalled, which on a daemon nobody saw: value()
# does it.
unsignal <- function(result, future) {
  classes <- immediate_classes(future[["conditions"]])
  number <- 0L
  result[["conditions"]] <- lapply(result[["conditions"]], function(one) {
    if (is_immediate(one[["condition"]], classes)) {
      number <<- number + 1L
      if (!number %in% future[["relayed"]]) {
        one[["signaled"]] <- 0L
      }
    }
    one
  })
  result
}

#' @exportS3Method future::interruptFuture CrossdockFutureBackend
interruptFuture.CrossdockFutureBackend <- function(backend, future, ...) {
  stop_mirai(future[["task"]])
  future[["interrupted"]] <- TRUE
  future[["state"]] <- "interrupted"
  future
}

#' @exportS3Method future::nbrOfWorkers CrossdockFutureBackend
nbrOfWorkers.CrossdockFutureBackend <- function(evaluator) {
  if (!is.null(evaluator[["own"]])) {
    return(evaluator[["own"]])
  }
  profile <- future_profile(evaluator)
  # at least one, since others may be on their way
  if (is_sync(profile)) 1L else max(1L, as.integer(profile_counts(profile)[["r_workers"]]))
}

#' @exportS3Method future::nbrOfFreeWorkers CrossdockFutureBackend
nbrOfFreeWorkers.CrossdockFutureBackend <- function(evaluator, background = FALSE, ...) {
  profile <- future_profile(evaluator)
  if (is_sync(profile)) {
    return(if (isTRUE(background)) 0L else 1L)
  }
  counts <- profile_counts(profile)
  used <- max(sum(counts[c("queued", "leased")]), sum(is_active(evaluator)))
  max(0L, nbrOfWorkers.CrossdockFutureBackend(evaluator) - as.integer(used))
}

#' @exportS3Method future::stopWorkers CrossdockFutureBackend
stopWorkers.CrossdockFutureBackend <- function(backend, interrupt = TRUE, ...) {
  if (interrupt) {
    lapply(as.list(backend[["active"]]), future::cancel, interrupt = TRUE)
  }
  rm(list = ls(backend[["active"]]), envir = backend[["active"]])
  if (is.null(backend[["own"]])) {
    return(FALSE)
  }
  daemons(0, .compute = backend[["profile"]])
  TRUE
}

#' @exportS3Method future::listFutures CrossdockFutureBackend
listFutures.CrossdockFutureBackend <- function(backend, ...) {
  futures <- unname(as.list(backend[["active"]], sorted = TRUE))
  label <- function(f) if (is.null(f[["label"]])) NA_character_ else f[["label"]]
  data <- data.frame(
    counter = vapply(futures, function(f) as.integer(f[["uuid"]][[2L]]), 0L),
    start = vapply(futures, function(f) as.double(f[["start"]]), 0),
    label = vapply(futures, label, ""),
    resolved = vapply(futures, function(f) !unresolved(f[["task"]]), NA)
  )
  data[["future"]] <- lapply(futures, list)
  data
}

# ---- those that nobody has collected, so that they can be listed and cancelled ----

# Those that have ended need neither: they are let go now and then, or a program that never
# looks at its futures would keep all their values.
remember_future <- function(backend, future) {
  active <- backend[["active"]]
  if (length(active) >= backend[["sweep_at"]]) {
    ended <- !is_active(backend)
    rm(list = names(ended)[ended], envir = active)
    backend[["sweep_at"]] <- 64L + 2L * length(active)
  }
  assign(future_key(future), future, envir = active)
  count_future(backend, "launched")
}

forget_future <- function(future) {
  backend <- future[["backend"]]
  key <- future_key(future)
  if (exists(key, envir = backend[["active"]], inherits = FALSE)) {
    rm(list = key, envir = backend[["active"]])
  }
  count_future(backend, "finished")
  times <- future[["result"]][c("started", "finished")]
  if (inherits(future[["result"]], "FutureResult") && all(lengths(times) == 1L)) {
    backend[["runtime"]] <- backend[["runtime"]] + (times[["finished"]] - times[["started"]])
  }
}

count_future <- function(backend, what) {
  backend[["counters"]][[what]] <- backend[["counters"]][[what]] + 1L
}

future_key <- function(future) paste(future[["uuid"]], collapse = "-")

is_active <- function(backend) {
  futures <- as.list(backend[["active"]])
  vapply(futures, function(f) unresolved(f[["task"]]), NA)
}
