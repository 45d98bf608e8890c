# SPDX-License-Identifier: MIT
# Daemons launched by a request over HTTP, to a server of this test's own on the loopback address.

# A server that writes each request down and does what the path says: "start" runs the daemon,
# "refuse" answers 403, "wait" does not answer; "envs" and "launch_job" are Posit Workbench's.
start_http <- function(frame = parent.frame()) {
  for (package in c("curl", "jsonlite", "httpuv")) skip_if_not_installed(package)
  use_variables(no_proxy = "127.0.0.1", frame = frame)
  requests <- tempfile("requests-")
  dir.create(requests)
  server <- start_r(bquote({
    rscript <- .(rscript())
    count <- 0
    envs <- list(result = list(clusters = list(
      list(name = "Local", defaultImage = "plain", resourceProfiles = list(list(name = "small"))),
      list(name = "100% K8s", defaultImage = "r:4", resourceProfiles = list(
        list(name = "medium"), list(name = "large")
      ))
    )))
    answer <- function(status, text) {
      list(status = status, headers = list("Content-Type" = "text/plain"), body = text)
    }
    run <- function(call) {
      system2(rscript, c("-e", shQuote(call)), wait = FALSE)
      answer(200L, "started")
    }
    app <- list(call = function(request) {
      count <<- count + 1
      body <- rawToChar(request$rook.input$read())
      names <- c("REQUEST_METHOD", "PATH_INFO", "HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_RS_SESSION_SERVER_RPC_COOKIE")
      saveRDS(c(mget(names, request, ifnotfound = list(NULL)), list(body = body)), file.path(.(requests), count))
      json <- function() jsonlite::fromJSON(body, simplifyVector = FALSE)
      switch(basename(request$PATH_INFO),
        start = run(json()$command),
        launch_job = {
          job <- json()$kwparams$job
          stopifnot(job$args[[1]] == "-e")
          run(job$args[[2]])
        },
        get_compute_envs = answer(200L, jsonlite::toJSON(envs, auto_unbox = TRUE)),
        wait = {
          Sys.sleep(20)
          answer(200L, "too late")
        },
        answer(403L, "no quota left for you")
      )
    })
    port <- httpuv::randomPort(host = "127.0.0.1")
    httpuv::startServer("127.0.0.1", port, app)
    cat("port", port, "\n")
    repeat httpuv::service(1000)
  }), frame = frame)
  stopifnot(eventually(says(server, "port")))
  port <- sub("port ([0-9]+) ", "\\1", grep("^port", output_of(server), value = TRUE))
  list(
    url = function(path) sprintf("http://127.0.0.1:%s/%s", port, path),
    requests = function() lapply(sort(list.files(requests, full.names = TRUE)), readRDS)
  )
}

test_that("the configuration has mirai's form", {
  config <- http_config("http://host", data = "%s", image = "r:4", token = "t")
  expect_named(config, c("type", "url", "method", "headers", "data", "dots", "cookie", "token"))
  expect_identical(config$type, "http")
  expect_identical(config$method, "POST")
  expect_identical(config$dots, list(image = "r:4"))
})

test_that("a request is sent for each daemon, and they come", {
  server <- start_http()
  use_daemons(url = local_url())
  config <- http_config(
    function() server$url("start"),
    headers = function() c("Content-Type" = "application/json"),
    data = function(name) sprintf("{\"name\": \"%s\", \"command\": \"%%s\", \"load\": \"5%%%%\"}", name),
    name = "ours", token = function() "secret", cookie = "crumb"
  )
  answers <- withVisible(launch_remote(2, config, maxtasks = 5))
  expect_false(answers$visible)
  expect_identical(
    answers$value, rep(list(list(status = 200L, headers = NULL, data = "started")), 2)
  )
  expect_true(eventually(connections() == 2L))
  expect_length(unique(mirai_map(1:4, function(i) Sys.getpid())[.flat]), 2L)
  sent <- server$requests()[[1]]
  expect_identical(sent$REQUEST_METHOD, "POST")
  expect_identical(sent$HTTP_AUTHORIZATION, "Bearer secret")
  expect_identical(sent$HTTP_COOKIE, "crumb")
  body <- jsonlite::fromJSON(sent$body)
  expect_identical(body$command, sprintf("crossdock::daemon(\"%s\",maxtasks=5)", status()$daemons))
  expect_identical(body$load, "5%")
  expect_null(status()$fault)
})

