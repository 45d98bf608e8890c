# SPDX-License-Identifier: MIT
# What a task asks for beside a daemon that is free: checked here, so that an error names the
# argument; what it means is the broker's.

#' What a task may ask for
#'
#' Arguments of [mirai()], and of [mirai_map()] and [call_task()] as far as they make sense there.
#' Without any of them tasks wait for the next daemon that is free. The order in which they go is
#' the profile's, see [profile_options()].
#'
#' @section Order:
#' `.priority` is strict: while an `"interactive"` task waits, no `"normal"` one begins, and none
#' of `"batch"` while one of these waits; but each gets at least a twentieth of the time. Within
#' it the broker sends tasks with short run times first, without letting long ones starve. It
#' learns run times by the profile, the task's `.class`, and the size of what is sent along. The
#' class is the name of the function that the expression calls (of the last call between braces),
#' the handler of [call_task()], or the name of a map's `.f`; name one where that says nothing:
#' `mirai({...}, .class = "report")`. What nobody has seen yet can be told by `.estimate`: it is
#' corrected when the task ends, so that who always promises too little gains nothing.
#'
#' @section Times:
#' All are milliseconds, as in `.timeout`, and count from the task's arrival at the broker. A task
#' that has not begun by its `.deadline`, or runs longer than its `.limit`, ends as `errorValue` 5
#' ([mirai()]'s `.timeout` holds wherever the task is). `.limit` counts from the
#' start, or from the last sign of life that the task gave, see [touch_task()].
#'
#' @section Once more:
#' `.retries = c(error = 2, lost = 1)` runs a task again up to twice after an error, and once after
#' its daemon was lost; the waits between grow from `.backoff` by doubling. A task that may be
#' repeated after a loss, and whose daemons were lost three times, is put aside: see
#' [kick_tasks()].
#'
#' @section Keys:
#' `.replace`: a task of the session with the same key that has not ended is cancelled
#' (`errorValue` 20): a slider that moves on replaces the query of its last position. `.dedupe`:
#' while a task of the same user and profile with the same key is open, or its value is still
#' remembered, this one does not run, and has that one's outcome. Values of tasks that failed are
#' not remembered.
#'
#' @section Where:
#' `.needs` says what the daemon must have: `"gpu>=1 memory>=4e9 fast"` are numbers of at least
#' that much and a word; `"zone=a"` is a text. A daemon has what its argument `has` says
#' (`daemons(2, has = "gpu=1 memory=8e9 fast")`). A task that no daemon of now can serve waits for
#' one, see [explain()]. `.worker` is a daemon as `tasks()$worker` shows it: the task goes
#' there as long as that one is connected, else anywhere.
#'
#' @section After others:
#' A task begins when all tasks in `.after` have ended with a value. Named ones are variables of
#' the expression, with their values, which travel from daemon to daemon through the broker
#' and not through this session. When one of them ends in an error, is cancelled or lost, the task
#' does not run and is a `miraiError`. They must be tasks of the same broker.
#'
#' In a synchronous profile (`daemons(sync = TRUE)`) only `.timeout` and `.after` do something.
#'
#' @seealso [profile_options()], [tasks()], [explain()]
#' @examples
#' \donttest{
#' daemons(1)
#' # results of one task are the input of another
#' a <- mirai(2)
#' b <- mirai(3)
#' mirai(x * y, .after = list(x = a, y = b))[]
#'
#' # the last position of a slider is what counts
#' queries <- lapply(1:5, function(i) mirai(i, i = i, .delay = 50, .replace = "slider"))
#' unlist(collect_mirai(queries))
#'
#' # asked twice, computed once
#' m <- lapply(1:2, function(i) mirai(Sys.time(), .dedupe = "time"))
#' identical(m[[1]][], m[[2]][])
#'
#' # what fails now and then
#' mirai(if (runif(1) < 0.5) stop("bad luck") else "well", .retries = c(error = 20))[]
#' daemons(0)
#' }
#' @name task_options
NULL

option_names <- c(
  ".priority", ".class", ".estimate", ".delay", ".deadline", ".limit", ".retries", ".backoff",
  ".replace", ".dedupe", ".needs", ".worker", ".after", ".rank"
)

# The arguments of the exported function whose frame it is, as C takes them (options.c); NULL where
# none is given. class: where `.class` does not say.
task_options <- function(frame, class = NULL) {
  call <- sys.call(-1L)
  names <- intersect(option_names, names(formals(sys.function(-1L))))
  given <- mget(names, envir = frame)
  given <- given[!vapply(given, is.null, NA)]
  if (!length(given)) {
    return(NULL)
  }
  for (name in names(given)) {
    given[[name]] <- option_checks[[name]](given[[name]], name, call)
  }
  check_times(given, call)
  pack_options(given, class)
}

