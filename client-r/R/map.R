#' Map over daemons
#'
#' Makes one task for each element of `.x`, and returns at once.
#'
#' @param .x a list or vector; or a data frame or matrix, whose rows are then mapped, with the
#'   columns as arguments.
#' @param .f the function.
#' @param ... objects for the daemons' global environments, as in [mirai()].
#' @param .args a list of further constant arguments of `.f`.
#' @param .class as of [mirai()]; `NULL`: the name of `.f`, unless that is a function without one.
#' @param .after as of [mirai()]; the values of named ones are further arguments of `.f`.
#' @param .promise a function of a value, called when each task has ended, from the event loop
#'   (package promises); or a list of two, the second for the errors.
#' @inheritParams mirai
#' @return A list of tasks of class `mirai_map`, invisibly, with the names of `.x`. `x[]`
#'   waits for all values. Options can be given: `x[.flat]` makes a vector of them,
#'   `x[.progress]` shows progress, `x[.stop]` stops at the first error and cancels the rest;
#'   they combine, `x[.flat, .stop]`.
#' @examples
#' \donttest{
#' daemons(2)
#' mirai_map(1:3, function(x) x + 1)[.flat]
#' mirai_map(c(a = 1, b = 2), function(x, y) x * y, .args = list(y = 10))[]
#' daemons(0)
#' }
#' @export
mirai_map <- function(
  .x,
  .f,
  ...,
  .args = list(),
  .promise = NULL,
  .compute = NULL,
  .timeout = NULL,
  .priority = NULL,
  .class = NULL,
  .estimate = NULL,
  .delay = NULL,
  .deadline = NULL,
  .limit = NULL,
  .retries = NULL,
  .backoff = NULL,
  .needs = NULL,
  .worker = NULL,
  .after = NULL,
  .rank = NULL
) {
  require_daemons(.compute, environment())
  if (!is.function(.f)) {
    stop(sprintf("`.f` must be of type function, not %s", typeof(.f)))
  }
  globals <- if (...length()) task_globals(...)
  if (!is.null(.timeout)) {
    .timeout <- check_timeout(.timeout)
  }
  arguments <- map_arguments(.x)
  class <- function_name(substitute(.f))
  options <- task_options(environment(), class)
  if (is.null(options)) {
    options <- pack_options(class = class) # that of `map_call` says nothing
  }
  check_after_names(options, .args)
  names <- names(options[[8L]])
  names <- names[nzchar(names)]
  expr <- if (length(names)) map_after_call else map_call
  profile <- task_profile(.compute)
  if (!is.null(the$tracer)) {
    start_span(environment(), "mirai_map", profile$span)
  }
  tasks <- lapply(arguments, function(x) {
    wait_for_room(profile)
    args <- list(.f = .f, .x = x, .args = .args)
    args$.after <- if (length(names)) names
    submit_task(profile, expr, args, globals, .timeout, options = options)
  })
  if (!is.null(.promise)) {
    promise_map(tasks, .promise)
  }
  invisible(structure(tasks, class = map_class))
}

# What each task evaluates.
map_call <- quote(do.call(.f, c(.x, .args), quote = TRUE))
map_after_call <- quote(
  do.call(.f, c(.x, .args, mget(.after, envir = environment())), quote = TRUE)
)

# As it is written, "f" or "pkg::f"; NULL where it is not by name.
function_name <- function(expr) {
  is_access <- is.call(expr) && length(expr) == 3L &&
    any(vapply(c("::", ":::"), function(sign) identical(expr[[1L]], as.name(sign)), NA))
  if (is.symbol(expr) || is_access) deparse1(expr)
}

# Each of many tasks would start daemons of its own.
check_no_map <- function() {
  is_map <- on_daemon() && !the$task[[1L]] &&
    (identical(the$task[[4L]][[1L]], map_call) || identical(the$task[[4L]][[1L]], map_after_call))
  if (is_map) {
    stop_argument("cannot create local daemons from within mirai map")
  }
}

# A list with the arguments of each call.
map_arguments <- function(x) {
  if (is.function(x) || is.environment(x)) {
    stop_option(".x", "a list, a vector, a data frame or a matrix", x)
  }
  if (is.data.frame(x)) {
    rows <- lapply(seq_len(nrow(x)), function(i) lapply(x, `[[`, i))
    names <- attr(x, "row.names")
    return(if (is.character(names)) stats::setNames(rows, names) else rows)
  }
  if (length(dim(x)) == 2L) {
    rows <- lapply(seq_len(nrow(x)), function(i) as.list(x[i, ]))
    return(stats::setNames(rows, rownames(x)))
  }
  stats::setNames(lapply(seq_along(x), function(i) list(x[[i]])), names(x))
}

#' Options for collecting a map
#'
#' To be used in the brackets of a [mirai_map()], `x[.flat, .progress]`, or by name in
#' [collect_mirai()].
#'
#' @format Language objects.
#' @examples
#' \donttest{
#' daemons(1)
#' mirai_map(1:3, identity)[.flat]
#' daemons(0)
#' }
#' @name map_options
NULL

#' @rdname map_options
#' @export
.flat <- quote(.flat)

#' @rdname map_options
#' @export
.progress <- quote(.progress)

#' @rdname map_options
#' @export
.stop <- quote(.stop)

known_options <- c(".flat", ".progress", ".stop")

