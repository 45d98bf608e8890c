#' Be a daemon
#'
#' Turns this R process into a daemon of a compute profile: it takes tasks one after the
#' other until its broker goes, or a limit is reached. [daemons()] starts daemons by itself;
#' call this in processes you start another way, for example under `crossdock-worker`.
#'
#' @param url address of the broker; missing: environment variable `CROSSDOCK_URL`, else the
#'   default address of this user.
#' @param dispatcher accepted for compatibility; the broker knows.
#' @param ... ignored.
#' @param asyncdial `FALSE`: an error when the broker cannot be reached; `TRUE`: try again
#'   every second.
#' @param autoexit what becomes of the daemon when its broker goes, or its session crashes. `TRUE`:
#'   it ends. `NA`: it ends once it is through with the task that it evaluates, whose value nobody
#'   gets. `FALSE`: it goes on and tries to reach a broker at the same address; `daemons(NULL)`
#'   ends such a daemon. But for `NA` a task is interrupted; one that goes on for three seconds
#'   more ends the R process. `daemons(0)` is not that: it cancels the tasks of the session.
#' @param output `FALSE`: what tasks print goes nowhere. `TRUE`: to the terminal; of a local
#'   daemon, to that of its session. What a supervised daemon prints is kept as its log, either
#'   way.
#' @param rs a stream of random numbers to begin with, see [nextstream()]; `NULL`: any.
#' @param cleanup after each task remove new objects from the global environment, detach new
#'   packages, restore options. What [everywhere()] made stays, and so do packages that were
#'   loaded, with new options that are named for them.
#' @param idletime,walltime in milliseconds: leave after waiting so long for a task; take
#'   no new task after so long.
#' @param maxtasks leave after so many tasks.
#' @param tlscert the public key of a broker on tcp, 64 hexadecimal digits or 40 characters of
#'   Z85; `NULL`: environment variable `CROSSDOCK_SERVER_KEY`, else the one of this user's
#'   brokers. The daemon's own key is in the file that `CROSSDOCK_KEY_FILE` names, else it is the
#'   user's; see *Keys* in [daemons()].
#' @param has what tasks may need of this daemon, see [task_options]: words, `name=text`,
#'   `name=number`, as in `"gpu=1 memory=8e9 fast"`; `NULL`: environment variable `CROSSDOCK_HAS`,
#'   else nothing.
#' @param .compute name of the compute profile, where the broker has more than one; `NULL`:
#'   environment variable `CROSSDOCK_PROFILE`, else `"default"`, which is also what
#'   serves a session that listens at `url`.
#' @return An exit code, invisibly: 0 the connection ended, 1 idle, 2 wall time, 3 task
#'   limit. Under a supervisor (`crossdock-worker`, or a session's own) the R process ends
#'   with code 69 when the broker cannot be reached, and is started again.
#' @examples
#' \donttest{
#' # this process is session and daemon at once, for one task
#' daemons(url = local_url())
#' m <- mirai(Sys.getpid())
#' daemon(status()$daemons, maxtasks = 1)
#' m[] == Sys.getpid()
#' daemons(0)
#' }
#' \dontrun{
#' # on a host with a broker:
#' # crossdock-worker --slots 4 -- Rscript -e 'crossdock::daemon()'
#' daemon()
#' }
#' @export
daemon <- function(
  url,
  dispatcher = TRUE,
  ...,
  asyncdial = FALSE,
  autoexit = TRUE,
  cleanup = TRUE,
  output = FALSE,
  idletime = Inf,
  walltime = Inf,
  maxtasks = Inf,
  tlscert = NULL,
  rs = NULL,
  has = NULL,
  .compute = NULL
) {
  address <- if (missing(url) || is.null(url)) NA_character_ else check_url(url, "url")
  autoexit <- check_autoexit(autoexit)
  check_limit(idletime, "idletime", "a number of milliseconds or Inf")
  check_limit(walltime, "walltime", "a number of milliseconds or Inf")
  check_limit(maxtasks, "maxtasks", "a number of tasks or Inf")
  profile <- if (is.null(.compute)) NA_character_ else profile_name(.compute)
  supervised <- guard_daemon()
  has <- check_has(has)
  look_for_tracer()
  worker <- connect_daemon(
    address, profile, tlscert, has, is.na(autoexit), isTRUE(asyncdial), supervised
  )
  on.exit(.Call(C_rxd_worker_close, worker))
  mark_connected(address)
  start_random(rs, if (supervised) count_restarts() else 0L)
  quiet <- !isTRUE(output) && !supervised
  heard <- !interactive() && sink.number() == 0L && .Call(C_rxd_worker_output, quiet)
  on.exit(.Call(C_rxd_worker_output, NULL), add = TRUE)
  if (quiet) {
    unmute <- mute(!heard)
    on.exit(unmute(), add = TRUE)
  }
  limits <- list(idle = idletime / 1000, wall = walltime / 1000, tasks = maxtasks)
  cleanup <- isTRUE(as.logical(cleanup))
  code <- serve_tasks(worker, limits, cleanup)
  while (code == exit_lost && isFALSE(autoexit) && !supervised) {
    mark_disconnected(address)
    .Call(C_rxd_worker_close, worker)
    worker <- connect_daemon(address, profile, tlscert, has, FALSE, TRUE, supervised)
    mark_connected(address)
    code <- serve_tasks(worker, limits, cleanup)
  }
  mark_disconnected(address)
  if (supervised && code == exit_lost) {
    .Call(C_rxd_worker_close, worker)
    .Call(C_rxd_worker_output, NULL)
    quit(save = "no", status = 69L) # not final: a supervisor starts it again
  }
  invisible(max(code, 0L))
}

