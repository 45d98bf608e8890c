# Compute profiles. A profile is an environment:
#   name, pointer (C's), session (C's), address (key in the$sessions), group (of its local
#   daemons), dispatcher, args (of daemon(), as text), url, serial (what the user gave:
#   NULL means whatever register_serial() knows), config (in force), route (see C's task.c).

#' Set daemons up, or end them
#'
#' Daemons are R processes that evaluate tasks. They belong to a *compute profile*; each
#' profile has its own daemons and its own queue.
#'
#' `daemons(n)` starts `n` local daemons behind a broker inside this R process, and returns
#' when all are connected. `daemons(broker = url)` makes the profile one of a broker that
#' runs elsewhere (`crossdock-broker`), where any number of R sessions and C programs share
#' its workers; with `n` as well, this session adds `n` local daemons of its own. A daemon that
#' crashes is replaced.
#'
#' `daemons(0)` ends what this session started: its local daemons, and its use of the
#' profile. Tasks that have not ended then resolve to `errorValue` 19.
#'
#' @param n number of local daemons; 0 or `NULL` to end them.
#' @param url an address to listen on instead, for daemons started by hand or with
#'   [launch_local()]: `"ipc:///path"`, or one made by [local_url()].
#' @param remote,sync,seed,memory,tls,pass as in mirai; not in this version (an error).
#' @param dispatcher `TRUE`: tasks wait with the broker until a daemon is free. `FALSE`:
#'   each task is bound to the next daemon in turn when it arrives.
#' @param ... arguments for [daemon()] (logical or numeric), for local daemons.
#' @param serial a configuration made by [serial_config()]; `NULL`: what was registered with
#'   [register_serial()], now or later; `list()`: none.
#' @param broker address of a broker to use, `"ipc:///path"`. `TRUE`: the address in the
#'   environment variable `CROSSDOCK_URL`, else the default address of this user.
#' @param .compute name of the profile; `NULL`: the current one, usually `"default"`.
#' @return `TRUE` (set up) or `FALSE` (ended), invisibly, of class `miraiDaemons`.
#' @seealso [status()], [launch_local()], [daemon()]
#' @examples
#' \donttest{
#' daemons(2)
#' status()
#' mirai_map(1:4, function(x) x^2)[.flat]
#' daemons(0)
#' }
#' @export
daemons <- function(
  n,
  url = NULL,
  remote = NULL,
  dispatcher = TRUE,
  ...,
  sync = FALSE,
  seed = NULL,
  memory = NULL,
  serial = NULL,
  tls = NULL,
  pass = NULL,
  broker = NULL,
  .compute = NULL
) {
  name <- profile_name(.compute)
  check_unavailable(list(
    remote = remote, sync = if (!isFALSE(sync)) sync, seed = seed, memory = memory, tls = tls,
    pass = pass
  ))
  if (missing(n)) {
    if (is.null(url) && is.null(broker)) {
      n # the usual error
    }
    n <- 0
  } else if (is.null(n) || identical(as.double(check_count(n)), 0) && is.null(c(url, broker))) {
    reset_profile(name)
    return(invisible(daemons_value(FALSE, name)))
  }
  if (n > 0) {
    check_no_map()
  }
  url <- check_url(url, "url")
  args <- daemon_args(...)
  check_flag(dispatcher, "dispatcher")
  if (!is.null(serial)) {
    serial <- serial_check(serial)
  }
  reset_profile(name)
  profile <- new_profile(name, url, broker, dispatcher, serial, args)
  ready <- FALSE
  on.exit(if (!ready) reset_profile(name))
  if (n > 0 && is.null(url)) { # who listens waits for others
    start_local(profile, as.integer(n))
  }
  ready <- TRUE
  invisible(daemons_value(TRUE, name))
}

#' @export
print.crossdock_daemons <- function(x, ...) {
  print(as.vector(unclass(x)))
  invisible(x)
}

daemons_value <- function(value, name) {
  structure(value, class = c(daemons_class, name))
}

check_unavailable <- function(arguments) {
  for (name in names(arguments)) {
    if (!is.null(arguments[[name]])) {
      stop_argument("`%s` is not available in this version of crossdock", name, call = sys.call(-1L))
    }
  }
}

check_count <- function(n) {
  if (!is.numeric(n) || length(n) != 1L || is.na(n)) {
    stop_argument("`n` must be numeric, did you mean to provide `url`?", call = sys.call(-1L))
  }
  if (n < 0) {
    stop_argument("the number of daemons must be zero or greater", call = sys.call(-1L))
  }
  n
}

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1L || is.na(x)) {
    stop_argument("`%s` must be TRUE or FALSE", name, call = sys.call(-1L))
  }
}

check_url <- function(url, name) {
  if (is.null(url)) {
    return(NULL)
  }
  if (!is.character(url) || !length(url)) {
    stop_argument(
      "`%s` must be of type character, not %s", name, typeof(url), call = sys.call(-1L)
    )
  }
  url[[1L]]
}

# ---- profiles ----

profile_name <- function(compute) {
  if (is.null(compute)) {
    return(the$current)
  }
  if (!is.character(compute) || length(compute) != 1L || is.na(compute) || !nzchar(compute)) {
    stop_argument("`.compute` must be a profile's name or NULL", call = sys.call(-1L))
  }
  compute
}

# The profile, or NULL where none was set up.
find_profile <- function(compute) {
  the$profiles[[profile_name(compute)]]
}