pack_options <- function(given = list(), class = NULL) {
  number <- function(name) if (is.null(given[[name]])) 0 else given[[name]]
  retries <- if (is.null(given$.retries)) c(0L, 0L) else given$.retries
  class <- if (is.null(given$.class)) class else given$.class
  list(
    if (length(class) && nzchar(class)) class,
    as.integer(c(number(".priority"), number(".rank"), retries, number(".backoff"))),
    c(number(".estimate"), number(".delay"), number(".deadline"), number(".limit")),
    given$.replace, given$.dedupe, given$.needs, given$.worker, given$.after
  )
}

stop_option <- function(name, allowed, value, call = user_call()) {
  force(call)
  stop_argument("`%s` must be %s, not %s", name, allowed, shown(value), call = call)
}

is_number <- function(x) is.numeric(x) && length(x) == 1L && is.finite(x)

is_string <- function(x) is.character(x) && length(x) == 1L && !is.na(x)

# Three hundred years: what is longer is an error of units.
most_ms <- 1e13

milliseconds <- function(least) {
  allowed <- sprintf("a number of milliseconds, %s", least)
  function(x, name, call) {
    if (!is_number(x) || x < 0 || x > most_ms || (least != "0 or more" && x == 0)) {
      stop_option(name, allowed, x, call)
    }
    as.double(x)
  }
}

check_key <- function(x, name, call) {
  if (!is_string(x) || !nzchar(x) || nchar(x, "bytes") > 255L) {
    stop_option(name, "a key, a string of 1 to 255 bytes", x, call)
  }
  enc2utf8(x)
}

priorities <- c("interactive", "normal", "batch") # as in enum xd_priority

check_priority <- function(x, name, call) {
  if (!is_string(x) || !x %in% priorities) {
    stop_option(name, "\"interactive\", \"normal\" or \"batch\"", x, call)
  }
  match(x, priorities)
}

check_class <- function(x, name, call) {
  if (!is_string(x) || nchar(x, "bytes") > 255L) {
    stop_option(name, "a string of at most 255 bytes", x, call)
  }
  enc2utf8(x)
}

check_retries <- function(x, name, call) {
  known <- c("error", "lost")
  names <- if (is.null(names(x)) && length(x) == 1L) known else names(x)
  fits <- is.numeric(x) && length(x) %in% 1:2 && !anyDuplicated(names) && all(names %in% known) &&
    length(names) >= length(x) && all(is.finite(x) & x >= 0 & x <= 1000 & x == round(x))
  if (!fits) {
    stop_option(name, "c(error = , lost = ) with whole numbers from 0 to 1000, or one of them",
      x, call
    )
  }
  out <- c(error = 0L, lost = 0L)
  out[names] <- as.integer(x)
  unname(out)
}

check_backoff <- function(x, name, call) {
  if (!is_number(x) || x < 0 || x > 3600000) {
    stop_option(name, "a number of milliseconds from 0 to 3600000, an hour", x, call)
  }
  as.double(x)
}

need_pattern <- "^[^ =>]+(=[^ ]+|>=([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?[kMGT]?)?$"

# Also of what a daemon has, where it stands alone in what is asked.
check_words <- function(x, name, allowed, pattern, call) {
  words <- if (is.character(x) && length(x) && !anyNA(x)) {
    unlist(strsplit(trimws(x), "[[:space:]]+"))
  }
  text <- paste(words, collapse = " ")
  fits <- length(words) && all(grepl(pattern, words)) && nchar(text, "bytes") <= 255L
  if (!fits) {
    stop_option(name, allowed, x, call)
  }
  enc2utf8(text)
}

check_needs <- function(x, name, call) {
  allowed <- "words like \"fast\", \"zone=a\", \"gpu>=1\" or \"memory>=4e9\", 255 bytes together"
  check_words(x, name, allowed, need_pattern, call)
}

# Of daemon(), daemons() and those that launch.
check_has <- function(x, call = sys.call(-1L)) {
  if (is.null(x)) {
    return(NULL)
  }
  allowed <- "words like \"fast\", \"zone=a\", \"gpu=1\" or \"memory=8e9\", 255 bytes together"
  check_words(x, "has", allowed, "^[^ =>]+(=[^ >]+)?$", call)
}