# Messages, and with `output` what is printed, go nowhere, until the function that it gives is
# called.
mute <- function(output) {
  nowhere <- file(nullfile(), "w")
  if (output) {
    sink(nowhere)
  }
  sink(nowhere, type = "message")
  function() {
    sink(type = "message")
    if (output) {
      sink()
    }
    close(nowhere)
  }
}

# Numbers are the signals of old versions of mirai: as good as TRUE.
check_autoexit <- function(autoexit, call = sys.call(-1L)) {
  is_one <- (is.logical(autoexit) || is.numeric(autoexit)) && length(autoexit) == 1L
  if (!is_one) {
    stop_argument("`autoexit` must be TRUE, FALSE or NA, not %s", deparse1(autoexit), call = call)
  }
  as.logical(autoexit)
}

check_limit <- function(x, name, allowed) {
  if (!is.numeric(x) || length(x) != 1L || is.na(x)) {
    stop_option(name, allowed, x)
  }
}

exit_lost <- -1L # the broker went; not asked to end

# How often the supervisor started the daemon before.
count_restarts <- function() as.integer(Sys.getenv("CROSSDOCK_RESTARTS", "0"))

# A supervisor left a descriptor whose end says that it is gone.
guard_daemon <- function() {
  fd <- suppressWarnings(as.integer(Sys.getenv("CROSSDOCK_LIFE_FD", NA)))
  if (!is.na(fd)) {
    .Call(C_rxd_worker_guard, fd)
  }
  !is.na(fd)
}

connect_daemon <- function(address, profile, tlscert, has, finishes, patient, supervised) {
  repeat {
    worker <- tryCatch(
      .Call(C_rxd_worker_open, address, profile, tlscert, has, finishes),
      crossdock_error = identity
    )
    if (!inherits(worker, "crossdock_error")) {
      return(worker)
    }
    passing <- inherits(worker, c("crossdock_error_timeout", "crossdock_error_gone"))
    if (supervised && !patient) {
      message("Error: ", conditionMessage(worker))
      quit(save = "no", status = if (passing) 69L else 2L)
    }
    if (!patient || !passing) {
      stop(worker)
    }
    Sys.sleep(1)
  }
}

# How long to wait for the next task at a time: the limits are looked at in between.
wait_ms <- 500L

serve_tasks <- function(worker, limits, cleanup) {
  state <- new.env(parent = emptyenv())
  state$started <- state$waiting <- proc.time()[[3L]]
  state$done <- 0L
  state$snapshot <- take_snapshot()
  repeat {
    code <- tryCatch(serve_on(worker, limits, cleanup, state), error = identity)
    if (is.integer(code)) {
      return(code)
    }
    if (inherits(code, "crossdock_error_gone")) {
      stop(code)
    }
    # a task that could not be read: it failed, the daemon goes on
    .Call(C_rxd_worker_fail, worker, paste("the task cannot be read:", conditionMessage(code)))
  }
}

