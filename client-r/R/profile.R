# SPDX-License-Identifier: MIT
# How the tasks of a profile go: settings that may change while it is used.

#' How the tasks of a profile go
#'
#' `profile_options()` changes how the broker treats a compute profile, also while tasks wait in
#' it; what is not given stays as it is. `kick_tasks()` lets tasks run again that were put aside
#' because three daemons were lost with each.
#'
#' Policies: `"bands"`, the default, serves tasks with short run times first and starves none;
#' `"fifo"` takes them in the order of submission; `"sjf"` always takes the one with the shortest
#' run time, but tasks that wait gain on shorter ones; `"priority"` goes by `.rank` of [mirai()].
#' In each of them `.priority` comes first.
#'
#' Profiles share daemons when one names another as its `pool`, here or in [daemons()]: by
#' `weight`, so that one of weight 2 gets twice the time of one of weight 1 while both have work,
#' whatever their tasks' lengths. An example is a profile for each of many users of the same
#' daemons.
#'
#' With a broker of its own (`daemons(broker = )`) the settings are those of the first session that
#' made the profile; others may not change them.
#'
#' @param policy `"bands"`, `"fifo"`, `"sjf"` or `"priority"`; only while no task is in the profile.
#' @param weight its share of daemons that profiles share: 0.001 to 1,000,000, 1 at first.
#' @param limit how many of its tasks may run at one time; `Inf`: as many as there are daemons.
#' @param paused `TRUE`: no task is begun; those that run go on.
#' @param pool the name of the profile whose daemons it uses; only while no task is in it.
#' @param max_tasks,max_bytes how much of the profile may be with the broker, values that nobody
#'   has received included; what is over it waits in this session. `Inf`: what the broker allows.
#' @param .compute name of the compute profile, `NULL`: the current one.
#' @return `profile_options()`: a list of what was set, invisibly. `kick_tasks()`: `NULL`,
#'   invisibly.
#' @seealso [task_options], [explain()]
#' @examples
#' \donttest{
#' daemons(1)
#' profile_options(policy = "fifo", limit = 1)
#'
#' # another profile that has the same daemon, and gets two thirds of its time
#' daemons(pool = "default", .compute = "other")
#' profile_options(weight = 2, .compute = "other")
#' mirai("also there", .compute = "other")[]
#' daemons(0, .compute = "other")
#'
#' profile_options(paused = TRUE)
#' m <- mirai("at last")
#' explain(m)
#' profile_options(paused = FALSE)
#' m[]
#' daemons(0)
#' }
#' @export
profile_options <- function(
  policy = NULL,
  weight = NULL,
  limit = NULL,
  paused = NULL,
  pool = NULL,
  max_tasks = NULL,
  max_bytes = NULL,
  .compute = NULL
) {
  profile <- settable_profile(.compute)
  settings <- list(
    policy = check_policy(policy),
    weight = check_setting(weight, "weight", 0.001, 1e6),
    limit = check_setting(limit, "limit", 1, 4294967295, or_inf = TRUE),
    paused = if (!is.null(paused)) {
      check_flag(paused, "paused")
      paused
    },
    pool = check_pool(pool, profile),
    max_tasks = check_setting(max_tasks, "max_tasks", 1, 1e15, or_inf = TRUE),
    max_bytes = check_setting(max_bytes, "max_bytes", 1, 1e15, or_inf = TRUE)
  )
  .Call(C_rxd_profile_set, profile$pointer, settings)
  invisible(settings[!vapply(settings, is.null, NA)])
}

#' @rdname profile_options
#' @export
kick_tasks <- function(.compute = NULL) {
  profile <- settable_profile(.compute)
  invisible(.Call(C_rxd_profile_kick, profile$pointer))
}

settable_profile <- function(compute, call = sys.call(-1L)) {
  profile <- find_profile(compute)
  if (is.null(profile)) {
    stop_argument("daemons must be set to use this function", call = call)
  }
  if (is_sync(profile)) {
    stop_argument("a synchronous compute profile has no settings", call = call)
  }
  profile
}

policies <- c("bands", "fifo", "sjf", "priority")

check_policy <- function(policy, call = sys.call(-1L)) {
  if (!is.null(policy) && (!is_string(policy) || !policy %in% policies)) {
    stop_option("policy", "\"bands\", \"fifo\", \"sjf\" or \"priority\"", policy, call)
  }
  policy
}

# With the broker 0 stands for no limit.
check_setting <- function(x, name, least, most, or_inf = FALSE, call = sys.call(-1L)) {
  if (is.null(x)) {
    return(NULL)
  }
  if (or_inf && identical(as.double(x), Inf)) {
    return(0)
  }
  if (!is_number(x) || x < least || x > most || (or_inf && x != round(x))) {
    allowed <- if (or_inf) {
      "a whole number of at least 1, or Inf"
    } else {
      sprintf("a number from %s to %s", least, format(most, big.mark = ",", scientific = FALSE))
    }
    stop_option(name, allowed, x, call)
  }
  as.double(x)
}

# By its name with the broker.
check_pool <- function(pool, profile, call = sys.call(-1L)) {
  if (is.null(pool)) {
    return(NULL)
  }
  if (!is_string(pool) || !nzchar(pool)) {
    stop_option("pool", "the name of a compute profile", pool, call)
  }
  other <- the$profiles[[pool]]
  if (is.null(other)) {
    return(enc2utf8(pool)) # with a broker of its own it may be another session's
  }
  if (is_sync(other) || other$address != profile$address) {
    stop_argument("`pool` must be a profile of the same broker, and '%s' is none", pool,
      call = call
    )
  }
  other$place
}
