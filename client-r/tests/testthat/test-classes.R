# SPDX-License-Identifier: MIT
# Objects that R cannot serialize, anywhere in a value, to a daemon and back.

daemons(1)

test_that("Arrow tables and environments with methods, in every place of a value", {
  skip_without("arrow")
  frame <- portable_standins()$frame
  everywhere({}, .serial = serial_config(
    c("ArrowTabular", "test_frame"),
    list(arrow::write_to_raw, \(x) x$serialize()),
    list(
      function(x) arrow::read_ipc_stream(x, as_data_frame = FALSE),
      function(bytes) frame(unserialize(bytes))
    )
  ))
  table <- arrow::as_arrow_table(head(iris, 7))
  data <- frame(letters)
  value <- list(
    table = table,
    deep = list(1, list(list(data), "text")),
    closure = local({
      held <- list(table, data)
      function() held
    }),
    attributes = structure(1:3, table = table, data = data)
  )
  check <- function(value) {
    held <- value$closure()
    list(
      rows = nrow(value$table), value = value$deep[[2]][[1]][[1]]$value,
      tables = identical(value$table, held[[1]]) &&
        identical(value$table, attr(value$attributes, "table")),
      frames = identical(value$deep[[2]][[1]][[1]], held[[2]]) &&
        identical(held[[2]], attr(value$attributes, "data"))
    )
  }
  expected <- list(rows = 7L, value = letters, tables = TRUE, frames = TRUE)
  back <- mirai(list(check(value), value), check = check, value = value)[]
  expect_identical(back[[1]], expected)
  expect_identical(check(back[[2]]), expected)
  expect_identical(as.data.frame(back[[2]]$table), as.data.frame(table))
  expect_identical(back[[2]]$deep[[2]][[2]], "text")
})

# A module as torch makes it: a function, whose environment holds others, which share tensors.
module <- function() {
  self <- new.env(parent = globalenv())
  self$weight <- tensor(c(0.5, 2))
  self$bias <- tensor(1)
  self$inner <- new.env(parent = emptyenv())
  self$inner$tied <- self$weight
  self$forward <- function(x) x
  environment(self$forward) <- self
  structure(self$forward, self = self, class = "test_module")
}

shared_tensors <- function(module, params) {
  self <- attr(module, "self")
  c(
    tied = is_same(self$weight, self$inner$tied),
    params = is_same(self$weight, params$weight) && is_same(self$bias, params$bias),
    closure = is_same(environment(module), self),
    apart = !is_same(self$weight, self$bias)
  )
}

for (vec in c(FALSE, TRUE)) {
  test_that(paste("modules share their tensors on arrival, vec", vec), {
    everywhere({}, .serial = portable_tensors(vec))
    made <- module()
    params <- list(weight = attr(made, "self")$weight, bias = attr(made, "self")$bias)
    task <- mirai(
      list(module = made, params = params, shared = shared_tensors(made, params)),
      made = made, params = params, shared_tensors = shared_tensors, is_same = is_same
    )
    back <- task[]
    expect_true(all(back$shared))
    expect_true(all(shared_tensors(back$module, back$params)))
    expect_identical(tensor_value(back$params$weight), c(0.5, 2))
    expect_identical(tensor_value(attr(back$module, "self")$bias), 1)
    expect_false(is_same(back$params$weight, params$weight))
  })
}

# Tensors that have changed sign on arrival.
negated_tensors <- function() {
  config <- portable_tensors()
  config[[3]] <- list(local({
    tensor <- environment(config[[2]][[1]])$tensor
    function(bytes) tensor(-unserialize(bytes))
  }))
  config
}

test_that("a configuration given later reaches live daemons", {
  pid <- mirai(Sys.getpid())[]
  everywhere({}, .serial = list())
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], 3) # R sends attributes of a pointer
  everywhere({}, .serial = negated_tensors())
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], -3)
  expect_identical(attr(mirai(x, x = tensor(3))[], "value"), 3) # there and back
  expect_identical(mirai(Sys.getpid())[], pid)
})

daemons(0)

test_that("without dispatcher, and without daemons, configurations hold, too", {
  use_daemons(1, dispatcher = FALSE, serial = negated_tensors())
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], -3)
  daemons(0)
  registry <- crossdock:::serial_registry
  kept <- registry$config
  on.exit(registry$config <- kept)
  do.call(register_serial, negated_tensors()[1:3])
  back <- mirai(list(attr(x, "value"), x), x = tensor(3))[] # a process for this task alone
  expect_identical(back[[1]], -3)
  expect_identical(attr(back[[2]], "value"), 3)
})

# A package with a class of pointers, which it registers when it is loaded.
registering_package <- function() {
  folder <- file.path(tempfile("registering-"), "xdtRegisters")
  dir.create(file.path(folder, "R"), recursive = TRUE)
  writeLines(c("Package: xdtRegisters", "Version: 0.0.1", "Title: Registers a Class"),
    file.path(folder, "DESCRIPTION")
  )
  writeLines("export(handle, number)", file.path(folder, "NAMESPACE"))
  writeLines(c(
    "handle <- function(n) {",
    "  pointer <- unserialize(serialize(methods::new('externalptr'), NULL))",
    "  structure(`attr<-`(pointer, 'n', n), class = 'xdt_handle')",
    "}",
    "number <- function(x) attr(x, 'n')",
    ".onLoad <- function(libname, pkgname) { # the object gets another number on the way",
    "  crossdock::register_serial('xdt_handle',",
    "    function(x) serialize(number(x) + 1, NULL), function(bytes) handle(unserialize(bytes))",
    "  )",
    "}"
  ), file.path(folder, "R", "all.R"))
  folder
}

test_that("a package registers its classes when it is loaded, here and on daemons", {
  source <- registering_package()
  library <- tempfile("library-")
  dir.create(library)
  log <- tempfile()
  options <- c("CMD", "INSTALL", "--no-docs", "--no-byte-compile", "--no-test-load", "-l", library)
  status <- system2(file.path(R.home("bin"), "R"), c(options, source), stdout = log, stderr = log)
  expect_identical(status, 0L)
  said <- run_r(
    quote({
      daemons(1)
      before <- mirai(1)[]
      library(xdtRegisters)
      task <- mirai(list(number(x), x), x = handle(1), number = number)
      cat(task[][[1]], number(task[][[2]]), "\n")
      made <- mirai(xdtRegisters::handle(5))[] # the daemon's own
      cat(class(made), number(made), "\n")
      daemons(0)
    }),
    paste0("R_LIBS=", paste(c(library, .libPaths()), collapse = .Platform$path.sep))
  )
  expect_identical(trimws(c(said)), c("2 3", "xdt_handle 6"))
})

test_that("classes registered at any time need no argument, and list() opts out", {
  registry <- crossdock:::serial_registry
  kept <- registry$config
  on.exit(registry$config <- kept)
  use_daemons(1)
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], 3)
  do.call(register_serial, negated_tensors()[1:3])
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], -3)
  daemons(1, serial = list())
  expect_identical(mirai(attr(x, "value"), x = tensor(3))[], 3)
})
