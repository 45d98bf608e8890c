# SPDX-License-Identifier: MIT
# OpenTelemetry: spans of daemons and tasks, with package otel, where tracing is on. Where it is
# off, which is looked at when daemons are set up, nothing here is called for a task.

#' Traces of tasks
#'
#' Where tracing with OpenTelemetry is on (packages otel and otelsdk, for example with the
#' environment variable `OTEL_TRACES_EXPORTER`), sessions and daemons record spans. The session's
#' and the daemon's part of a task belong to one trace, also across hosts, and spans that the
#' task's own code makes belong to it, too.
#'
#' | span | kind | where |
#' |---|---|---|
#' | `daemons set URL`, `daemons reset URL` | internal | session: [daemons()] |
#' | `mirai` | client | session: a task is made; linked to `daemons set` |
#' | `mirai_map` | internal | session: the parent of the spans of a map's tasks |
#' | `daemon eval` | server | daemon: its evaluation, child of `mirai`; linked to `daemon connect` |
#' | `daemon connect URL`, `daemon disconnect URL` | internal | daemon: [daemon()] |
#'
#' Their attributes are `server.address`, `server.port` and `network.transport` of the URL,
#' `mirai.dispatcher` and `mirai.compute` (the compute profile) of `daemons set`, and `mirai.id`
#' of `mirai`, the number of the task in its session. A `daemon eval` whose task fails has status
#' `error` with the description `miraiError`, or `miraiInterrupt`. The tracer is named
#' `crossdock`. Names and attributes are those of package mirai.
#'
#' Whether tracing is on is looked at by [daemons()] and [daemon()].
#'
#' @examples
#' if (requireNamespace("otelsdk", quietly = TRUE)) {
#'   \donttest{
#'   record <- otelsdk::with_otel_record({
#'     daemons(1)
#'     mirai(1 + 1)[]
#'     daemons(0)
#'   })
#'   names(record$traces)
#'   }
#' }
#' @name traces
NULL

# Is tracing on, from now on? Asked for by the environment, or by otelsdk itself; without either
# not even package otel is loaded.
look_for_tracer <- function() {
  the$tracer <- NULL
  variables <- c("OTEL_R_TRACES_EXPORTER", "OTEL_TRACES_EXPORTER")
  is_asked <- isNamespaceLoaded("otelsdk") || any(nzchar(Sys.getenv(variables)))
  if (is_asked && requireNamespace("otel", quietly = TRUE)) {
    tracer <- otel::get_tracer("crossdock")
    if (otel::is_tracing_enabled(tracer)) {
      the$tracer <- tracer
    }
  }
}

# A span that lasts as long as `frame`; what begins meanwhile are its children.
start_span <- function(frame, name, link = NULL, attributes = NULL, options = NULL) {
  otel::start_local_active_span(
    name, attributes,
    links = if (!is.null(link)) list(link), options = options, tracer = the$tracer,
    activation_scope = frame
  )
}

# Something that happens at once; the span, for links to it. NULL: there is no tracing.
mark_span <- function(what, url, link = NULL, attributes = NULL) {
  if (!is.null(the$tracer)) {
    start_span(environment(), paste(what, url), link, c(url_attributes(url), attributes))
  }
}

url_attributes <- function(url) {
  rest <- sub("^[a-z+]*://", "", url)
  attributes <- list(server.address = rest, network.transport = sub("://.*", "", url))
  if (is_tcp(url)) {
    parts <- url_parts(url)
    attributes$server.address <- parts$host
    attributes$server.port <- parts$port
  }
  attributes
}

profile_span <- function(what, profile, link = NULL) {
  mark_span(what, profile$url, link, list(
    mirai.dispatcher = isTRUE(profile$dispatcher), mirai.compute = profile$name
  ))
}

# Of a daemon; `address` NA: as the environment says.
mark_connected <- function(address) {
  the$daemon_span <- mark_span("daemon connect", daemon_url(address))
}

mark_disconnected <- function(address) {
  mark_span("daemon disconnect", daemon_url(address), the$daemon_span)
  the$daemon_span <- NULL
}

daemon_url <- function(address) if (is.na(address)) Sys.getenv("CROSSDOCK_URL") else address

# Of a task that `frame` makes.
task_span <- function(frame, profile) {
  start_span(frame, "mirai", profile$span, options = list(kind = "client"))
}

# Of the evaluation of what a task has sent, in `frame`. NULL: its session does not trace.
eval_span <- function(frame, what) {
  if (length(what) > 7L) {
    parent <- otel::extract_http_context(what[[8L]])
    start_span(
      frame, "daemon eval", the$daemon_span,
      options = list(kind = "server", parent = parent)
    )
  }
}

fail_span <- function(span, what) {
  if (!is.null(span)) {
    span$set_status("error", what)
  }
}
