# SPDX-License-Identifier: MIT
# What a task tells while it runs.

daemons(2)

values_of <- function(m, kind) {
  events <- task_events(m)
  events$value[events$kind == kind]
}

printed_by <- function(m) paste(unlist(values_of(m, "stdout")), collapse = "")

# A task that tells something and stays until the gate opens.
telling <- function(gate, ...) {
  mirai(
    {
      crossdock::emit("first")
      wait_at(path)
      crossdock::emit("second")
      "end"
    },
    wait_at = wait_at, path = gate$path, ...
  )
}

run_later <- function(seconds = 0.05) later::run_now(seconds)

test_that("what a task prints, says and warns of is kept with it, in order", {
  m <- mirai({
    cat("one\n")
    message("two")
    cat("three ")
    warning("four")
    print(5)
    "value"
  })
  expect_identical(m[], "value")
  events <- task_events(m)
  runs <- rle(events$kind)
  expect_identical(runs$values, c("stdout", "message", "stdout", "warning", "stdout"))
  texts <- tapply(unlist(events$value), rep(1:5, runs$lengths), paste, collapse = "")
  expect_identical(as.vector(texts), c("one\n", "two\n", "three ", "four", "[1] 5\n"))
  expect_s3_class(events$time, "POSIXct")
  expect_false(is.unsorted(events$time))
  expect_identical(attr(events, "dropped"), 0L)
  quiet <- call_mirai(mirai(1))
  expect_identical(dim(task_events(quiet)), c(0L, 3L))
  expect_identical(names(task_events(quiet)), c("time", "kind", "value"))
})

test_that("values ahead and progress arrive while the task runs", {
  gate <- new_gate()
  got <- list()
  m <- telling(gate)
  keep <- function(value, id) got[[length(got) + 1]] <<- list(value, id)
  expect_identical(on_event(m, emit = keep), m)
  skip_without("later")
  expect_true(eventually({
    run_later()
    length(got) == 1L
  }))
  expect_true(unresolved(m))
  expect_identical(got[[1]], list("first", attr(m, "id")))
  gate$open()
  expect_identical(m[], "end")
  expect_identical(lapply(got, `[[`, 1), list("first", "second")) # before m[] returned
  while (run_later(0)) NULL
  expect_length(got, 2)
  expect_length(crossdock:::the$listeners, 0)
})

test_that("they come while the session waits, without any loop", {
  seen <- NULL
  m <- mirai({
    for (i in 1:5) {
      crossdock::progress(i / 5, paste("step", i))
      Sys.sleep(0.02)
    }
  })
  on_event(m, progress = function(value, message) {
    seen <<- rbind(seen, data.frame(value, message, open = unresolved(m)))
  })
  call_mirai(m)
  expect_identical(seen$value, 1:5 / 5)
  expect_identical(seen$message, paste("step", 1:5))
  expect_true(seen$open[[1]])
  m <- mirai(crossdock::progress(0.25))
  on_event(m, progress = function(...) seen <<- list(...))
  on_event(m, progress = function(value, message, id) seen <<- list(value, message, id))
  m[]
  expect_identical(seen, list(0.25, NULL, attr(m, "id")))
})

test_that("what has come before is passed on first, also after the end", {
  m <- mirai({
    crossdock::emit(list(a = 1, b = NULL))
    cat("out")
    message("said")
    warning("warned")
    crossdock::emit(NULL)
  })
  call_mirai(m)
  got <- list()
  keep <- function(value) got[[length(got) + 1]] <<- value
  on_event(m, emit = function(value) got <<- c(got, list(value)), stdout = keep, message = keep)
  expect_identical(got, list(list(a = 1, b = NULL), "out", "said\n", NULL))
  m$data
  expect_identical(values_of(m, "emit"), list(list(a = 1, b = NULL), NULL))
  got <- list()
  on_event(m, warning = keep)
  expect_identical(got, list("warned"))
})

test_that("events of many tasks are told apart by the task's id", {
  got <- NULL
  tasks <- mirai_map(1:20, function(i) {
    crossdock::emit(i)
    cat("task", i, "\n")
    i
  })
  on_event(tasks, emit = function(value, id) got[[as.character(id)]] <<- value)
  expect_identical(tasks[.flat], 1:20)
  ids <- vapply(unclass(tasks), attr, 0L, "id")
  expect_identical(unname(unlist(got[as.character(ids)])), 1:20)
  expect_identical(
    vapply(unclass(tasks), printed_by, ""), sprintf("task %d \n", 1:20)
  )
  expect_length(task_events(tasks), 20)
})

