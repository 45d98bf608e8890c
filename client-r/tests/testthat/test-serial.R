# SPDX-License-Identifier: MIT

both_config <- function() {
  serial_config(
    c("test_tensor", "test_frame"),
    list(tensor_bytes, \(x) x$serialize()),
    list(tensor_from, \(bytes) frame(unserialize(bytes)))
  )
}

failing <- function(class = "test_tensor", vec = FALSE) {
  serial_config(class, \(x) stop("no bytes"), \(bytes) stop("no object"), vec)
}

expect_error_value <- function(x, codec, message, side = "worker") {
  expect_identical(class(x), c("crossdock_value", "errorValue", "try-error"))
  expect_true(x == 1000L)
  expect_identical(attr(x, "codec"), codec)
  expect_identical(attr(x, "side"), side)
  expect_match(attr(x, "message"), message)
  expect_match(attr(x, "message"), paste0("class <", codec, "> on the ", side), fixed = TRUE)
}

# ---- plain values ----

test_that("values of every type come back identical", {
  values <- list(
    NULL, TRUE, NA, 1L, NA_integer_, -0, NaN, Inf, 1i, NA_complex_, "", NA_character_,
    c(a = 1, b = 2), "caf\u00e9", iconv("caf\u00e9", "UTF-8", "latin1"), raw(0), as.raw(0:255),
    character(), list(), list(list(list(1))), quote(a + b(c, d = 1)), quote(x), expression(a, 1),
    pairlist(a = 1, 2), as.Date("2024-02-29"), factor(c("a", "b")), globalenv(),
    baseenv(), emptyenv(), asNamespace("stats"), sum, `if`, array(1:24, 2:4), Sys.time()
  )
  expect_identical(round_trip(values), values)
  for (value in values) expect_identical(round_trip(value), value)
  expect_identical(round_trip(quote(expr = )), quote(expr = ))
})

test_that("data frames, closures and S4 objects come back", {
  expect_identical(round_trip(iris), iris)
  expect_identical(round_trip(mtcars), mtcars)
  y <- 5
  f <- round_trip(function(x) x + y)
  expect_identical(f(1), 6)
  setClass("TestPoint", representation(at = "numeric", note = "list"), where = globalenv())
  on.exit(removeClass("TestPoint", where = globalenv()))
  point <- new("TestPoint", at = c(1, 2), note = list("a"))
  expect_identical(round_trip(point), point)
})

test_that("environments keep their contents and stay shared", {
  e <- new.env()
  e$self <- e
  lockBinding("self", e)
  back <- round_trip(list(e, structure(list(), env = e)))
  expect_identical(back[[1]], attr(back[[2]], "env"))
  expect_identical(back[[1]]$self, back[[1]])
  expect_true(bindingIsLocked("self", back[[1]]))
})

test_that("what R stores compactly stays small", {
  frames <- frames_of(1:1e7)
  expect_length(frames, 1L)
  expect_lt(length(frames[[1]]), 500)
  expect_identical(value_of(frames), 1:1e7)
})

test_that("without a configuration a value is what R makes of it", {
  back <- round_trip(list(tensor(1), frame(2)))
  expect_identical(class(back[[1]]), c("test_tensor", "R7"))
  expect_identical(back[[2]]$value, 2)
  expect_identical(round_trip(frame(2), list())$value, 2)
})

# ---- objects with a codec ----