# Without handlers of its own, which would cost as much as a short task. Returns why it
# ended.
serve_on <- function(worker, limits, cleanup, state) {
  wait <- min(wait_ms, 1000 * limits$idle)
  timed <- is.finite(limits$idle) || is.finite(limits$wall)
  repeat {
    task <- .Call(C_rxd_worker_next, worker, if (the$has_later) run_callbacks(wait) else wait)
    if (is.list(task)) {
      if (the$has_new_setup) {
        the$has_new_setup <- FALSE
        state$snapshot <- take_snapshot()
      }
      run_task(worker, task)
      if (cleanup) { # what everywhere() made stays
        state$snapshot <- if (task[[2L]]) take_snapshot() else clean_up(state$snapshot)
      }
      if (the$is_ending) {
        the$is_ending <- FALSE
        return(0L)
      }
      state$done <- state$done + !the$is_own
      the$is_own <- FALSE
      the$has_later <- the$has_later || isNamespaceLoaded("later")
      if (state$done >= limits$tasks) {
        return(3L)
      }
      if (timed) {
        state$waiting <- proc.time()[[3L]]
      }
    } else if (is.logical(task)) {
      return(if (task) 0L else exit_lost)
    } else if (proc.time()[[3L]] - state$waiting >= limits$idle) {
      return(1L)
    }
    if (timed && proc.time()[[3L]] - state$started >= limits$wall) {
      return(2L)
    }
  }
}

# Callbacks that tasks left with package later are run between tasks. Returns how long to wait
# at most for the next one.
run_callbacks <- function(wait) {
  tryCatch(
    later::run_now(),
    error = function(e) message("Error in a callback: ", conditionMessage(e))
  )
  if (later::loop_empty()) wait else min(wait, ceiling(1000 * max(later::next_op_secs(), 0)))
}

# What daemons(NULL) has every daemon do.
end_daemon <- function() the$is_ending <- TRUE

# ---- one task: list(is_call, is_everywhere, config, what, part, tells, given) ----

# Evaluate it and give its value back; what becomes of an error or an interrupt is a value
# too. Interrupts are let in by `arm`, and shut out by `finish` and `disarm`. The value goes
# through no variable, since it may be the missing argument.
run_task <- function(worker, task) {
  the$task <- task
  the$tells <- task[[6L]]
  config <- task[[3L]]
  calls <- task_environment <- NULL
  span <- if (!is.null(the$tracer)) eval_span(environment(), task[[4L]])
  tryCatch(
    withCallingHandlers(
      if (!.Call(C_rxd_worker_arm, worker)) {
        finish_interrupted(worker)
      } else if (task[[1L]]) {
        .Call(C_rxd_worker_finish, worker, list(evaluate_call(task[[4L]])), "call", config)
      } else {
        task_expression <- task[[4L]][[1L]]
        task_environment <- make_environment(task[[4L]], task[[7L]])
        .Call(
          C_rxd_worker_finish, worker,
          eval(task_expression, task_environment, .GlobalEnv),
          "value", config
        )
      },
      error = function(e) {
        .Call(C_rxd_worker_disarm, worker)
        calls <<- sys.calls()
      },
      message = tell_message,
      warning = tell_warning
    ),
    error = function(e) {
      fail_span(span, "miraiError")
      if (task[[1L]]) { # its client need not know R
        .Call(C_rxd_worker_fail, worker, conditionMessage(e))
      } else {
        finish_failed(worker, e, calls, config)
      }
    },
    interrupt = function(i) {
      .Call(C_rxd_worker_disarm, worker)
      fail_span(span, "miraiInterrupt")
      finish_interrupted(worker)
    }
  )
  if (!is.null(span)) {
    otel::end_span(span) # before `.finally`
  }
  if (!task[[1L]] && length(task[[4L]]) > 4L && !is.null(task[[4L]][[5L]]) &&
    is.environment(task_environment)) {
    run_finally(task[[4L]][[5L]], task_environment)
  }
  the$task <- NULL
  the$tells <- FALSE
}

# Its outcome is on its way: nobody hears of an error but who reads the daemon's output.
run_finally <- function(expr, environment) {
  tryCatch(
    eval(expr, environment, .GlobalEnv),
    error = function(e) message("Error in `.finally`: ", conditionMessage(e))
  )
}

