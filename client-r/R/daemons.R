# Compute profiles. A profile is an environment:
#   name, pointer (C's), session (C's), address (key in the$sessions), group (of its local
#   daemons), dispatcher, args (of daemon(), as text), serial (what the user gave:
#   NULL means whatever register_serial() knows), config (in force), route (see C's task.c),
#   n, seed, seeded, stream, daemon_stream (random numbers, see random.R), memory, peak (bytes,
#   see budget.R), persist (setups, see everywhere.R), has_s4 (classes in config), place (its
#   name with the broker), url (as others dial it), local (as local daemons do), ports (of a
#   broker on tcp), tlscert (the public key of one on tcp, where known), span (see
#   otel.R). One without daemons has `sync`, see sync.R, and few of these.

#' Set daemons up, or end them
#'
#' Daemons are R processes that evaluate tasks. They belong to a *compute profile*; each
#' profile has its own daemons and its own queue.
#'
#' `daemons(n)` starts `n` local daemons behind a broker inside this R process, and returns
#' when all are connected. A daemon that crashes is replaced.
#'
#' `daemons(url = url)` listens at an address for daemons that are started elsewhere: with
#' [launch_remote()] or `remote =`, with [launch_local()], or by hand with [daemon()]. On tcp,
#' the broker is then an R process of its own, started and ended by this session.
#'
#' `daemons(broker = url)` makes the profile one of a broker that runs by itself
#' (`crossdock-broker`), where any number of R sessions and C programs share its workers; with
#' `n` as well, this session adds `n` local daemons of its own.
#'
#' `daemons(0)` ends what this session started: its local daemons, its broker, and its use of
#' the profile. Tasks that have not ended then resolve to `errorValue` 19. They resolve to 7
#' when the broker is lost.
#'
#' @section Keys:
#' Everything on tcp is encrypted and authenticated by CURVE keys, also on the loopback
#' address. They are files in the state directory of each user: the environment variable
#' `CROSSDOCK_STATE`, else `$XDG_STATE_HOME/crossdock`, else `~/.local/state/crossdock`. The
#' first session that listens on tcp makes a pair for brokers (`server.key`, of which
#' `server.pub` is the public half) and one for the user (`user.key`). A broker admits its own
#' user's key, and those that were added with `crossdock keys add`.
#'
#' Sessions and daemons of the same user on hosts with the same home directory find both by
#' themselves. Elsewhere they need the broker's public key, as `tlscert` or in the environment
#' variable `CROSSDOCK_SERVER_KEY`, and a key of their own that the broker admits, in
#' `user.key` or the file that `CROSSDOCK_KEY_FILE` names. See [launch_remote()].
#'
#' @param n number of local daemons; 0 to end them, `NULL` to end also those of this profile
#'   that were started elsewhere with `autoexit = FALSE`. With `remote`: how many daemons
#'   are launched, see [launch_remote()].
#' @param url an address to listen on instead: `"tcp://host:port"`, of which `host_url()` and
#'   `local_url(tcp = TRUE)` make some (port 0: one that is free), `"ipc:///path"`, or
#'   one made by [local_url()]. `tls+tcp://` is another spelling of `tcp://`;
#'   `abstract://name` is a socket of that name which only this user can reach. So is any
#'   `"ipc:///path"`: in a directory that others use, too, such as `"ipc:///tmp/name"`, the path
#'   becomes a directory with the sockets in it, which is removed at the end.
#' @param remote how to launch daemons on other hosts at once: made by [ssh_config()],
#'   [cluster_config()] or [remote_config()].
#' @param sync `TRUE`: no daemons; tasks are evaluated in this process when they are made, for
#'   debugging. The global environment and the random numbers of the session are not theirs.
#' @param seed an integer: each task has a stream of random numbers of its own, so that results
#'   do not depend on the number of daemons. `NULL`: each daemon has one. Streams are those of
#'   L'Ecuyer's generator, see [nextstream()].
#' @param memory megabytes of tasks that may wait in this profile for a daemon; see *Memory* in
#'   [mirai()]. `NULL`, zero, or not finite: no limit.
#' @param tls,pass in mirai, certificates; here an error, since tcp is encrypted without.
#' @param dispatcher `TRUE`: tasks wait with the broker until a daemon is free. `FALSE`:
#'   each task is bound to the next daemon in turn when it arrives.
#' @param ... arguments for [daemon()] (logical or numeric ones, and `has`), for daemons that this
#'   session launches.
#' @param serial a configuration made by [serial_config()]; `NULL`: what was registered with
#'   [register_serial()], now or later; `list()`: none; `"auto"`: ready ones, see there.
#' @param broker address of a broker to use, `"tcp://host:port"` or `"ipc:///path"`. `TRUE`: the
#'   address in the environment variable `CROSSDOCK_URL`, else the default address of this user.
#' @param tlscert the public key of that broker, where it listens on tcp and is not of this
#'   user: 64 hexadecimal digits, or 40 characters of Z85.
#' @param pool name of another profile of this session: this one then has the same daemons, and both
#'   share their time; see [profile_options()].
#' @param .wait `FALSE`: return at once; tasks wait until daemons are there. Where these cannot
#'   start, tasks end as errors that say why, and so does [status()].
#' @param .compute name of the profile; `NULL`: the current one, usually `"default"`.
#' @return `TRUE` of class `miraiDaemons` (set up), or `FALSE` (ended), invisibly.
#' @seealso [status()], [launch_local()], [launch_remote()], [daemon()]
#' @examples
#' \donttest{
#' daemons(2)
#' status()
#' mirai_map(1:4, function(x) x^2)[.flat]
#' daemons(0)
#'
#' # listen for daemons of other hosts; what to run there:
#' daemons(url = local_url(tcp = TRUE))
#' status()$daemons
#' launch_remote(1)
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
  tlscert = NULL,
  pool = NULL,
  .wait = TRUE,
  .compute = NULL
) {
  name <- profile_name(.compute)
  check_flag(.wait, ".wait")
  check_flag(sync, "sync")
  seed <- check_seed(seed)
  memory <- check_memory(memory)
  check_certificates(tls, pass)
  look_for_tracer()
  if (missing(n)) {
    if (is.null(url) && is.null(broker) && is.null(pool) && !sync) {
      n # the usual error
    }
    n <- if (is.null(remote)) 0L else 1L
  } else if (is.null(n) || identical(as.double(check_count(n)), 0) && is.null(c(url, broker))) {
    if (is.null(n)) {
      end_daemons(the$profiles[[name]])
    }
    reset_profile(name)
    return(invisible(FALSE))
  }
  if (n > 0) {
    check_no_map()
  }
  url <- check_url(url, "url")
  if (!is.null(remote)) {
    check_remote(remote)
  }
  args <- daemon_args(...)
  check_flag(dispatcher, "dispatcher")
  pool <- check_new_pool(pool, name, c(url, broker), sync)
  if (is.null(serial)) {
    serial <- getOption("crossdock.serial")
  }
  if (!is.null(serial)) {
    serial <- serial_check(serial)
  }
  reset_profile(name)
  if (sync) {
    profile <- new_sync_profile(name, serial, seed)
    profile$span <- profile_span("daemons set", profile)
    return(invisible(daemons_value(name)))
  }
  profile <- new_profile(name, url, broker, tlscert, dispatcher, serial, args, pool)
  ready <- FALSE
  on.exit(if (!ready) reset_profile(name))
  profile$n <- as.integer(n)
  profile$memory <- memory
  set_streams(profile, seed)
  if (!is.null(remote)) {
    launch_remote(n, remote, .compute = name)
  } else if (n > 0 && is.null(url)) { # who listens waits for others
    if (.wait) {
      streams <- start_local(profile, as.integer(n))
      if (is.null(broker)) { # others have daemons of theirs there
        give_streams(profile, streams)
      }
    } else {
      launch_each(profile, as.integer(n), args)
    }
  }
  profile$span <- profile_span("daemons set", profile)
  ready <- TRUE
  invisible(daemons_value(name))
}

