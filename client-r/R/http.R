# SPDX-License-Identifier: MIT
# Daemons that something starts which takes requests over HTTP: Posit Workbench, or a cluster's
# own service.

#' @rdname launch_remote
#' @export
http_config <- function(
  url = posit_workbench_url,
  method = "POST",
  headers = posit_workbench_headers,
  data = posit_workbench_data,
  ...,
  cookie = NULL,
  token = NULL
) {
  list(
    type = "http", url = url, method = method, headers = headers, data = data,
    dots = list(...), cookie = cookie, token = token
  )
}

is_http <- function(remote) identical(remote$type, "http")

# Milliseconds for the answer to a request.
http_timeout <- 5000L

# A request for each daemon: a list of answers, list(status, headers, data).
launch_http <- function(profile, remote, args, n, call) {
  for (package in c("curl", "jsonlite")) {
    if (!requireNamespace(package, quietly = TRUE)) {
      stop_argument("`http_config()` needs the package %s", package, call = call)
    }
  }
  request <- http_request(remote, call)
  calls <- vapply(daemon_calls(profile, args, n), json_text, "", USE.NAMES = FALSE)
  lapply(sprintf(request$data, calls), function(data) {
    answer <- http_answer(request, data)
    expect_launch(profile, "the request", code = if (is_accepted(answer)) 0L else 1L, said = c(
      if (is_error_value(answer$status)) {
        attr(answer$status, "message")
      } else {
        sprintf("the server answered with status %d", answer$status)
      },
      if (!is_error_value(answer$data)) answer$data
    ))
    answer
  })
}

is_accepted <- function(answer) {
  !is_error_value(answer$status) && answer$status >= 200L && answer$status < 300L
}

# What functions say now, checked.
http_request <- function(remote, call) {
  say <- function(.field, ...) {
    value <- remote[[.field]]
    if (is.function(value)) value(...) else value
  }
  wrong <- function(name, allowed, value) { # which may be a secret
    stop_argument(
      "`%s` of http_config() must be %s, or a function that gives it, not %s", name, allowed,
      if (name %in% c("url", "method", "data")) deparse1(value) else class(value)[[1L]],
      call = call
    )
  }
  string <- function(name, value) {
    if (!is_string(value) || !nzchar(value)) {
      wrong(name, "a string", value)
    }
    value
  }
  headers <- say("headers")
  if (length(headers) && (is.null(names(headers)) || !is.character(unlist(headers)))) {
    wrong("headers", "a named character vector", headers)
  }
  if (!is.null(remote$cookie)) {
    headers <- c(headers, Cookie = string("cookie", say("cookie")))
  }
  if (!is.null(remote$token)) {
    headers <- c(headers, Authorization = paste("Bearer", string("token", say("token"))))
  }
  data <- string("data", do.call(say, c(list("data"), remote$dots)))
  if (!grepl("(^|[^%])(%%)*%s", data)) {
    wrong("data", "a string with \"%s\" where the call of daemon() belongs", data)
  }
  list(
    url = string("url", say("url")), method = string("method", remote$method),
    headers = unlist(headers), data = data
  )
}

# Where no answer comes the status is a code, as of a task: 6 nobody is there, 5 timed out.
http_answer <- function(request, data = NULL) {
  handle <- curl::new_handle(
    customrequest = request$method, timeout_ms = http_timeout, connecttimeout_ms = http_timeout
  )
  if (!is.null(data)) {
    curl::handle_setopt(handle, copypostfields = data)
  }
  curl::handle_setheaders(handle, .list = as.list(request$headers))
  tryCatch(
    {
      answer <- curl::curl_fetch_memory(request$url, handle)
      text <- rawToChar(answer$content[answer$content != 0])
      list(status = as.integer(answer$status_code), headers = NULL, data = text)
    },
    error = function(e) {
      message <- conditionMessage(e)
      code <- if (grepl("tim(ed|eout)", message, ignore.case = TRUE)) 5L else 6L
      value <- structure(code, class = value_class, message = message)
      list(status = value, headers = value, data = value)
    }
  )
}

# Inside the quotes of a string of JSON.
json_text <- function(text) {
  json <- as.character(jsonlite::toJSON(text, auto_unbox = TRUE))
  substr(json, 2L, nchar(json) - 1L)
}

# ---- Posit Workbench: the session is one of its jobs, and may start others ----

workbench_url <- function(...) {
  server <- Sys.getenv("RS_SERVER_ADDRESS")
  if (!nzchar(server)) {
    stop_crossdock("not_found", paste(
      "this R session is none of Posit Workbench (there is no RS_SERVER_ADDRESS):",
      "give `url`, `headers` and `data` to http_config()"
    ))
  }
  paste(c(sub("/$", "", server), "api", ...), collapse = "/")
}

posit_workbench_url <- function() workbench_url("launch_job")

posit_workbench_headers <- function() {
  cookie <- Sys.getenv("RS_SESSION_RPC_COOKIE")
  c(Cookie = cookie, `X-RS-Session-Server-RPC-Cookie` = cookie)
}

# The job, with the same libraries as here. The first cluster and its first resource profile,
# unless they are named.
posit_workbench_data <- function(
  rscript = "Rscript",
  job_name = "crossdock_daemon",
  cluster = NULL,
  resource_profile = NULL,
  cpus = NULL,
  memory = NULL
) {
  cluster <- workbench_choice("cluster", cluster, workbench_clusters())
  code <- sprintf("{.libPaths(%s);CROSSDOCK_DAEMON}", deparse1(.libPaths()))
  job <- list(
    cluster = cluster$name, container = list(image = cluster$defaultImage), name = job_name,
    exe = rscript, args = c("-e", code)
  )
  if (is.null(resource_profile) && (!is.null(cpus) || !is.null(memory))) {
    job$resources <- list(
      cpus = if (is.null(cpus)) 1L else cpus, memory = if (is.null(memory)) 512L else memory
    )
  } else {
    choice <- workbench_choice("resource profile", resource_profile, cluster$resourceProfiles)
    job$resourceProfile <- choice$name
  }
  request <- list(method = "launch_job", kwparams = list(job = job))
  json <- gsub("%", "%%", as.character(jsonlite::toJSON(request, auto_unbox = TRUE)), fixed = TRUE)
  sub("CROSSDOCK_DAEMON", "%s", json, fixed = TRUE)
}

workbench_clusters <- function() {
  answer <- http_answer(list(
    url = workbench_url("get_compute_envs"), method = "GET", headers = posit_workbench_headers()
  ))
  if (!is_accepted(answer)) {
    why <- if (is_error_value(answer$status)) attr(answer$status, "message") else answer$status
    stop_crossdock("system", sprintf("Posit Workbench does not tell its clusters: %s", why))
  }
  jsonlite::fromJSON(answer$data, simplifyVector = FALSE)$result$clusters
}

# The entry of that name, NULL: the first.
workbench_choice <- function(what, name, entries) {
  names <- vapply(entries, function(entry) entry$name, "")
  index <- if (is.null(name)) 1L else match(name, names)
  if (!isTRUE(index <= length(entries))) {
    known <- if (length(names)) toString(sQuote(names, FALSE)) else "none"
    stop_crossdock("not_found", sprintf(
      "there is no %s %s at Posit Workbench, which has %s", what,
      if (is.null(name)) "at all" else sQuote(name, FALSE), known
    ))
  }
  entries[[index]]
}