test_that("each daemon's part of everywhere() has its own", {
  tasks <- everywhere({
    cat("here")
    crossdock::emit(Sys.getpid())
    Sys.getpid()
  })
  pids <- tasks[]
  expect_identical(lapply(unclass(tasks), function(m) values_of(m, "emit")[[1]]), pids)
  expect_identical(lapply(unclass(tasks), printed_by), list("here", "here"))
})

test_that("output of programs and of C code is there, and characters stay whole", {
  m <- mirai({
    system("echo from a program")
    cat(strrep("\u00e4\u20ac\U1F600", 50000))
    "done"
  })
  expect_identical(m[], "done")
  expect_identical(printed_by(m), paste0("from a program\n", strrep("\u00e4\u20ac\U1F600", 50000)))
  pieces <- unlist(values_of(m, "stdout"))
  expect_gt(length(pieces), 2)
  expect_true(all(validUTF8(pieces)))
})

test_that("a value ahead travels like a task's: whole when large, with its codecs", {
  m <- mirai({
    crossdock::emit(as.double(1:500000))
    NULL
  })
  m[]
  expect_identical(values_of(m, "emit"), list(as.double(1:500000)))
  m <- mirai(crossdock::emit(raw(17 * 1024^2)))
  expect_s3_class(m[], "miraiError")
  expect_match(m$data, "emit() takes at most 16777216", fixed = TRUE)

  use_daemons(1, serial = portable_tensors(), .compute = "coded")
  m <- mirai(
    crossdock::emit(list(x = tensor(1:3))),
    tensor = portable_standins()$tensor, .compute = "coded"
  )
  got <- NULL
  on_event(m, emit = function(value) got <<- value)
  m[]
  expect_identical(tensor_value(got$x), 1:3)
  expect_identical(tensor_value(values_of(m, "emit")[[1]]$x), 1:3)
})

test_that("nothing is lost when a task tells much at once; old events go beyond the limit", {
  m <- mirai(for (i in 1:3000) crossdock::emit(i))
  m[]
  expect_identical(unlist(values_of(m, "emit")), 1:3000)
  m <- mirai(for (i in 1:10500) crossdock::progress(i))
  m[]
  events <- task_events(m)
  expect_identical(nrow(events), 10000L)
  expect_identical(attr(events, "dropped"), 500L)
  expect_identical(events$value[[1]]$value, 501)
})

test_that("events of cancelled, failed and lost tasks stay, too", {
  gate <- new_gate()
  m <- telling(gate)
  expect_true(eventually(nrow(task_events(m)) == 1L))
  stop_mirai(m)
  expect_true(m$data == 20L)
  expect_identical(values_of(m, "emit"), list("first"))
  m <- mirai({
    cat("last words")
    stop("no")
  })
  call_mirai(m)
  expect_identical(printed_by(m), "last words")
  daemons(1, .compute = "gone")
  m <- telling(new_gate(), .compute = "gone")
  got <- NULL
  on_event(m, emit = function(value) got <<- value)
  expect_true(eventually(nrow(task_events(m)) == 1L))
  daemons(0, .compute = "gone")
  expect_identical(values_of(m, "emit"), list("first"))
  expect_true(m$data == 19L)
  expect_identical(values_of(m, "emit"), list("first"))
})

test_that("with the option off nothing is sent", {
  old <- options(crossdock.events = FALSE)
  on.exit(options(old))
  m <- mirai({
    cat("out")
    message("said")
    list(crossdock::emit(1), crossdock::progress(1))
  })
  expect_identical(m[], list(FALSE, FALSE))
  expect_identical(nrow(task_events(m)), 0L)
})

test_that("errors in a function are warnings, and the others are called", {
  m <- mirai(for (i in 1:2) crossdock::emit(i))
  call_mirai(m)
  got <- NULL
  expect_warning(
    on_event(m, emit = function(value) {
      got <<- c(got, value)
      if (value == 1) stop("inside")
    }),
    "in a function of on_event(): inside", fixed = TRUE
  )
  expect_identical(got, 1:2)
})

test_that("a function may wait for the same task, and others in it", {
  m <- mirai({
    Sys.sleep(0.3)
    crossdock::emit("a")
    Sys.sleep(0.3)
    crossdock::emit("b")
    "end"
  })
  got <- NULL
  on_event(m, emit = function(value) got <<- c(got, value, m[], mirai("other")[]))
  expect_identical(m[], "end")
  expect_identical(got, c("a", "end", "other", "b", "end", "other"))
})