# The arguments, below the global environment, which gets the globals. what:
# list(expression, arguments, globals, version). given: what the broker handed over.
make_environment <- function(what, given = NULL) {
  check_series(what)
  if (length(what[[3L]])) {
    list2env(what[[3L]], envir = .GlobalEnv)
  }
  environment <- list2env(what[[2L]], parent = .GlobalEnv)
  if (!is.null(given) && length(what) > 6L) {
    assign_given(what[[7L]], given, environment)
  }
  environment
}

# What a session and its daemons have to agree on may change between the first two numbers of
# a version.
check_series <- function(what) {
  if (length(what) < 4L || !identical(what[[4L]], the$series)) {
    theirs <- if (length(what) < 4L) "of an older version" else what[[4L]]
    stop(sprintf(
      "the session has crossdock %s and this daemon %s; both must have the same version",
      theirs, getNamespaceInfo("crossdock", "spec")[["version"]]
    ), call. = FALSE)
  }
}

evaluate_call <- function(what) {
  task_expression <- as.call(c(find_callee(what[[1L]]), lapply(what[[2L]], enquote)))
  task_environment <- .GlobalEnv
  eval(task_expression, task_environment, .GlobalEnv)
}

# An error of the task, or of encoding its value. Its fields may hold what cannot be encoded
# either: then only its text goes.
finish_failed <- function(worker, condition, calls, config) {
  error <- error_value(condition, calls)
  tryCatch(
    .Call(C_rxd_worker_finish, worker, error, "error", config),
    error = function(e) .Call(C_rxd_worker_fail, worker, conditionMessage(condition))
  )
}

finish_interrupted <- function(worker) {
  if (the$task[[1L]]) {
    return(.Call(C_rxd_worker_fail, worker, "interrupted"))
  }
  value <- structure("", class = interrupt_class)
  .Call(C_rxd_worker_finish, worker, value, "error", NULL)
}

# The function to call, by its name: "pkg::fun", or in the global environment (made by
# everywhere()).
find_callee <- function(name) {
  parts <- strsplit(name, "::", fixed = TRUE)[[1L]]
  if (length(parts) == 2L) {
    return(call("::", as.name(parts[[1L]]), as.name(parts[[2L]])))
  }
  if (!exists(name, envir = .GlobalEnv, mode = "function", inherits = FALSE)) {
    stop(sprintf(
      "there is no function '%s' on this daemon; make it with everywhere(), or name it pkg::fun",
      name
    ), call. = FALSE)
  }
  as.name(name)
}

# ---- leaving nothing behind ----

take_snapshot <- function() {
  list(
    mark = .Call(C_rxd_globals_mark),
    names = ls(.GlobalEnv, all.names = TRUE, sorted = FALSE),
    search = search(),
    options = options(),
    namespaces = loadedNamespaces()
  )
}

clean_up <- function(snapshot) {
  if (!.Call(C_rxd_globals_changed, snapshot$mark)) {
    return(snapshot)
  }
  new <- setdiff(ls(.GlobalEnv, all.names = TRUE, sorted = FALSE), snapshot$names)
  rm(list = setdiff(new, ".Random.seed"), envir = .GlobalEnv)
  for (name in setdiff(search(), snapshot$search)) {
    detach(name, character.only = TRUE)
  }
  added <- setdiff(names(options()), names(snapshot$options))
  own <- options_of(added, setdiff(loadedNamespaces(), snapshot$namespaces))
  snapshot$options[own] <- options()[own]
  snapshot$namespaces <- loadedNamespaces()
  added <- setdiff(added, own)
  options(snapshot$options)
  options(structure(vector("list", length(added)), names = added))
  snapshot$mark <- .Call(C_rxd_globals_mark)
  snapshot
}

# Packages that a task has loaded stay, and some rely on options that they set when they were:
# those named for them, as "future.wait.interval", or "datatable.verbose" of data.table.
options_of <- function(options, packages) {
  plain <- function(names) gsub("[^[:alnum:]]", "", names)
  named <- lapply(plain(packages), function(package) startsWith(plain(options), package))
  options[Reduce(`|`, named, logical(length(options)))]
}

#' Is this code running on a daemon?
#'
#' @return `TRUE` inside a task, else `FALSE`.
#' @examples
#' on_daemon()
#' @export
on_daemon <- function() {
  !is.null(the$task)
}