check_worker <- function(x, name, call) {
  if (!is_string(x) || !grepl("^[1-9][0-9]{0,19}$", x)) {
    stop_option(name, "a daemon's number, a string as in tasks()$worker", x, call)
  }
  x
}

check_after <- function(x, name, call) {
  x <- if (is_mirai(x)) list(x) else if (is.list(x)) unclass(x)
  ours <- vapply(x, inherits, NA, what = task_class[[1L]])
  wrong <- if (is.null(x)) {
    "something else"
  } else if (!all(ours)) {
    sprintf("one with an object of class <%s>", class(x[!ours][[1L]])[[1L]])
  } else if (length(x) > 32L) {
    sprintf("one of %d", length(x))
  }
  if (!is.null(wrong)) {
    stop_argument("`%s` must be a list of at most 32 tasks, not %s", name, wrong, call = call)
  }
  names <- names(x)[nzchar(names(x))]
  if (anyDuplicated(names)) {
    stop_argument("`%s` must not have a name twice: %s", name, names[duplicated(names)][[1L]],
      call = call
    )
  }
  x
}

check_rank <- function(x, name, call) {
  if (!is_number(x) || x != round(x) || x < -32768 || x > 32767) {
    stop_option(name, "a whole number from -32768 to 32767", x, call)
  }
  as.integer(x)
}

# By the arguments' names: functions of value, name and call that give the value as C wants it.
option_checks <- list(
  .priority = check_priority, .class = check_class, .estimate = milliseconds("more than 0"),
  .delay = milliseconds("0 or more"), .deadline = milliseconds("more than 0"),
  .limit = milliseconds("more than 0"), .retries = check_retries, .backoff = check_backoff,
  .replace = check_key, .dedupe = check_key, .needs = check_needs, .worker = check_worker,
  .after = check_after, .rank = check_rank
)

check_times <- function(given, call) {
  if (!is.null(given$.deadline) && !is.null(given$.delay) && given$.deadline <= given$.delay) {
    stop_argument(
      "`.deadline` must be later than `.delay`, and %g ms is not later than %g ms",
      given$.deadline, given$.delay, call = call
    )
  }
}

# ---- tasks that others come after ----

# What tasks that have their values here give to a later one, at once; the broker hands over
# the results of the others. list(options, values, names): the first with the others only, whose
# names are the third. Or a string: why the task cannot run. has_broker: else all are waited for.
split_after <- function(options, has_broker) {
  after <- options[[8L]]
  names <- if (is.null(names(after))) character(length(after)) else names(after)
  kept <- vapply(after, function(task) has_broker && .Call(C_rxd_task_is_kept, task), NA)
  values <- lapply(after[!kept], function(task) .Call(C_rxd_task_collect, task))
  for (value in values) {
    if (is_error_value(value)) {
      return(sprintf("a task it comes after failed: %s", value_text(value)))
    }
  }
  options[8L] <- list(unname(after[kept]))
  names(values) <- names[!kept]
  list(options = options, values = values[nzchar(names[!kept])], names = names[kept])
}

has_after <- function(options) !is.null(options) && length(options[[8L]]) > 0L

# A task that has ended, without having begun.
failed_task <- function(text) .Call(C_rxd_task_resolved, list(plain_error(text)))

check_after_names <- function(options, args, call = sys.call(-1L)) {
  if (!has_after(options)) {
    return(invisible())
  }
  both <- intersect(names(options[[8L]]), names(args))
  both <- both[nzchar(both)]
  if (length(both)) {
    stop_argument("`.after` and `.args` both have a variable `%s`", both[[1L]], call = call)
  }
}

# In a daemon: those that the broker handed over, by the names that the task has for them.
assign_given <- function(names, values, environment) {
  for (i in which(nzchar(names))) {
    assign(names[[i]], values[[i]], envir = environment)
  }
}

#' Say that a task lives
#'
#' To be called by a task with a `.limit`, now and then: its time begins anew. Everything else
#' that a task tells while it runs counts, too.
#'
#' @return `TRUE` where a task is running, else `FALSE`; invisibly.
#' @examples
#' touch_task() # FALSE: not in a task
#' \donttest{
#' daemons(1)
#' m <- mirai(
#'   {
#'     for (i in 1:6) {
#'       Sys.sleep(0.1)
#'       crossdock::touch_task()
#'     }
#'     "done"
#'   },
#'   .limit = 400
#' )
#' m[]
#' daemons(0)
#' }
#' @export
touch_task <- function() {
  invisible(.Call(C_rxd_worker_touch, NULL) || on_daemon())
}