# The profile, or mirai's error.
get_profile <- function(compute) {
  profile <- find_profile(compute)
  if (is.null(profile)) {
    stop_argument("daemons must be set to use this function", call = sys.call(-1L))
  }
  profile
}

new_profile <- function(name, url, broker, dispatcher, serial, args) {
  profile <- make_profile(name, session_key(url, broker), dispatcher)
  profile$serial <- serial
  profile$args <- args
  profile$base <- .Call(C_rxd_profile_count, profile$pointer)
  the$profiles[[name]] <- profile
  profile
}

# What each needs: a session, its place with the broker, a group for its daemons.
make_profile <- function(name, address, dispatcher) {
  session <- open_session(address)
  profile <- new.env(parent = emptyenv())
  profile$name <- name
  profile$address <- address
  profile$session <- session
  profile$pointer <- .Call(C_rxd_profile_new, session, name, !dispatcher)
  profile$url <- .Call(C_rxd_session_address, session)
  profile$dispatcher <- dispatcher
  the$groups <- profile$group <- the$groups + 1L
  profile
}

reset_profile <- function(name) {
  profile <- the$profiles[[name]]
  if (is.null(profile)) {
    return(invisible())
  }
  finish_everywhere(profile)
  unused <- !profile$dispatcher && is.null(.Call(C_rxd_session_fault, profile$session)) &&
    profile_counts(profile)[["joined"]] == 0
  .Call(C_rxd_profile_close, profile$pointer, if (unused) 7L else 19L)
  the$profiles[[name]] <- NULL
  stop_local(profile$group)
  close_session(profile$address)
  .Call(C_rxd_session_trim)
}

# `everywhere(tear_down()); daemons(0)` shall tear down: daemons that are idle get a moment.
finish_everywhere <- function(profile) {
  end <- proc.time()[[3L]] + 1
  while (unresolved(profile$last) && profile_is_up(profile) && proc.time()[[3L]] < end) {
    Sys.sleep(0.002)
  }
}

profile_is_up <- function(profile) {
  is.null(.Call(C_rxd_session_fault, profile$session)) &&
    profile_counts(profile)[["r_workers"]] > 0
}

# ---- sessions with brokers ----

# Which session a profile uses, as a text: "" is the broker in this process, shared by all
# profiles; "listen URL" one in this process that listens there; else a broker to dial.
session_key <- function(url, broker) {
  if (!is.null(broker)) {
    if (isTRUE(broker)) "default" else check_url(broker, "broker")
  } else if (!is.null(url)) {
    paste("listen", url)
  } else {
    ""
  }
}

open_session <- function(key) {
  session <- the$sessions[[paste0("=", key)]]
  if (!is.null(session) && is.null(.Call(C_rxd_session_fault, session))) {
    return(session)
  }
  listen <- if (startsWith(key, "listen ")) substring(key, 8L) else NA_character_
  address <- if (key == "" || !is.na(listen)) NA_character_ else if (key == "default") "" else key
  session <- .Call(C_rxd_session_open, address, listen)
  the$sessions[[paste0("=", key)]] <- session
  session
}

# The embedded broker stays until R ends; others go with their last profile.
close_session <- function(key) {
  used <- any(vapply(the$profiles, function(p) p$address == key, NA))
  if (key != "" && !used) {
    .Call(C_rxd_session_close, the$sessions[[paste0("=", key)]])
    the$sessions[[paste0("=", key)]] <- NULL
  }
}

# ---- routes: what tasks of a profile have in common ----

task_route <- function(compute) {
  name <- profile_name(compute)
  profile <- the$profiles[[name]]
  if (is.null(profile)) {
    profile <- ephemeral_profile(name)
  }
  current_route(profile)
}

# With the serial configuration in force now: what was given, else what is registered.
current_route <- function(profile) {
  config <- if (is.null(profile$serial)) registered_serial() else profile$serial
  if (is.null(profile$route) || !identical(config, profile$config)) {
    profile$config <- config
    profile$route <- new_route(profile, config)
  }
  profile$route
}

new_route <- function(profile, config) {
  if (!length(config)) {
    return(list(profile$pointer, NULL, NULL)) # R serializes alone
  }
  sent <- config
  sent[2:3] <- lapply(config[2:3], lapply, strip_source)
  profile$sent <- serialize(sent, NULL, xdr = FALSE)
  profile$setup <- shared_setup(profile)
  if (is.null(profile$setup)) {
    profile$setup <- .Call(C_rxd_setup_new, profile$session, profile$sent)
  }
  list(profile$pointer, profile$setup, config)
}

# That of another profile of the same session with the same configuration, so that a
# thousand profiles do not mean a thousand copies.
shared_setup <- function(profile) {
  for (other in the$profiles) {
    if (other$address == profile$address && !is.null(other$setup) &&
      !identical(other, profile) && identical(other$sent, profile$sent)) {
      return(other$setup)
    }
  }
}

# Source references drag the text of whole files along.
strip_source <- function(f) {
  if (is.primitive(f)) f else utils::removeSource(f)
}

# On a daemon: from the bytes of a setup to the configuration in force for its tasks; what
# the daemon itself registered comes behind.
setup_config <- function(bytes) {
  config <- unserialize(bytes)
  own <- registered_serial()
  if (length(own)) unname(Map(c, config, own)) else config
}