test_that("objects are found wherever they are", {
  config <- both_config()
  setClass("TestHolder", representation(held = "ANY"), where = globalenv())
  on.exit(removeClass("TestHolder", where = globalenv()))
  for (make in list(tensor, frame)) {
    value_in <- \(x) if (inherits(x, "test_tensor")) tensor_value(x) else x$value
    fresh <- function() {
      x <- make(7)
      e <- new.env(parent = emptyenv())
      e$x <- x
      list(
        alone = x, listed = list(1, list(x)), attribute = structure(1, held = x),
        closure = `environment<-`(function() y, list2env(list(y = x), parent = baseenv())),
        environment = e,
        slot = new("TestHolder", held = x), call = as.call(list(as.name("f"), x)),
        pairs = pairlist(a = 1, b = x)
      )
    }
    take <- list(
      alone = identity, listed = \(v) v[[2]][[1]], attribute = \(v) attr(v, "held"),
      closure = \(v) v(), environment = \(v) v$x, slot = \(v) v@held, call = \(v) v[[2]],
      pairs = \(v) v$b
    )
    values <- fresh()
    for (place in names(values)) {
      back <- take[[place]](round_trip(values[[place]], config))
      expect_identical(class(back), class(make(7)), info = place)
      expect_identical(value_in(back), 7, info = place)
    }
    expect_length(objects(frames_of(values, config)), 1L)
    backs <- round_trip(values, config)
    for (place in names(values)) {
      expect_identical(take[[place]](backs[[place]]), backs$alone, info = place)
    }
  }
})

test_that("an environment with a codec can be the environment of a function", {
  e <- structure(list2env(list(y = 3)), class = "test_scope")
  f <- function() y
  environment(f) <- e
  config <- serial_config(
    "test_scope",
    \(x) serialize(x$y, NULL),
    \(bytes) structure(list2env(list(y = unserialize(bytes))), class = "test_scope")
  )
  back <- round_trip(list(f, e), config)
  expect_identical(back[[1]](), 3)
  expect_identical(environment(back[[1]]), back[[2]])
})

test_that("an object that occurs often is sent once and is identical again", {
  x <- tensor(1:3)
  value <- list(x, tensor(4), x, structure(0, held = x))
  for (config in list(tensor_config(), tensor_vec_config())) {
    back <- round_trip(value, config)
    expect_identical(back[[1]], back[[3]])
    expect_identical(back[[1]], attr(back[[4]], "held"))
    expect_false(identical(back[[1]], back[[2]]))
    expect_identical(tensor_value(back[[2]]), 4)
  }
  expect_length(objects(frames_of(value, tensor_config())), 2L)
})

test_that("two classes at once each use their own functions", {
  value <- list(a = tensor(1), b = frame("two"), c = tensor(3), d = "plain")
  frames <- frames_of(value, both_config())
  expect_identical(tags(frames), c("test_tensor", "test_tensor", "test_frame"))
  back <- value_of(frames, both_config())
  expect_identical(tensor_value(back$a), 1)
  expect_identical(back$b$value, "two")
  expect_identical(tensor_value(back$c), 3)
  expect_identical(back$d, "plain")
})

test_that("vec gives all objects of the class to one call, in the order met", {
  value <- list(tensor("a"), list(tensor("b")), structure(1, held = tensor("c")))
  calls <- list()
  config <- tensor_vec_config()
  config[[2]][[1]] <- function(x) {
    calls <<- c(calls, list(vapply(x, tensor_value, "")))
    serialize(lapply(x, tensor_value), NULL)
  }
  frames <- frames_of(value, config)
  expect_identical(calls, list(c("a", "b", "c")))
  expect_length(objects(frames), 1L)
  expect_identical(counts(objects(frames)), 0L)
  expect_identical(tensor_value(attr(value_of(frames, config)[[3]], "held")), "c")
})

test_that("the order of the configuration decides, not that of the classes", {
  x <- structure(tensor(1), class = c("B", "A"))
  config <- serial_config(
    c("A", "B"),
    list(\(x) charToRaw("A"), \(x) charToRaw("B")),
    list(rawToChar, rawToChar)
  )
  expect_identical(tags(frames_of(x, config)), "A")
  expect_identical(round_trip(x, config), "A")
  expect_identical(round_trip(x, lapply(config, rev)), "B")
})

test_that("objects of other classes are left to R", {
  e <- structure(list2env(list(n = 1)), class = "other")
  frames <- frames_of(list(e, new.env(), tensor(1)), tensor_config())
  expect_length(objects(frames), 1L)
  back <- value_of(frames, tensor_config())
  expect_identical(back[[1]]$n, 1)
  expect_identical(class(back[[1]]), "other")
})

