#' crossdock: compute on other processes, and never wait for it
#'
#' [mirai()] sends an expression to a daemon, an R process that [daemons()] started or that
#' lives elsewhere, and returns at once. Between them stands a broker, inside this R process
#' or one of its own. Objects that R cannot serialize travel too, see [serial_config()].
#'
#' Programs written for the package mirai run unchanged.
#'
#' @keywords internal
#' @rawNamespace useDynLib(crossdock, .registration = TRUE, .fixes = "C_")
"_PACKAGE"

# Everything that changes while the package is loaded.
the <- new.env(parent = emptyenv())
the$profiles <- list() # compute profiles by name: environments, see daemons.R
the$sessions <- list() # sessions with brokers by address; "" is the embedded one
the$brokers <- list() # processes of brokers by the address of their sessions, see listen.R
the$current <- "default" # the profile used when none is named
the$series <- NULL # the first two numbers of the package's version, "0.1": see zzz.R
the$groups <- 0L # of local daemons, numbered
the$launchers <- integer() # processes of launchers that ran when last looked at, see launches.R
the$ephemeral <- list() # profiles of single tasks, see ephemeral.R
the$watches <- new.env(parent = emptyenv()) # what to call when tasks end, see promise.R
the$last_watch <- 0L
the$listeners <- list() # of on_event(), see events.R
the$tells <- FALSE # on a daemon: the task's client wants to hear of it while it runs
the$told <- NULL # where daemons(sync = TRUE) puts what a task sends
the$clusters <- 0L # made so far
the$cluster_nodes <- list() # names of profiles by the cluster's id, see cluster.R
the$future_backends <- 0L # with daemons of their own, numbered; see future.R
the$setups <- 0L # of everywhere(.persist = TRUE), numbered
the$persistent <- new.env(parent = emptyenv()) # on a daemon: what these gave, by id
the$has_new_setup <- FALSE # on a daemon: one has just run
the$has_later <- FALSE # on a daemon: package later was loaded by a task
the$is_ending <- FALSE # on a daemon: daemons(NULL) was called
the$is_own <- FALSE # on a daemon: the task was the package's, and does not count
the$task <- NULL # being evaluated here, if this process is a daemon
the$tracer <- NULL # of OpenTelemetry, where tracing is on; see otel.R
the$daemon_span <- NULL # on a daemon: that it has connected

# Classes of ours stand before mirai's, so that both packages can be loaded.
task_class <- c("crossdock_task", "mirai", "recvAio")
map_class <- c("crossdock_map", "mirai_map")
value_class <- c("crossdock_value", "errorValue", "try-error")
error_class <- c("crossdock_task_error", "miraiError", "errorValue", "try-error")
interrupt_class <- c("crossdock_interrupt", "miraiInterrupt", "errorValue", "try-error")
cluster_class <- c("crossdock_cluster", "miraiCluster", "cluster")
node_class <- c("crossdock_node", "miraiNode")
daemons_class <- c("crossdock_daemons", "miraiDaemons")

# What a task's `data` is until it has ended: always this very object.
unresolved_value <- structure(NA, class = c("crossdock_unresolved", "unresolvedValue"))

# The value of a task object that nothing here knows of.
detached_value <- structure(7L, class = value_class, message = paste(
  "this task object was restored from a file, or comes from another R process: it is detached,",
  "its value is only with the session that made it; collect tasks before saving them"
))

# The function behind the active binding `data` of a task; C gives each task a copy with
# the task as its environment. Filled in by .onLoad().
task_data <- NULL

# Of R and this package, which brokers show. Filled in by .onLoad().
versions <- NULL

task_value <- function(aio, task) .Call(C_rxd_task_data, aio, task)

# Errors that C raises.
stop_crossdock <- function(name, text) {
  classes <- c(paste0("crossdock_error_", name), "crossdock_error", "error", "condition")
  stop(structure(class = classes, list(message = text, call = NULL)))
}

# An argument error in the name of the exported function that was called.
stop_argument <- function(..., call = user_call()) {
  force(call)
  stop(simpleError(sprintf(...), call))
}

# The call by which one of this package's functions was entered, through however many others.
user_call <- function() {
  namespace <- topenv()
  frame <- sys.nframe() - 1L
  while (frame > 1L && identical(environment(sys.function(frame - 1L)), namespace)) {
    frame <- frame - 1L
  }
  sys.call(frame)
}

# An argument as errors show it.
shown <- function(value) {
  text <- deparse1(value)
  if (nchar(text) > 60L) paste0(substr(text, 1L, 57L), "...") else text
}