#' @export
print.crossdock_daemons <- function(x, ...) {
  print(as.vector(unclass(x)))
  invisible(x)
}

daemons_value <- function(name) {
  structure(TRUE, class = c(daemons_class, name))
}

check_certificates <- function(tls, pass) {
  if (!is.null(tls) || !is.null(pass)) {
    stop_argument(
      "`tls` and `pass` take no certificates here: tcp is encrypted by keys, see ?daemons"
    )
  }
}

check_count <- function(n, least = 0) {
  if (!is.numeric(n) || length(n) != 1L || is.na(n)) {
    stop_argument("`n` must be numeric, did you mean to provide `url`?")
  }
  if (n < least) {
    usual <- "the number of daemons must be zero or greater"
    stop_argument(if (least == 0) usual else "`n` must be 1 or greater")
  }
  n
}

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1L || is.na(x)) {
    stop_option(name, "TRUE or FALSE", x)
  }
}

check_url <- function(url, name) {
  if (is.null(url)) {
    return(NULL)
  }
  if (!is.character(url)) {
    stop_argument("`%s` must be of type character, not %s", name, typeof(url))
  }
  if (!length(url) || is.na(url[[1L]])) {
    stop_option(name, "an address, a string", url)
  }
  url[[1L]]
}

# The profile whose daemons a new one shall use.
check_new_pool <- function(pool, name, elsewhere, sync, call = sys.call(-1L)) {
  if (is.null(pool)) {
    return(NULL)
  }
  if (!is_string(pool) || is.null(the$profiles[[pool]]) || pool == name) {
    stop_option("pool", "the name of another compute profile of this session", pool, call)
  }
  if (length(elsewhere) || sync || is_sync(the$profiles[[pool]])) {
    stop_argument("with `pool` there is no `url`, no `broker`, and no `sync`", call = call)
  }
  the$profiles[[pool]]
}