test_that("lists and vectors of a registered class are not touched", {
  x <- structure(list(1), class = "test_tensor")
  frames <- frames_of(x, failing())
  expect_length(objects(frames), 0L)
  expect_identical(value_of(frames), x)
})

test_that("many objects of a class share a frame", {
  value <- lapply(1:1000, tensor)
  frames <- frames_of(value, tensor_config())
  expect_length(frames, 2L)
  expect_identical(counts(frames), c(0L, 1000L))
  back <- value_of(frames, tensor_config())
  expect_identical(vapply(back, tensor_value, 0L), 1:1000)
  expect_length(objects(frames_of(value[1:64], tensor_config())), 64L)
  expect_length(objects(frames_of(value[1:65], tensor_config())), 1L)
})

test_that("many classes of a few objects share frames as well", {
  classes <- paste0("class", 1:30)
  make <- \(class, n) structure(tensor(n), class = c(class, "test_tensor"))
  value <- unlist(lapply(classes, \(class) lapply(1:10, \(n) make(class, n))), FALSE)
  config <- serial_config(
    classes,
    lapply(classes, \(class) \(x) serialize(list(class, tensor_value(x)), NULL)),
    lapply(classes, \(class) \(bytes) unserialize(bytes))
  )
  frames <- frames_of(value, config)
  expect_identical(counts(objects(frames)), rep(10L, 30))
  expect_identical(tags(frames), classes)
  expect_identical(value_of(frames, config)[[95]], list("class10", 5L))
})

test_that("empty bytes are bytes", {
  config <- serial_config("test_tensor", \(x) raw(), length)
  expect_identical(round_trip(list(tensor(1), 2), config), list(0L, 2))
  many <- round_trip(lapply(1:100, tensor), config)
  expect_identical(many, rep(list(0L), 100))
})

test_that("a ufunc may give anything, also NULL, and is called once for an object", {
  calls <- 0
  config <- serial_config("test_tensor", tensor_bytes, function(bytes) {
    calls <<- calls + 1
    NULL
  })
  x <- tensor(1)
  expect_identical(round_trip(list(x, 1, x), config), list(NULL, 1, NULL))
  expect_identical(calls, 1)
})

test_that("functions that serialize by themselves do not disturb", {
  inner <- frame_config()
  config <- serial_config(
    "test_tensor",
    \(x) serialize(frames_of(list(tensor_value(x), runif(1e5), frame(2)), inner), NULL),
    \(bytes) tensor(value_of(unserialize(bytes), inner)[[1]])
  )
  value <- c(lapply(1:10, tensor), list(runif(1e5), as.list(1:1e4)))
  back <- round_trip(value, config)
  expect_identical(vapply(back[1:10], tensor_value, 0L), 1:10)
  expect_identical(back[11:12], value[11:12])
})

test_that("primitives serve as functions", {
  x <- structure(list2env(list(a = 1, b = 2)), class = "test_scope")
  bytes <- serial_config("test_scope", \(x) raw(3), length)
  expect_identical(round_trip(x, bytes), 3L)
  expect_error(frames_of(x, serial_config("test_scope", length, length)), "raw vector")
})

test_that("classes with names beyond ASCII travel", {
  class <- "caf\u00e9"
  x <- structure(tensor(1), class = c(class, "test_tensor"))
  config <- serial_config(class, tensor_bytes, unserialize)
  expect_identical(tags(frames_of(x, config)), class)
  expect_identical(round_trip(x, config), 1)
})

# ---- failures ----

test_that("the client's own error passes through untouched", {
  mine <- structure(class = c("mine", "error", "condition"), list(message = "m", call = NULL))
  config <- serial_config("test_tensor", \(x) stop(mine), identity)
  error <- tryCatch(frames_of(list(1, tensor(1)), config), error = identity)
  expect_identical(error, mine)
})

