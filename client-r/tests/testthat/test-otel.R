# SPDX-License-Identifier: MIT
# OpenTelemetry: spans of daemons and tasks, with a session and a daemon in one process, and with
# daemons of their own.

# The spans that `code` leads to, a list in order of their ends, and a value.
traced <- function(code) {
  skip_if_not_installed("otel")
  skip_if_not_installed("otelsdk")
  record <- otelsdk::with_otel_record(code)
  look_for_tracer() # it was that of the record
  expect_null(the$tracer)
  unname(record$traces)
}

named <- function(spans, pattern) Filter(function(span) grepl(pattern, span$name), spans)

one <- function(spans, pattern) {
  found <- named(spans, pattern)
  expect_length(found, 1L)
  found[[1L]]
}

links_to <- function(span, other) {
  expect_length(span$links, 1L)
  expect_identical(span$links[[1L]]$span_id, other$span_id)
}

test_that("a session and its daemon record spans that belong together", {
  spans <- traced({
    daemons(url = local_url(), .compute = "traced")
    url <- status("traced")$daemons
    good <- mirai(otel::get_active_span_context()$get_span_id(), .compute = "traced")
    bad <- mirai(stop("no"), .compute = "traced")
    daemon(url, maxtasks = 2)
    inside <- good[]
    bad[]
    daemons(0, .compute = "traced")
  })
  set <- one(spans, "^daemons set ")
  expect_identical(set$name, paste("daemons set", url))
  expect_identical(set$kind, "internal")
  expect_identical(set$attributes$mirai.compute, "traced")
  expect_true(set$attributes$mirai.dispatcher)
  expect_identical(set$attributes$network.transport, "ipc")
  expect_identical(set$attributes$server.address, sub("ipc://", "", url))
  links_to(one(spans, "^daemons reset "), set)
  connect <- one(spans, "^daemon connect ")
  links_to(one(spans, "^daemon disconnect "), connect)
  tasks <- named(spans, "^mirai$")
  runs <- named(spans, "^daemon eval$")
  expect_length(tasks, 2L)
  expect_length(runs, 2L)
  for (i in 1:2) {
    expect_identical(tasks[[i]]$kind, "client")
    links_to(tasks[[i]], set)
    expect_identical(runs[[i]]$kind, "server")
    expect_identical(runs[[i]]$parent, tasks[[i]]$span_id)
    expect_identical(runs[[i]]$trace_id, tasks[[i]]$trace_id)
    links_to(runs[[i]], connect)
  }
  expect_equal(tasks[[1]]$attributes$mirai.id, attr(good, "id"))
  expect_identical(inside, runs[[1]]$span_id) # spans of the task's code are its children
  expect_identical(c(runs[[2]]$status, runs[[2]]$description), c("error", "miraiError"))
})

test_that("tcp addresses have a host and a port", {
  expect_identical(
    url_attributes("tls+tcp://10.0.0.5:5555"),
    list(server.address = "10.0.0.5", network.transport = "tls+tcp", server.port = 5555L)
  )
})

test_that("the tasks of a map are its children; in a synchronous profile, too", {
  spans <- traced({
    daemons(sync = TRUE, .compute = "here")
    mirai_map(1:2, function(i) if (i == 2) stop("no") else i, .compute = "here")
    mirai(rlang_free(), .compute = "here", .timeout = 5000)
    daemons(0, .compute = "here")
  })
  map <- one(spans, "^mirai_map$")
  links_to(map, one(spans, "^daemons set "))
  tasks <- named(spans, "^mirai$")
  expect_identical(
    vapply(tasks, function(span) identical(span$parent, map$span_id), NA), c(TRUE, TRUE, FALSE)
  )
  runs <- named(spans, "^daemon eval$")
  expect_identical(vapply(runs, `[[`, "", "status") == "error", c(FALSE, TRUE, TRUE))
})

test_that("a daemon elsewhere belongs to the session's trace", {
  skip_if_not_installed("otelsdk")
  use_variables(OTEL_TRACES_EXPORTER = "stderr") # of the daemon, which keeps it in its log
  context <- NULL
  spans <- traced({
    daemons(1, .compute = "traced")
    context <- mirai(
      {
        context <- otel::get_active_span_context()
        c(context$get_trace_id(), context$get_span_id())
      },
      .compute = "traced"
    )[]
    daemons(0, .compute = "traced")
  })
  task <- one(spans, "^mirai$")
  expect_identical(context[[1]], task$trace_id)
  expect_false(context[[2]] == task$span_id)
})

test_that("without tracing nothing is sent along, and package otel is not loaded", {
  skip_if(any(nzchar(Sys.getenv(c("OTEL_TRACES_EXPORTER", "OTEL_R_TRACES_EXPORTER")))))
  said <- run_r(quote({
    daemons(1)
    cat(isNamespaceLoaded("otel"), mirai(length(crossdock:::the$task[[4]]))[], "\n")
    daemons(0)
  }))
  expect_identical(said[[1]], "FALSE 4 ")
})
