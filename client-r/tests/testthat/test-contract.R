# SPDX-License-Identifier: MIT
# The functions of mirai 2.7.3, their arguments and defaults, against this package's: a program
# written for it may use any of them, by position or by name. What is added stands behind.

# name | arguments, with defaults, in mirai's order
contract <- '
call_mirai | x
cluster_config | command = "sbatch", options = "", rscript = "Rscript"
collect_mirai | x, options = NULL
daemon | url, dispatcher = TRUE, ..., asyncdial = FALSE, autoexit = TRUE, cleanup = TRUE, \\
         output = FALSE, idletime = Inf, walltime = Inf, maxtasks = Inf, tlscert = NULL, rs = NULL
daemons | n, url = NULL, remote = NULL, dispatcher = TRUE, ..., sync = FALSE, seed = NULL, \\
          memory = NULL, serial = NULL, tls = NULL, pass = NULL, .compute = NULL
daemons_set | .compute = NULL
everywhere | .expr, ..., .args = list(), .min = 1L, .compute = NULL
host_url | tls = FALSE, port = 0
info | .compute = NULL
is_error_value | x
is_mirai | x
is_mirai_error | x
is_mirai_interrupt | x
is_mirai_map | x
launch_local | n = 1L, ..., .compute = NULL
launch_remote | n = 1L, remote = remote_config(), ..., .compute = NULL
local_daemons | .compute, frame = parent.frame()
local_url | tcp = FALSE, port = 0
make_cluster | n, url = NULL, remote = NULL, ...
mirai | .expr, ..., .args = list(), .timeout = NULL, .compute = NULL
mirai_map | .x, .f, ..., .args = list(), .promise = NULL, .compute = NULL
nextcode | xc
nextget | x, .compute = "default"
nextstream | .compute = "default"
on_daemon |
race_mirai | x, .compute = NULL
register_serial | class, sfunc, ufunc
remote_config | command = NULL, args = c("", "."), rscript = "Rscript", quote = FALSE
require_daemons | .compute = NULL, call = environment()
serial_config | class, sfunc, ufunc
ssh_config | remotes, tunnel = FALSE, timeout = 10, command = "ssh", rscript = "Rscript"
status | .compute = NULL
stop_cluster | cl
stop_mirai | x
try_mirai | .expr, ..., .args = list(), .timeout = NULL, .compute = NULL
unresolved | x
with_daemons | .compute, expr
'

# A list of formals by name.
read_contract <- function() {
  lines <- strsplit(gsub("\\\\\n *", "", contract), "\n", fixed = TRUE)[[1L]]
  parts <- strsplit(lines[nzchar(lines)], " |", fixed = TRUE)
  wanted <- lapply(parts, function(part) {
    arguments <- if (length(part) > 1L) part[[2L]] else ""
    formals(eval(parse(text = sprintf("function(%s) NULL", arguments))[[1L]]))
  })
  names(wanted) <- vapply(parts, `[[`, "", 1L)
  wanted
}

# http_config()'s defaults ask the environment by functions of its own.
http_arguments <- c("url", "method", "headers", "data", "...", "cookie", "token")

# What comes before `...` can be given by position; behind it stand mirai's names in any order.
first_of <- function(names) {
  names[seq_len(match("...", names, nomatch = length(names) + 1L) - 1L)]
}

test_that("every function of mirai is there, with its arguments and defaults", {
  for (name in names(read_contract())) {
    wanted <- read_contract()[[name]]
    own <- formals(getExportedValue("crossdock", name))
    expect_identical(
      names(own)[seq_along(first_of(names(wanted)))], first_of(names(wanted)),
      label = paste("what can be given by position to", name)
    )
    expect_true(all(names(wanted) %in% names(own)), label = name)
    expect_identical(lapply(own[names(wanted)], deparse), lapply(wanted, deparse), label = name)
  }
})

test_that("the options of collecting are language objects", {
  expect_identical(list(.flat, .progress, .stop), list(quote(.flat), quote(.progress), quote(.stop)))
})

test_that("what is added to a function of mirai has a default", {
  for (name in names(read_contract())) {
    own <- formals(getExportedValue("crossdock", name))
    added <- own[setdiff(names(own), c(names(read_contract()[[name]]), "..."))]
    has_default <- vapply(added, function(value) !identical(value, quote(expr = )), NA)
    expect_true(all(has_default), label = name)
  }
})

test_that("the table is that of the mirai installed here", {
  skip_if_not_installed("mirai", "2.7.3")
  skip_if(utils::packageVersion("mirai") != "2.7.3", "another mirai")
  functions <- setdiff(getNamespaceExports("mirai"), c(".flat", ".progress", ".stop"))
  expect_setequal(functions, c(names(read_contract()), "http_config"))
  theirs <- lapply(stats::setNames(nm = names(read_contract())), function(name) {
    lapply(formals(getExportedValue("mirai", name)), deparse)
  })
  expect_identical(theirs, lapply(read_contract(), lapply, deparse))
  expect_identical(names(formals(getExportedValue("mirai", "http_config"))), http_arguments)
})

# ---- printed forms and classes, of objects of each kind ----

test_that("objects have mirai's classes, behind our own", {
  use_daemons(1)
  classes <- function(x) class(x)[-1L]
  expect_identical(classes(mirai(1)), c("mirai", "recvAio"))
  expect_identical(classes(mirai_map(1, identity)), "mirai_map")
  expect_identical(classes(mirai(stop("a"))[]), c("miraiError", "errorValue", "try-error"))
  expect_identical(classes(mirai(1, .timeout = 0)[]), c("errorValue", "try-error"))
})

test_that("visible and invisible values are mirai's", {
  visible <- function(expr) withVisible(expr)$visible
  on.exit(daemons(0))
  expect_false(visible(daemons(1)))
  expect_false(visible(mirai(1)))
  expect_false(visible(try_mirai(1)))
  expect_false(visible(everywhere(NULL)))
  expect_false(visible(mirai_map(1, identity)))
  m <- mirai(1)
  expect_false(visible(call_mirai(m)))
  expect_true(visible(collect_mirai(m)))
  expect_true(visible(m[]))
  expect_false(visible(race_mirai(list(m))))
  expect_false(visible(stop_mirai(m)))
  expect_false(visible(require_daemons()))
  expect_true(visible(launch_local(0)))
  expect_true(visible(nextstream("nobody has it")))
  expect_true(visible(daemons_set()))
  expect_true(visible(status()))
  expect_true(visible(info()))
  expect_false(visible(register_serial("contract_test", identity, identity)))
  expect_true(visible(serial_config("a", identity, identity)))
  expect_false(visible(daemons(0)))
})