test_that("at a worker it names the class and the side", {
  for (vec in c(FALSE, TRUE)) {
    error <- expect_error(
      frames_of(list(1, tensor(1)), failing(vec = vec), "worker"),
      "could not serialize object of class <test_tensor> on the worker: no bytes",
      class = "crossdock_codec_error", fixed = TRUE
    )
    expect_identical(error$class_tag, "test_tensor")
    expect_identical(error$side, "worker")
  }
})

test_that("an sfunc must return a raw vector", {
  config <- serial_config("test_tensor", \(x) "text", identity)
  text <- "Serialization function for `test_tensor` did not return a raw vector"
  expect_error(frames_of(tensor(1), config), text, fixed = TRUE)
  expect_error(
    frames_of(tensor(1), config, "worker"), text,
    fixed = TRUE, class = "crossdock_codec_error"
  )
  expect_error(object_bytes(tensor(1), config), text, fixed = TRUE)
})

test_that("no function runs when a value cannot be walked to its end", {
  ran <- FALSE
  config <- serial_config("test_tensor", function(x) ran <<- TRUE, identity)
  deep <- list()
  for (i in 1:1e5) deep <- list(deep)
  error <- tryCatch(frames_of(list(tensor(1), deep), config), error = identity)
  expect_s3_class(error, "stackOverflowError")
  expect_false(ran)
})

test_that("an object that cannot be decoded leaves the rest of the value", {
  x <- tensor(1)
  value <- list(1, x, list(frame("f"), x), "last")
  frames <- frames_of(value, both_config())
  config <- both_config()
  config[[3]][[1]] <- \(bytes) stop("no object")
  back <- value_of(frames, config)
  expect_error_value(back[[2]], "test_tensor", "no object$")
  expect_error_value(back[[3]][[2]], "test_tensor", "no object$")
  expect_identical(back[[3]][[1]]$value, "f")
  expect_identical(back[[4]], "last")
  expect_error_value(value_of(frames, config, "client")[[2]], "test_tensor", "", "client")
})

test_that("so does one whose class is not registered, and says what to do", {
  frames <- frames_of(list(tensor(1), frame(2)), both_config())
  back <- value_of(frames, frame_config())
  expect_error_value(back[[1]], "test_tensor", "serial_config\\(\\) and register_serial\\(\\)")
  expect_identical(back[[2]]$value, 2)
  expect_error_value(value_of(frames)[[2]], "test_frame", "in no serial configuration")
})

test_that("so does one in another version of its class's encoding", {
  for (config in list(tensor_config(), tensor_vec_config())) {
    frames <- frames_of(list(tensor(1), "rest"), config)
    is_object <- roles(frames) == 2L
    attr(frames[is_object][[1]], "codec") <- 3L
    value <- value_of(frames, config)
    expect_identical(value[[2]], "rest")
    expect_true(value[[1]] == 1000L)
    expect_match(attr(value[[1]], "message"), "<test_tensor> on the worker: .*version 3 .* have 0")
  }
})

test_that("a vec ufunc must give as many objects", {
  frames <- frames_of(list(tensor(1), 2, tensor(3)), tensor_vec_config())
  for (wrong in list(list(1), list(1, 2, 3), "text", NULL, c(1, 2))) {
    config <- serial_config("test_tensor", identity, \(bytes) wrong, vec = TRUE)
    back <- value_of(frames, config)
    expect_error_value(back[[1]], "test_tensor", "did not return a list of length 2")
    expect_error_value(back[[3]], "test_tensor", "did not return a list of length 2")
    expect_identical(back[[2]], 2)
  }
  back <- value_of(frames, failing(vec = TRUE))
  expect_error_value(back[[3]], "test_tensor", "no object$")
})

