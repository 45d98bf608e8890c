# SPDX-License-Identifier: MIT
# daemons(sync = TRUE): tasks are evaluated in this process, when they are made. For looking
# for errors: browser() and debug() work, and there is one thing at a time. What goes in and
# comes out is serialized as on the way to a daemon and back.

new_sync_profile <- function(name, serial, seed) {
  profile <- new.env(parent = emptyenv())
  profile$name <- name
  profile$sync <- TRUE
  profile$address <- "sync"
  profile$url <- paste0("inproc://", basename(tempfile("")))
  profile$dispatcher <- FALSE
  profile$serial <- serial
  profile$n <- 1L
  set_streams(profile, seed)
  profile$globals <- new.env(parent = emptyenv()) # of its daemon
  the$profiles[[name]] <- profile
  profile
}

is_sync <- function(profile) isTRUE(profile$sync)

check_not_sync <- function(profile) {
  if (is_sync(profile)) {
    stop_argument("daemons cannot be launched for synchronous compute profiles")
  }
}

# A task that has ended.
submit_sync <- function(profile, body, timeout, everywhere = FALSE) {
  config <- if (is.null(profile$serial)) registered_serial() else profile$serial
  config <- if (length(config)) config
  told <- new.env(parent = emptyenv())
  if (has_s4(config)) {
    check_s4(body, config)
  }
  body <- .Call(C_rxd_frames_of, body, config, "client")
  result <- if (is_over(timeout)) {
    .Call(C_rxd_frames_of, timed_out, NULL, "worker")
  } else {
    globals_of(profile, {
      value <- evaluate_sync(
        .Call(C_rxd_value_of, body, config, "worker"), timeout, everywhere, config, told
      )
      tryCatch(
        {
          check_s4_value(value, config)
          .Call(C_rxd_frames_of, value, config, "worker")
        },
        error = function(e) .Call(C_rxd_frames_of, list(error_value(e, NULL)), NULL, "worker")
      )
    })
  }
  task <- .Call(C_rxd_task_resolved, .Call(C_rxd_value_of, result, config, "client"))
  if (length(told$events)) {
    .Call(C_rxd_task_events_set, get("aio", envir = task), list(config, told$events, 0))
  }
  task
}

timed_out <- list(structure(5L, class = value_class))

# `expr` with the global environment and the random numbers of the profile's daemon. Those of
# the session are put aside for so long.
globals_of <- function(profile, expr) {
  aside <- new.env(parent = emptyenv())
  kinds <- RNGkind()
  on.exit({
    seed <- aside$.Random.seed
    move_bindings(.GlobalEnv, profile$globals)
    move_bindings(aside, .GlobalEnv)
    if (is.null(seed)) {
      restore_random(kinds, NULL)
    }
  })
  move_bindings(.GlobalEnv, aside)
  move_bindings(profile$globals, .GlobalEnv)
  if (is.null(.GlobalEnv$.Random.seed)) {
    .GlobalEnv$.Random.seed <- parallel::nextRNGStream(profile$stream)
  }
  expr
}

move_bindings <- function(from, to) {
  for (name in ls(from, all.names = TRUE, sorted = FALSE)) {
    if (bindingIsActive(name, from)) {
      makeActiveBinding(name, activeBindingFunction(name, from), to)
    } else {
      assign(name, get(name, envir = from, inherits = FALSE), envir = to)
    }
    if (bindingIsLocked(name, from)) {
      lockBinding(name, to)
    }
  }
  rm(list = ls(from, all.names = TRUE, sorted = FALSE), envir = from)
}

# list(value). what: list(expression, arguments, globals, version).
evaluate_sync <- function(what, timeout, everywhere, config, told) {
  before <- mget(c("task", "tells", "told"), envir = the)
  the$task <- list(FALSE, everywhere, config, what, 0L)
  the$tells <- length(what) < 6L || !isFALSE(what[[6L]])
  the$told <- told
  snapshot <- take_snapshot()
  task_environment <- NULL
  on.exit({
    if (length(what) > 4L && !is.null(what[[5L]]) && is.environment(task_environment)) {
      run_finally(what[[5L]], task_environment)
    }
    if (!everywhere) {
      clean_up(snapshot)
    }
    list2env(before, envir = the)
  })
  timeout <- if (is.null(timeout)) NA_integer_ else as.integer(timeout)
  alarm <- .Call(C_rxd_alarm, if (is.na(timeout) || timeout < 0L) NA_integer_ else timeout)
  calls <- NULL
  span <- if (!is.null(the$tracer)) eval_span(environment(), what)
  value <- tryCatch(
    withCallingHandlers(
      {
        task_expression <- what[[1L]]
        task_environment <- make_environment(what)
        out <- list(tell_output(eval(task_expression, task_environment, .GlobalEnv)))
        .Call(C_rxd_alarm_end, alarm)
        out
      },
      error = function(e) calls <<- sys.calls(),
      message = tell_message,
      warning = tell_warning
    ),
    error = function(e) {
      fail_span(span, "miraiError")
      list(error_value(e, calls))
    },
    interrupt = function(i) {
      fail_span(span, "miraiInterrupt")
      list(structure("", class = interrupt_class))
    }
  )
  if (.Call(C_rxd_alarm_end, alarm)) timed_out else value
}
