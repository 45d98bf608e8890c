# SPDX-License-Identifier: MIT
# What a task tells while it runs. On the wire these are events of a kind, with bytes: "stdout",
# "message" and "warning" are texts; "progress" is a number and maybe a text, with a space
# between; "value" is an R object, as list of frames, serialized; "value.part" the beginning of
# one that is too large for one event. Handlers in C may send other kinds.

#' What a task tells while it runs
#'
#' A running task can send values ahead with `emit()`, and say how far it is with `progress()`.
#' What it prints, its messages and its warnings are sent by themselves. `on_event()` has
#' functions called with all this while the task runs; `task_events()` gives what has come so
#' far, also after the end of the task.
#'
#' With package later, functions are called from its event loop, like the handlers of promises:
#' in Shiny, and in a session that waits for input, without polling. They are also called while
#' the session waits for tasks (`m[]`, [collect_mirai()], [call_mirai()]), and in any case
#' before that returns. What had come before `on_event()` was called is passed on first. An
#' error in a function becomes a warning.
#'
#' Each function is called with up to as many arguments as it has before `...`, of
#' * `stdout`, `message`, `warning`: a text, and the task's `id`;
#' * `progress`: the value, the message or `NULL`, and the `id`;
#' * `emit`: the value, and the `id`;
#' * `other` (of handlers in C): a raw vector, the kind, and the `id`.
#'
#' The `id` is that of the task object, `attr(m, "id")`. What is printed comes in pieces as it
#' was printed, not by lines. What C code and programs prints to the standard output of a daemon
#' is there, too; but not in daemons that are interactive, or divert their output.
#'
#' Values of `emit()` travel as those of tasks do, also objects of classes in the serial
#' configuration, see [serial_config()].
#'
#' @section What is kept:
#' Of each task its last 10,000 events, and at most 32 MB of them; 256 MB of all tasks that the
#' session holds. Of more, the oldest of the task are dropped; the attribute `dropped` of
#' `task_events()` says how many.
#' With `options(crossdock.events = FALSE)` tasks that are made from then on send nothing, and
#' `emit()` and `progress()` do nothing in them. By default it is on, since a task that
#' tells nothing costs one look at an empty pipe.
#'
#' @param value of `emit()`: any object, serialized at most 16 MB. Of `progress()`: a number,
#'   usually the part that is done, from 0 to 1.
#' @param message `NULL`, or a text. Of `on_event()`: a function.
#' @param x a task, or a list of tasks, such as a [mirai_map()].
#' @param stdout,warning,progress,emit,other functions, or `NULL`: nothing is called.
#' @return `emit()` and `progress()`: whether it was sent, invisibly; outside of a task nothing
#'   is. `on_event()`: `x`, invisibly. `task_events()`: a data frame with a row for each event,
#'   and columns `time` (when it came), `kind`, and `value`, a list; of a list of tasks, a list
#'   of these.
#' @seealso [mirai()], [as.promise.crossdock_task()]
#' @examples
#' \donttest{
#' daemons(1)
#' m <- mirai({
#'   for (i in 1:3) {
#'     crossdock::progress(i / 3, paste("step", i))
#'     crossdock::emit(i^2)
#'   }
#'   "done"
#' })
#' on_event(m, progress = function(value, message) cat(message, "\n"), emit = print)
#' m[]
#' task_events(m)
#' daemons(0)
#' }
#' @name events
NULL

# ---- in a task ----

#' @rdname events
#' @export
emit <- function(value) {
  if (!the$tells) {
    return(invisible(FALSE))
  }
  if (the$task[[1L]]) { # its client need not know R
    return(invisible(tell("emit", plain_bytes(value))))
  }
  bytes <- serialize(
    .Call(C_rxd_frames_of, list(value), the$task[[3L]], "worker"), NULL,
    xdr = FALSE
  )
  if (length(bytes) > emit_limit) {
    stop_crossdock("too_large", sprintf(
      "`value` has %.0f bytes when serialized, and emit() takes at most %.0f; give it as the value",
      length(bytes), emit_limit
    ))
  }
  invisible(tell_parts("value", bytes))
}

emit_limit <- 16 * 1024^2
part_limit <- 512 * 1024 # of an event, below what the protocol allows

#' @rdname events
#' @export
progress <- function(value, message = NULL) {
  if (!is.numeric(value) || length(value) != 1L || !is.finite(value)) {
    stop_argument("`value` must be a finite number, not %s", deparse1(value))
  }
  if (!is.null(message) && (!is.character(message) || length(message) != 1L || is.na(message))) {
    stop_argument("`message` must be a text or NULL, not %s", deparse1(message))
  }
  if (!the$tells) {
    return(invisible(FALSE))
  }
  number <- format(as.double(value), digits = 15L)
  invisible(tell("progress", paste(c(number, message), collapse = " ")))
}