test_that("a function whose environment could not be decoded fails when called, not R", {
  e <- structure(list2env(list(y = 3)), class = "test_scope")
  f <- function() y
  environment(f) <- e
  g <- compiler::cmpfun(function(n) {
    s <- 0
    for (i in seq_len(n)) s <- s + sum(vapply(1:3, \(j) j * y, 0))
    s
  })
  environment(g) <- e
  inside <- new.env(parent = e)
  value <- list(f, structure(g, note = list(e, 1)), inside, e, runif(1e5), mean)
  config <- serial_config("test_scope", \(x) raw(1), \(bytes) stop("no scope"))
  back <- round_trip(value, config)
  expect_error(back[[1]](), "object 'y' not found")
  expect_error(back[[2]](2), "object 'y' not found")
  expect_error(get("y", back[[3]]), "object 'y' not found")
  expect_error_value(back[[4]], "test_scope", "no scope$")
  expect_error_value(attr(back[[2]], "note")[[1]], "test_scope", "no scope$")
  expect_identical(back[5:6], value[5:6])
})

test_that("every kind of value can stand beside such a function", {
  e <- structure(new.env(), class = "test_scope")
  f <- function() y
  environment(f) <- e
  config <- serial_config("test_scope", \(x) raw(1), \(bytes) NULL)
  lazy <- new.env()
  delayedAssign("later", y, e, lazy)
  value <- list(
    as.list(asNamespace("stats"), all.names = TRUE), as.list(baseenv(), all.names = TRUE),
    1:1e6, iris, tensor(1), quote(f(x)), expression(a), pairlist(a = 1), NA_character_, lazy,
    as.character(runif(1e5)), raw(1e6), 1i, getClass("numeric"), f
  )
  back <- round_trip(value, config)
  expect_error(back[[15]](), "object 'y' not found")
  expect_error(back[[10]]$later, "object 'y' not found")
  expect_identical(back[c(3, 4, 6:9, 11:13)], value[c(3, 4, 6:9, 11:13)])
})

test_that("what fails gives its memory back, wherever it fails", {
  skip_if_not(file.exists("/proc/self/statm"))
  resident <- function() {
    gc()
    as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1]][2]) * 4096
  }
  value <- list(runif(1e5), lapply(1:100, tensor), tensor(raw(1e5)))
  frames <- frames_of(value, tensor_config())
  n <- 0
  late <- serial_config("test_tensor", function(x) {
    n <<- n + 1
    if (n %% 80 == 0) stop("late")
    raw(1e4)
  }, identity)
  bad <- failing()
  deep <- list()
  for (i in 1:1e5) deep <- list(deep)
  deep <- list(value, deep)
  once <- function() {
    tryCatch(frames_of(deep), error = identity)
    try(frames_of(value, bad), silent = TRUE)
    try(frames_of(value, bad, "worker"), silent = TRUE)
    try(frames_of(value, late), silent = TRUE)
    value_of(frames, bad)
  }
  for (i in 1:20) once()
  before <- resident()
  for (i in 1:100) once()
  # each failure has 0.8 MB of segments in hand
  expect_lt(resident() - before, 40e6)
})

test_that("it stands a collection at every allocation", {
  value <- list(tensor(1), frame("f"), quote(a), structure(list(tensor(2)), a = tensor(3)))
  config <- both_config()
  bad <- failing(c("test_frame"))
  vec <- tensor_vec_config()
  gctorture(TRUE)
  back <- round_trip(value, config)
  vecs <- round_trip(value[c(1, 4)], vec)
  lost <- value_of(frames_of(value, config), bad)
  failed <- tryCatch(frames_of(value, bad, "worker"), error = identity)
  gctorture(FALSE)
  expect_identical(tensor_value(attr(back[[4]], "a")), 3)
  expect_identical(back[[2]]$value, "f")
  expect_identical(tensor_value(attr(vecs[[2]], "a")), 3)
  expect_error_value(lost[[2]], "test_frame", "no object$")
  expect_s3_class(failed, "crossdock_codec_error")
})

# ---- one object alone, for calls ----