# ---- profiles ----

profile_name <- function(compute) {
  if (is.null(compute)) {
    return(the$current)
  }
  if (!is.character(compute) || length(compute) != 1L || is.na(compute) || !nzchar(compute)) {
    stop_option(".compute", "a profile's name or NULL", compute)
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
    stop_argument("daemons must be set to use this function")
  }
  profile
}

new_profile <- function(name, url, broker, tlscert, dispatcher, serial, args, pool = NULL) {
  if (is.null(pool)) {
    address <- session_key(name, url, broker)
    profile <- add_profile(make_profile(name, address, dispatcher, tlscert))
  } else {
    place <- if (is_own_broker(pool$address)) paste0(name, ".pooled") else name
    profile <- make_profile(name, pool$address, dispatcher, pool$tlscert, place)
    add_profile(profile)
    ready <- FALSE
    on.exit(if (!ready) reset_profile(name))
    profile_options(pool = pool$name, .compute = name)
    ready <- TRUE
  }
  profile$serial <- serial
  profile$args <- args
  profile
}

# Into the session's table.
add_profile <- function(profile) {
  profile$peak <- 0
  profile$base <- .Call(C_rxd_profile_count, profile$pointer)
  the$profiles[[profile$name]] <- profile
  profile
}

# What each needs: a session, its place with the broker, a group for its daemons.
make_profile <- function(name, address, dispatcher, tlscert = NULL, place = NULL) {
  session <- open_session(address, tlscert)
  profile <- new.env(parent = emptyenv())
  on.exit(if (is.null(profile$pointer)) close_session(address))
  profile$name <- name
  profile$address <- address
  profile$session <- session
  profile$place <- if (is_own_broker(address)) "default" else name
  if (!is.null(place)) {
    profile$place <- place
  }
  profile$pointer <- .Call(C_rxd_profile_new, session, profile$place, !dispatcher)
  profile$local <- .Call(C_rxd_session_address, session)
  broker <- the$brokers[[paste0("=", address)]]
  profile$url <- if (is.null(broker)) profile$local else broker$url
  profile$ports <- if (is.null(broker)) .Call(C_rxd_session_ports, session) else broker$ports
  profile$tlscert <- if (is.null(broker)) tlscert else broker$key
  profile$dispatcher <- dispatcher
  the$groups <- profile$group <- the$groups + 1L
  profile
}

