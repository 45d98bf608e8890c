# SPDX-License-Identifier: MIT
# Random numbers: streams of L'Ecuyer's generator, of which each daemon, or with a seed each
# task, has one of its own. The profile keeps the next one in `stream`.

# The first one of a seed; NULL: the one that R makes of this session's generator. As in mirai that
# goes on by a number either way.
first_stream <- function(seed) {
  stats::runif(1L)
  keep_random(if (is.null(seed)) {
    RNGkind("L'Ecuyer-CMRG", "Inversion", "Rejection")
  } else {
    set.seed(seed, "L'Ecuyer-CMRG", "Inversion", "Rejection")
  })
}

# `expr` sets the generator of this session; afterwards it is as it was. Returns what was set.
keep_random <- function(expr) {
  kinds <- RNGkind()
  seed <- .GlobalEnv$.Random.seed
  on.exit(restore_random(kinds, seed))
  expr
  .GlobalEnv$.Random.seed
}

restore_random <- function(kinds, seed) {
  if (is.null(seed)) {
    suppressWarnings(RNGkind(kinds[[1L]], kinds[[2L]], kinds[[3L]])) # sample.kind "Rounding" warns
    rm(".Random.seed", envir = .GlobalEnv)
  } else {
    .GlobalEnv$.Random.seed <- seed
  }
}

set_streams <- function(profile, seed) {
  profile$seed <- seed
  profile$seeded <- !is.null(seed)
  profile$stream <- profile$daemon_stream <- first_stream(seed)
}

check_seed <- function(seed) {
  number <- if (is.numeric(seed) && length(seed) == 1L) suppressWarnings(as.integer(seed)) else NA
  if (!is.null(seed) && is.na(number)) {
    stop_option("seed", "an integer or NULL", seed)
  }
  if (is.null(seed)) NULL else number
}

# The next stream of the profile, which goes on to the one after it.
next_stream <- function(profile) {
  stream <- profile$stream
  profile$stream <- parallel::nextRNGStream(stream)
  stream
}

# Those of the profile's daemons are the ones that follow its seed, which without dispatcher is the
# first of them: the first was joined as the first. `n` of them, as many as were given out before
# left out.
daemon_streams <- function(profile, n) {
  streams <- vector("list", n)
  for (i in seq_len(n)) {
    following <- parallel::nextRNGStream(profile$daemon_stream)
    streams[[i]] <- if (profile$dispatcher) following else profile$daemon_stream
    profile$daemon_stream <- following
  }
  streams
}

# The local daemons that have just joined get theirs, in the order in which they did.
give_streams <- function(profile, streams) {
  body <- task_body(package_call("take_stream", "streams"), list(streams = streams), NULL)
  tasks <- .Call(C_rxd_submit, current_route(profile), body, NULL, length(streams), NULL)
  call_mirai(.Call(C_rxd_tasks_hide, tasks))
  profile$base[[6L]] <- .Call(C_rxd_profile_count, profile$pointer)[[6L]]
}

# On a daemon.
take_stream <- function(streams) {
  the$is_own <- TRUE
  part <- the$task[[5L]] + 1L
  if (part <= length(streams)) {
    .GlobalEnv$.Random.seed <- streams[[part]]
  }
  invisible()
}

# As daemon() does when it begins. NA: the generator is left as R has it. A process in the place of
# one that crashed does not draw the same numbers again: it has another substream, 2^76 away.
start_random <- function(stream, restarts = 0L) {
  if (anyNA(stream)) {
    return(invisible())
  }
  if (is.null(stream)) {
    RNGkind("L'Ecuyer-CMRG", "Inversion", "Rejection")
  } else {
    stream <- as.integer(stream)
    for (i in seq_len(restarts)) {
      stream <- parallel::nextRNGSubStream(stream)
    }
    .GlobalEnv$.Random.seed <- stream
  }
}

# The argument `rs` of daemon(), as text.
stream_argument <- function(stream) {
  sprintf("rs=c(%s)", paste(stream, collapse = ","))
}

#' For those who build on compute profiles
#'
#' `nextstream()` gives the next stream of random numbers of a profile, and goes on to the one
#' after it; `nextget()` something known of the profile; `nextcode()` the meaning of what
#' [daemon()] returns.
#'
#' @param x the name of what is wanted: `"n"`, how many daemons were asked for; `"dispatcher"`;
#'   `"url"`; `"tls"`; `"seed"`.
#' @param xc an exit code of [daemon()].
#' @param .compute name of the compute profile.
#' @return `nextstream()`: an integer vector of length 7, to be assigned to `.Random.seed`.
#'   `nextget()`: the value. Both `NULL` where no daemons are set. `nextcode()`: a text.
#' @examples
#' nextcode(0:3)
#' \donttest{
#' daemons(1)
#' nextget("url")
#' nextstream()
#' daemons(0)
#' }
#' @export
nextget <- function(x, .compute = "default") {
  if (!is_string(x)) {
    stop_option("x", "the name of what is wanted, a string", x)
  }
  profile <- find_profile(.compute)
  known <- list(
    n = profile$n, dispatcher = if (isTRUE(profile$dispatcher)) profile$url, url = profile$url,
    tls = profile$tlscert, seed = profile$seed
  )
  known[[x]]
}

#' @rdname nextget
#' @export
nextstream <- function(.compute = "default") {
  profile <- find_profile(.compute)
  if (is.null(profile)) NULL else next_stream(profile)
}

#' @rdname nextget
#' @export
nextcode <- function(xc) {
  texts <- c(
    "Daemon connection terminated", "Daemon idletime limit reached",
    "Daemon walltime limit reached", "Daemon task limit reached"
  )
  if (!is.numeric(xc) || !all(xc %in% 0:3)) {
    stop_option("xc", "an exit code of daemon(), 0 to 3", xc)
  }
  sprintf("%d | %s", as.integer(xc), texts[xc + 1L])
}