test_that("daemons() takes it, and make_cluster()", {
  server <- start_http()
  config <- http_config(server$url("start"), headers = NULL, data = "{\"command\": \"%s\"}")
  use_daemons(2, url = local_url(), remote = config)
  expect_true(eventually(connections() == 2L))
  cl <- make_cluster(2, url = local_url(), remote = config)
  expect_identical(parallel::clusterEvalQ(cl, 3), list(3, 3))
  stop_cluster(cl)
})

test_that("what is refused, silent or not there is a value, and what tasks end with", {
  server <- start_http()
  use_daemons(url = local_url())
  config <- function(url) http_config(url, headers = NULL, data = "%s")
  answer <- launch_remote(1, config(server$url("refuse")))[[1]]
  expect_identical(answer$status, 403L)
  expect_identical(answer$data, "no quota left for you")
  value <- mirai(1)[]
  expect_match(value, "a daemon could not start: the request was refused", fixed = TRUE)
  expect_match(value, "the server answered with status 403\nno quota left for you", fixed = TRUE)
  expect_match(status()$fault, "no quota left", fixed = TRUE)
  daemons(url = local_url())
  answer <- launch_remote(1, config("http://127.0.0.1:1/"))[[1]]
  expect_true(answer$status == 6L)
  expect_true(is_error_value(answer$data))
  expect_match(mirai(1)[], "onnect")
  utils::assignInNamespace("http_timeout", 500L, "crossdock")
  at_end(utils::assignInNamespace("http_timeout", 5000L, "crossdock"))
  answer <- launch_remote(1, config(server$url("wait")))[[1]]
  expect_true(answer$status == 5L)
})

test_that("what is wrong with it is said, but no secrets", {
  for (package in c("curl", "jsonlite")) skip_if_not_installed(package)
  use_daemons(url = local_url())
  fails <- function(text, ...) {
    arguments <- utils::modifyList(list(url = "http://h/", headers = NULL, data = "%s"), list(...))
    config <- do.call(http_config, arguments)
    error <- tryCatch(launch_remote(1, config), error = identity)
    expect_match(conditionMessage(error), text, fixed = TRUE)
    expect_identical(conditionCall(error)[[1]], quote(launch_remote))
    conditionMessage(error)
  }
  fails("`url` of http_config() must be a string, or a function that gives it, not 5", url = 5)
  fails("`data` of http_config() must be a string with \"%s\"", data = "{}")
  fails("`data` of http_config() must be", data = function() "100%%s")
  fails("`method` of http_config() must be a string", method = 1)
  fails("`headers` of http_config() must be a named character vector", headers = "x")
  expect_no_match(fails("`token` of http_config()", token = c("top", "secret")), "secret")
  expect_no_match(fails("`cookie` of http_config()", cookie = function() 815), "815")
  use_variables(RS_SERVER_ADDRESS = "")
  expect_error(launch_remote(1, http_config()), "none of Posit Workbench", fixed = TRUE)
})

test_that("by default it is for Posit Workbench", {
  server <- start_http()
  use_variables(RS_SERVER_ADDRESS = server$url(""), RS_SESSION_RPC_COOKIE = "crumb")
  use_daemons(1, url = local_url(), remote = http_config())
  expect_true(eventually(connections() == 1L))
  sent <- server$requests()
  expect_identical(sent[[1]]$PATH_INFO, "/api/get_compute_envs")
  expect_identical(sent[[1]]$REQUEST_METHOD, "GET")
  expect_identical(sent[[2]]$HTTP_COOKIE, "crumb")
  expect_identical(sent[[2]]$HTTP_X_RS_SESSION_SERVER_RPC_COOKIE, "crumb")
  request <- jsonlite::fromJSON(sent[[2]]$body, simplifyVector = FALSE)
  expect_identical(request$method, "launch_job")
  job <- request$kwparams$job
  expect_identical(job[c("cluster", "name", "exe", "resourceProfile")], list(
    cluster = "Local", name = "crossdock_daemon", exe = "Rscript", resourceProfile = "small"
  ))
  launch_remote(1, http_config(cluster = "100% K8s", cpus = 2))
  expect_true(eventually(connections() == 2L))
  job <- jsonlite::fromJSON(server$requests()[[4]]$body, simplifyVector = FALSE)$kwparams$job
  expect_identical(job$cluster, "100% K8s")
  expect_identical(job$resources, list(cpus = 2L, memory = 512L))
  expect_error(
    launch_remote(1, http_config(cluster = "c")), "no cluster 'c' at Posit Workbench, which has 'Local'"
  )
  expect_error(
    launch_remote(1, http_config(resource_profile = "huge")), "resource profile 'huge'", fixed = TRUE
  )
})