# Options by name, from the brackets or from collect_mirai(): list(flat, progress, stop).
map_options <- function(options) {
  names <- if (is.null(names(options))) as.character(options) else names(options)
  for (name in names) {
    if (!name %in% known_options) {
      stop(sprintf("value for %s not found", sQuote(name)), call. = FALSE)
    }
  }
  progress <- if (".progress" %in% names) {
    if (is.null(names(options))) list() else as.list(options[[".progress"]])
  }
  list(flat = ".flat" %in% names, progress = progress, stop = ".stop" %in% names)
}

#' @export
`[.crossdock_map` <- function(x, ...) {
  chosen <- vapply(as.list(substitute(list(...)))[-1L], chosen_option, "", frame = parent.frame())
  collect_map(x, map_options(chosen[nzchar(chosen)]))
}

# Of what stands in the brackets: `.flat`, or a variable that holds it; "" for anything else, since
# `x["a"]` collects all, as in mirai.
chosen_option <- function(argument, frame) {
  name <- if (is.symbol(argument)) as.character(argument) else ""
  if (!nzchar(name) || name %in% known_options) {
    return(name)
  }
  if (!exists(name, envir = frame)) {
    stop(sprintf("object '%s' not found; options are %s", name, toString(known_options)),
      call. = FALSE
    )
  }
  value <- get(name, envir = frame)
  if (is.symbol(value) && as.character(value) %in% known_options) as.character(value) else ""
}

# One after the other, each looked at as the options say.
collect_map <- function(x, options) {
  if (!options$flat && is.null(options$progress) && !options$stop) {
    return(collect_mirai(unclass(x)))
  }
  bar <- progress_bar(length(x), options$progress)
  values <- vector("list", length(x))
  for (i in seq_along(x)) {
    value <- collect_mirai(x[[i]])
    if (is_error_value(value) && (options$stop || options$flat)) {
      stop_mirai(unclass(x))
      bar("failed")
      stop_map(value, i, names(x))
    }
    if (options$flat && i > 1L && typeof(value) != typeof(values[[1L]])) {
      stop_mirai(unclass(x))
      bar("failed")
      stop_flat(typeof(values[[1L]]), typeof(value))
    }
    values[i] <- list(value)
    bar("step")
  }
  bar("done")
  names(values) <- names(x)
  if (options$flat) unlist(values, recursive = FALSE) else values
}

has_cli <- function() {
  requireNamespace("cli", quietly = TRUE) && requireNamespace("rlang", quietly = TRUE)
}

stop_flat <- function(first, other) {
  if (has_cli()) {
    text <- sprintf("cannot flatten outputs of differing type: %s / %s", first, other)
    cli::cli_abort(c(`!` = "{text}"), call = map_name)
  }
  stop(sprintf("Cannot flatten outputs of differing type: %s / %s", first, other), call. = FALSE)
}

# What errors of collecting a map name.
map_name <- quote(mirai_map())

# The error of a map, saying where; with cli as it would signal it.
stop_map <- function(value, index, names) {
  name <- if (!is.null(names) && nzchar(names[[index]])) names[[index]]
  if (!has_cli()) {
    stop(sprintf("In index %d:\n%s", index, value_text(value)), call. = FALSE)
  }
  parent <- if (is_mirai_error(value)) {
    fields <- attributes(value)
    structure(class = c("error", "condition"), fields[names(fields) != "class"])
  } else {
    structure(class = c("error", "condition"), list(message = value_text(value), call = NULL))
  }
  cli::cli_abort(
    c(i = "In index: {index}.", i = if (!is.null(name)) "With name: {name}."),
    location = index, name = name, parent = parent, call = map_name
  )
}

value_text <- function(value) {
  if (is.integer(value)) {
    sprintf("%d | %s", unclass(value), value_texts[as.character(unclass(value))])
  } else {
    as.character(value)
  }
}

# A function of "step", "failed" and "done". `args` NULL: no progress is shown. A bar of cli's, or
# the text that mirai shows where there is no cli.
progress_bar <- function(total, args) {
  if (is.null(args)) {
    return(function(what) NULL)
  }
  if (!requireNamespace("cli", quietly = TRUE)) {
    return(progress_text(total))
  }
  if (length(args) && is.character(args[[1L]]) && is.null(names(args))) {
    args <- list(name = args[[1L]])
  }
  environment <- parent.frame()
  id <- do.call(cli::cli_progress_bar, c(
    list(total = total, auto_terminate = TRUE, .envir = environment), args
  ))
  function(what) {
    switch(what,
      step = cli::cli_progress_update(id = id, .envir = environment),
      failed = cli::cli_progress_done(id = id, .envir = environment, result = "failed"),
      cli::cli_progress_done(id = id, .envir = environment)
    )
  }
}

progress_text <- function(total) {
  done <- 0L
  show <- function() {
    end <- if (done < total) ".... ]" else "done ]\n"
    cat(sprintf("\r[ %d / %d %s", done, total, end), file = stderr())
  }
  show()
  function(what) {
    if (what == "step") {
      done <<- done + 1L
      show()
    } else if (what == "failed") {
      cat("\n", file = stderr()) # what is said next begins a line
    }
  }
}

#' @export
print.crossdock_map <- function(x, ...) {
  done <- sum(!vapply(unclass(x), unresolved, NA))
  cat(sprintf("< mirai map [%d/%d] >\n", done, length(x)))
  invisible(x)
}