# To the client of the task.
tell <- function(kind, bytes) {
  if (is.null(the$told)) {
    return(.Call(C_rxd_worker_emit, kind, bytes))
  }
  bytes <- if (is.raw(bytes)) bytes else charToRaw(enc2utf8(bytes))
  told <- the$told
  told$events <- c(told$events, list(list(length(told$events), as.double(Sys.time()), kind, bytes)))
  TRUE
}

tell_parts <- function(kind, bytes) {
  while (length(bytes) > part_limit) {
    if (!tell(paste0(kind, ".part"), bytes[seq_len(part_limit)])) {
      return(FALSE)
    }
    bytes <- bytes[-seq_len(part_limit)]
  }
  tell(kind, bytes)
}

plain_bytes <- function(value) {
  is_text <- is.character(value) && length(value) == 1L && !is.na(value)
  if (!is.raw(value) && !is_text) {
    stop_argument(
      "`value` must be raw or a text in a handler that is called by name, not <%s>",
      class(value)[[1L]], call = sys.call(-1L)
    )
  }
  if (is_text) enc2utf8(value) else value
}

# Handlers of run_task().
tell_message <- function(condition) {
  if (the$tells) {
    tell("message", conditionMessage(condition))
  }
}

tell_warning <- function(condition) {
  if (the$tells) {
    tell("warning", conditionMessage(condition))
  }
}

# With what is printed: a call of `expr` in this process.
tell_output <- function(expr) {
  if (!the$tells) {
    return(expr)
  }
  printed <- rawConnection(raw(), "w")
  depth <- sink.number()
  sink(printed, split = TRUE)
  on.exit({
    while (sink.number() > depth) sink()
    bytes <- rawConnectionValue(printed)
    close(printed)
    if (length(bytes)) tell("stdout", bytes)
  })
  expr
}

# ---- in the session ----

#' @rdname events
#' @export
task_events <- function(x) {
  if (!is_mirai(x)) {
    if (!is.list(x) || !all(vapply(x, is_mirai, NA))) {
      stop_argument("`x` must be a task or a list of tasks, not <%s>", class(x)[[1L]])
    }
    return(lapply(unclass(x), task_events))
  }
  known <- known_events(x, 0)
  events <- decode_events(known, new.env(parent = emptyenv()))
  out <- data.frame(
    time = .POSIXct(vapply(events, `[[`, 0, 2L)),
    kind = vapply(events, `[[`, "", 3L)
  )
  out$value <- lapply(events, `[[`, 4L)
  attr(out, "dropped") <- as.integer(known[[3L]])
  out
}

# list(config, events, dropped) of those with that number or a higher one.
known_events <- function(task, from) {
  known <- .Call(C_rxd_task_events, get("aio", envir = task), from)
  if (is.null(known)) {
    return(list(NULL, list(), 0))
  }
  known[[2L]] <- Filter(function(event) event[[1L]] >= from, known[[2L]])
  known
}

# A list of list(number, time, kind, value). `state` has the beginning of a value whose end has
# not come, for the next call.
decode_events <- function(known, state) {
  out <- lapply(known[[2L]], function(event) {
    kind <- event[[3L]]
    if (kind == "value.part") {
      state$parts <- c(state$parts, event[4L])
      return(NULL)
    }
    bytes <- event[[4L]]
    if (kind == "value") {
      bytes <- do.call(c, c(state$parts, list(bytes)))
      state$parts <- NULL
    }
    shown <- if (kind == "value") "emit" else kind
    list(event[[1L]], event[[2L]], shown, event_value(kind, bytes, known[[1L]]))
  })
  out[lengths(out) > 0L]
}

event_value <- function(kind, bytes, config) {
  switch(kind,
    stdout = , message = , warning = event_text(bytes),
    progress = event_progress(event_text(bytes)),
    value = event_object(bytes, config),
    bytes
  )
}

event_text <- function(bytes) {
  text <- rawToChar(bytes[bytes != 0])
  Encoding(text) <- "UTF-8"
  if (validUTF8(text)) text else iconv(text, "latin1", "UTF-8")
}

event_progress <- function(text) {
  list(
    value = suppressWarnings(as.double(sub(" .*", "", text))),
    message = if (grepl(" ", text, fixed = TRUE)) sub("^[^ ]* ", "", text)
  )
}