test_that("an object alone is encoded and decoded by its class", {
  for (config in list(tensor_config(), tensor_vec_config())) {
    bytes <- object_bytes(tensor(5), config)
    expect_type(bytes, "raw")
    expect_identical(tensor_value(object_of(bytes, "test_tensor", config)), 5)
    expect_null(object_bytes(frame(1), config))
    expect_null(object_bytes(1, config))
  }
  expect_error_value(object_of(raw(1), "test_tensor", failing()), "test_tensor", "no object$")
  expect_error_value(
    object_of(raw(1), "test_tensor", failing(vec = TRUE), "client"),
    "test_tensor", "no object$", "client"
  )
  expect_error_value(object_of(raw(1), "other", NULL), "other", "in no serial configuration")
})

# ---- configurations ----

test_that("serial_config() makes what mirai makes, and vec", {
  expect_identical(
    serial_config("a", sum, c),
    list("a", list(sum), list(c), FALSE)
  )
  expect_identical(
    serial_config(c(x = "a", y = "b"), list(p = sum, c), list(c, sum), vec = TRUE),
    list(c("a", "b"), list(sum, c), list(c, sum), c(TRUE, TRUE))
  )
  expect_identical(
    serial_config(c("a", "b"), list(sum, c), list(c, sum), c(FALSE, TRUE))[[4]],
    c(FALSE, TRUE)
  )
})

test_that("serial_config() says what is wrong", {
  says <- function(text, ...) {
    error <- expect_error(serial_config(...), text, fixed = TRUE)
    expect_identical(conditionCall(error)[[1]], quote(serial_config))
  }
  says("`class` must be a character vector", 1, sum, sum)
  says("`class`, `sfunc` and `ufunc` must all be the same length", c("a", "b"), sum, sum)
  says("`class`, `sfunc` and `ufunc` must all be the same length", "a", list(sum, sum), sum)
  says("`sfunc` must be a function or list of functions", "a", 1, sum)
  says("`sfunc` must be a function or list of functions", "a", list("sum"), sum)
  says("`ufunc` must be a function or list of functions", "a", sum, NULL)
  says("`vec` must be TRUE or FALSE", "a", sum, sum, NA)
  says("`vec` must be TRUE or FALSE", "a", sum, sum, c(TRUE, FALSE))
  says("`vec` must be TRUE or FALSE", "a", sum, sum, "yes")
  bad <- list(
    NA_character_, "", "a/b", "a\\b", "a\"b", "a'b", "a`b", "a\nb", "a\177", "\u0085", "\u2028",
    strrep("a", 256), "\xff"
  )
  for (class in bad) says("`class` must have names of 1 to 255 printable bytes", class, sum, sum)
  expect_silent(serial_config(strrep("a", 255), sum, sum))
  expect_silent(serial_config("a b::c<d>", sum, sum))
})

test_that("register_serial() collects, and the first of a class stays", {
  registry <- crossdock:::serial_registry
  old <- registry$config
  on.exit(registry$config <- old)
  registry$config <- NULL
  expect_identical(crossdock:::registered_serial(), list())
  expect_null(expect_invisible(register_serial("a", sum, c)))
  register_serial(c("b", "a"), list(max, min), list(min, max), vec = TRUE)
  expect_identical(
    crossdock:::registered_serial(),
    list(c("a", "b"), list(sum, max), list(c, min), c(FALSE, TRUE))
  )
  error <- expect_error(register_serial("a", 1, c), "`sfunc` must be a function")
  expect_identical(conditionCall(error)[[1]], quote(register_serial))
  register_serial(character(), list(), list())
  expect_length(crossdock:::registered_serial()[[1]], 2L)
})

test_that("a configuration from elsewhere is checked", {
  check <- crossdock:::serial_check
  expect_identical(check(list()), list())
  config <- tensor_config()
  expect_identical(check(config), config)
  expect_identical(check(config[1:3]), config)
  expect_identical(check(list(character(), list(), list()))[[1]], character())
  expect_error(check("a"), "`serial` must be made by serial_config()", fixed = TRUE)
  expect_error(check(list("a"), ".serial"), "`.serial` must be made by", fixed = TRUE)
  expect_error(
    check(list("a", 1, sum)),
    "`serial` is not a serial configuration: `sfunc` must be a function",
    fixed = TRUE
  )
})