test_that("synchronous profiles and those without dispatcher tell the same", {
  task <- function(.compute) {
    mirai(
      {
        cat("out\n")
        message("said")
        warning("warned")
        crossdock::progress(0.5, "half")
        crossdock::emit(c(a = 1))
        "value"
      },
      .compute = .compute
    )
  }
  tell <- function(...) {
    use_daemons(..., .compute = "other", frame = parent.frame())
    m <- task("other")
    got <- list()
    on_event(m, emit = function(value) got <<- value)
    stopifnot(identical(m[], "value"), identical(got, c(a = 1)))
    events <- task_events(m)
    values <- events$value[order(events$kind, method = "radix")]
    list(sort(events$kind, method = "radix"), values)
  }
  expected <- list(
    c("emit", "message", "progress", "stdout", "warning"),
    list(c(a = 1), "said\n", list(value = 0.5, message = "half"), "out\n", "warned")
  )
  expect_identical(tell(1), expected)
  expect_identical(tell(1, dispatcher = FALSE), expected)
  shown <- utils::capture.output(
    told <- suppressWarnings(suppressMessages(tell(sync = TRUE)))
  )
  expect_identical(told, expected)
  expect_identical(shown, "out")
})

test_that("handlers called by name can emit bytes and text", {
  everywhere(count <<- function(text) {
    crossdock::emit(text)
    crossdock::emit(as.raw(1:3))
    crossdock::emit(1)
  })
  m <- call_task("count", "\u00e4")
  call_mirai(m)
  expect_match(m$data, "`value` must be raw or a text")
  expect_identical(values_of(m, "emit"), list(charToRaw(enc2utf8("\u00e4")), as.raw(1:3)))
})

test_that("what the daemon's terminal gets is as before", {
  url <- local_url()
  use_daemons(url = url, .compute = "others")
  silent <- start_r(bquote(quit(status = daemon(.(url)))))
  m <- mirai(cat("hidden\n"), .compute = "others")
  m[]
  expect_identical(printed_by(m), "hidden\n")
  daemons(0, .compute = "others")
  expect_true(eventually(!is_alive(silent$pid)))
  expect_false(says(silent, "hidden"))
  url <- local_url()
  use_daemons(url = url, .compute = "others")
  loud <- start_r(bquote(quit(status = daemon(.(url), output = TRUE))))
  mirai(cat("shown\n"), .compute = "others")[]
  expect_true(eventually(says(loud, "shown")))
})

test_that("without the packages later and promises they come while the session waits", {
  said <- run_r(quote({
    packages <- c("later", "promises", "shiny")
    cat("there:", packages[vapply(packages, requireNamespace, NA, quietly = TRUE)], "\n")
    daemons(1)
    m <- mirai({
      for (i in 1:3) {
        crossdock::progress(i / 4)
        Sys.sleep(0.2)
      }
      cat("printed\n")
      crossdock::emit("ahead")
      c(requireNamespace("later", quietly = TRUE), loadedNamespaces() %in% c("later", "promises"))
    })
    on_event(
      m, progress = function(value) cat(value, unresolved(m), "\n"), stdout = cat, emit = print
    )
    print(any(m[]))
    print(task_events(m)$kind)
    on_event(m, emit = function(value) cat("again", value, "\n"))
    print(unlist(mirai_map(1:3, identity)[]))
    print(race_mirai(list(mirai(1))))
    print(inherits(tryCatch(loadNamespace("promises"), error = identity), "error"))
    daemons(0)
  }), only_packages("crossdock"))
  expect_identical(c(said), c(
    "there:  ", "0.25 TRUE ", "0.5 TRUE ", "0.75 TRUE ", "printed", "[1] \"ahead\"", "[1] FALSE",
    "[1] \"progress\" \"progress\" \"progress\" \"stdout\"   \"emit\"    ", "again ahead ",
    "[1] 1 2 3", "[1] 1", "[1] TRUE"
  ))
})

test_that("arguments are checked", {
  expect_error(on_event(1), "`x` must be a task or a list of tasks, not <numeric>")
  expect_error(task_events("m"), "`x` must be a task or a list of tasks, not <character>")
  expect_error(on_event(mirai(1), emit = 5), "`emit` must be a function or NULL, not double")
  expect_error(progress("x"), "`value` must be a finite number, not \"x\"")
  expect_error(progress(1, 2), "`message` must be a text or NULL, not 2")
  expect_false(emit(1))
  expect_false(progress(1))
})

daemons(0)