# Where its first parts were dropped it cannot be read.
event_object <- function(bytes, config) {
  tryCatch(
    .Call(C_rxd_value_of, unserialize(bytes), config, "client")[[1L]],
    error = function(e) {
      structure(1000L, class = value_class, message = conditionMessage(e))
    }
  )
}

#' @rdname events
#' @export
on_event <- function(
  x,
  stdout = NULL,
  message = NULL,
  warning = NULL,
  progress = NULL,
  emit = NULL,
  other = NULL
) {
  handlers <- list(
    stdout = stdout, message = message, warning = warning, progress = progress, emit = emit,
    other = other
  )
  for (name in names(handlers)) {
    if (!is.null(handlers[[name]]) && !is.function(handlers[[name]])) {
      stop_argument("`%s` must be a function or NULL, not %s", name, typeof(handlers[[name]]))
    }
  }
  if (!is_mirai(x) && (!is.list(x) || !all(vapply(x, is_mirai, NA)))) {
    stop_argument("`x` must be a task or a list of tasks, not <%s>", class(x)[[1L]])
  }
  for (task in if (is_mirai(x)) list(x) else x) {
    listen(task, handlers)
  }
  invisible(x)
}

listen <- function(task, handlers) {
  listener <- new.env(parent = emptyenv())
  listener$task <- task
  listener$handlers <- handlers
  listener$from <- 0
  listener$busy <- FALSE
  listener$decoding <- new.env(parent = emptyenv())
  listener$domain <- if (isNamespaceLoaded("shiny")) shiny::getDefaultReactiveDomain()
  the$listeners <- c(the$listeners, list(listener))
  if (unresolved(task) && requireNamespace("later", quietly = TRUE)) {
    watch_task(task, function(number) deliver(listener, number), events = TRUE)
  }
  deliver(listener)
}

# What has come since. TRUE: there may be more. A handler may wait for the very same task.
deliver <- function(listener, number = NULL) {
  if (listener$busy) {
    return(TRUE)
  }
  listener$busy <- TRUE
  on.exit(listener$busy <- FALSE)
  if (!is.null(number)) {
    .Call(C_rxd_task_heard, get("aio", envir = listener$task), number)
  }
  has_more <- unresolved(listener$task) # before looking, so that nothing comes in between
  known <- known_events(listener$task, listener$from)
  if (length(known[[2L]])) {
    listener$from <- known[[2L]][[length(known[[2L]])]][[1L]] + 1
    for (event in decode_events(known, listener$decoding)) {
      handle_event(listener, event)
    }
  }
  if (!has_more) {
    the$listeners <- Filter(function(other) !identical(other, listener), the$listeners)
  }
  has_more
}

handle_event <- function(listener, event) {
  kind <- event[[3L]]
  value <- event[4L]
  handler <- listener$handlers[[kind]]
  if (kind == "progress") {
    value <- unname(event[[4L]])
  } else if (!kind %in% names(listener$handlers)) {
    handler <- listener$handlers$other
    value <- list(event[[4L]], kind)
  }
  if (is.null(handler)) {
    return(invisible())
  }
  args <- c(value, list(attr(listener$task, "id")))
  args <- args[seq_len(min(length(args), max(1L, count_formals(handler))))]
  tryCatch(
    in_domain(listener$domain, do.call(handler, args, quote = TRUE)),
    error = function(e) {
      warning("in a function of on_event(): ", conditionMessage(e), call. = FALSE)
    }
  )
}

in_domain <- function(domain, expr) {
  if (is.null(domain)) expr else shiny::withReactiveDomain(domain, expr)
}

# How many arguments a function has before `...`.
count_formals <- function(f) {
  names <- names(formals(args(f)))
  if ("..." %in% names) match("...", names) - 1L else length(names)
}

# While the session waits for `x`, others are told what has come. In a callback of later, its
# loop does that afterwards.
wait_telling <- function(x) {
  if (in_later()) {
    return(invisible())
  }
  repeat {
    is_over <- !unresolved(x)
    lapply(the$listeners, deliver)
    idle <- Filter(function(one) !one$busy, the$listeners)
    if (is_over || !length(idle)) {
      return(invisible())
    }
    open <- Filter(function(one) unresolved(one$task), idle)
    if (length(open)) { # else what they sent last is passed on first
      mine <- Filter(function(one) is_in(one$task, x), open)
      next_one <- c(mine, open)[[1L]]
      .Call(C_rxd_task_wait_event, get("aio", envir = next_one$task), next_one$from, telling_ms)
    }
  }
}

telling_ms <- 20L # until the others are looked at

is_in <- function(task, x) {
  if (is_mirai(x)) identical(task, x) else any(vapply(x, identical, NA, task))
}