reset_profile <- function(name) {
  profile <- the$profiles[[name]]
  if (is.null(profile)) {
    return(invisible())
  }
  if (!is.null(profile$span)) {
    profile_span("daemons reset", profile, profile$span)
  }
  if (is_sync(profile)) {
    the$profiles[[name]] <- NULL
    return(invisible())
  }
  finish_everywhere(profile)
  unused <- !profile$dispatcher && is.null(.Call(C_rxd_session_fault, profile$session)) &&
    profile_counts(profile)[["joined"]] == 0
  stop_launches(list(profile))
  .Call(C_rxd_profile_close, profile$pointer, if (unused) 7L else 19L)
  the$profiles[[name]] <- NULL
  stop_local(profile$group)
  close_session(profile$address)
  .Call(C_rxd_session_trim)
}

# Those that would outlive the profile, too.
end_daemons <- function(profile) {
  if (!is.null(profile) && !is_sync(profile) && profile_is_up(profile)) {
    body <- task_body(package_call("end_daemon", NULL), list(), NULL)
    profile$last <- .Call(C_rxd_submit, current_route(profile), body, NULL, 1L, NULL)
  }
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
# profiles; "listen NAME", a line end and URL one that listens there for the daemons of this
# profile, who need not know its name; else a broker to dial.
session_key <- function(name, url, broker) {
  if (!is.null(broker)) {
    if (isTRUE(broker)) "default" else check_url(broker, "broker")
  } else if (!is.null(url)) {
    paste0("listen ", name, "\n", url)
  } else {
    ""
  }
}

is_own_broker <- function(key) startsWith(key, "listen ")

open_session <- function(key, tlscert = NULL) {
  entry <- paste0("=", key)
  session <- the$sessions[[entry]]
  if (!is.null(session) && is.null(.Call(C_rxd_session_fault, session))) {
    return(session)
  }
  session <- if (is_own_broker(key)) {
    listen_session(entry, sub("^[^\n]*\n", "", key))
  } else if (key == "") {
    .Call(C_rxd_session_open, NA_character_, NA_character_, NULL)
  } else {
    .Call(C_rxd_session_open, if (key == "default") "" else key, NA_character_, tlscert)
  }
  the$sessions[[entry]] <- session
  session
}

# On tcp with a broker's process, else with a thread of this one.
listen_session <- function(entry, url) {
  if (!is_tcp(url)) {
    return(.Call(C_rxd_session_open, NA_character_, url, NULL))
  }
  broker <- start_broker(url)
  opened <- FALSE
  on.exit(if (!opened) stop_broker(broker))
  session <- .Call(C_rxd_session_open, broker$local, NA_character_, NULL)
  opened <- TRUE
  the$brokers[[entry]] <- broker
  session
}

# The embedded broker stays until R ends; others go with their last profile.
close_session <- function(key) {
  used <- any(vapply(the$profiles, function(p) p$address == key, NA))
  if (key == "" || used) {
    return(invisible())
  }
  entry <- paste0("=", key)
  .Call(C_rxd_session_close, the$sessions[[entry]])
  the$sessions[[entry]] <- NULL
  broker <- the$brokers[[entry]]
  if (!is.null(broker)) {
    the$brokers[[entry]] <- NULL
    stop_broker(broker)
  }
}

# ---- routes: what tasks of a profile have in common ----

# The profile for a task: where none was set up one for this task alone.
task_profile <- function(compute) {
  name <- profile_name(compute)
  profile <- the$profiles[[name]]
  if (is.null(profile)) ephemeral_profile(name) else profile
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
  profile$has_s4 <- has_s4(config)
  if (!length(config) && !length(profile$persist)) {
    return(list(profile$pointer, NULL, NULL)) # R serializes alone
  }
  sent <- config
  if (length(config)) {
    sent[2:3] <- lapply(config[2:3], lapply, strip_source)
  }
  profile$sent <- serialize(list(sent, profile$persist), NULL, xdr = FALSE)
  profile$setup <- shared_setup(profile)
  if (is.null(profile$setup)) {
    profile$setup <- .Call(C_rxd_setup_new, profile$session, profile$sent)
  }
  list(profile$pointer, profile$setup, if (length(config)) config)
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
# the daemon itself registered comes behind. What everywhere() said once for all runs.
setup_config <- function(bytes) {
  setup <- unserialize(bytes)
  config <- setup[[1L]]
  own <- registered_serial()
  config <- if (length(config) && length(own)) {
    unname(Map(c, config, own))
  } else if (length(config)) {
    config
  }
  for (entry in setup[[2L]]) {
    run_setup(entry, config)
  }
  config
}
