# SPDX-License-Identifier: MIT
# Which classes of objects need functions of their own to be serialized.

# What register_serial() collected in this session.
serial_registry <- new.env(parent = emptyenv())

#' Serialize reference objects
#'
#' External pointers and the environments that wrap them (Arrow tables, torch
#' tensors, polars data frames) do not survive R's own serialization. A
#' configuration names such classes, with a function for each that turns an
#' object into a raw vector and one that turns it back. `serial_config()` makes
#' one for `daemons(serial = )`; `register_serial()` registers classes for all
#' daemons of this session.
#'
#' Objects are found wherever they are in a value: in a list, an attribute, the
#' environment of a function, the slot of an S4 object. An object that occurs
#' several times is sent once and is identical again on arrival. If it inherits
#' from several classes of the configuration, the first of these counts, in the
#' order of the configuration. What counts are external pointers, weak
#' references and environments with a class attribute, and reference class
#' objects. A list is not found. An S4 object that contains one of these cannot
#' be replaced: if its class is in the configuration, sending it is an error.
#'
#' @section Pointers that are not registered:
#' An external pointer of a class that is not in the configuration becomes a null
#' pointer on the way. If the task then fails, the attribute `unregistered` of its
#' error says where the pointer was: a character vector of classes to register,
#' named like `x$fit$ptr`. With `options(crossdock.preflight = "error")` such a
#' task is an error before anything is sent.
#'
#' @section Ready configurations:
#' `daemons(serial = "auto")`, or `options(crossdock.serial = "auto")` for all
#' profiles that are not given anything else, covers tables and record batches of
#' arrow, array streams of nanoarrow, tensors of torch and data frames of polars,
#' after what is registered.
#'
#' @section Failures:
#'
#' If `sfunc` fails in this session, so does the call that needed it. If it
#' fails at a daemon, the task ends in an error that names the class. If `ufunc`
#' fails, the error value 1000 stands in place of that object, with attributes
#' `codec` (the class), `side` (`"client"` or `"worker"`) and `message`; the rest
#' of the value arrives.
#'
#' @param class character vector of class names: printable, 1 to 255 bytes each,
#'   without quotes, slashes and backslashes.
#' @param sfunc a function, or a list of functions, one for each class: takes an
#'   object, returns a raw vector.
#' @param ufunc a function, or a list of functions, one for each class: takes
#'   that raw vector, returns the object.
#' @param vec logical, one or as many as classes. `TRUE`: `sfunc` takes a list of
#'   all objects of the class in a value and returns one raw vector, from which
#'   `ufunc` makes a list of as many.
#'
#' @return `serial_config()` gives an unnamed list of `class`, the functions
#'   `sfunc`, the functions `ufunc`, and `vec`. `register_serial()` gives `NULL`,
#'   invisibly.
#'
#' @examples
#' # a counter is an environment with a class
#' counter <- function(n) structure(list2env(list(n = n)), class = "counter")
#' config <- serial_config(
#'   "counter",
#'   sfunc = function(x) serialize(x$n, NULL),
#'   ufunc = function(bytes) counter(unserialize(bytes))
#' )
#' str(config)
#'
#' register_serial("counter", config[[2]], config[[3]])
#' @export
serial_config <- function(class, sfunc, ufunc, vec = FALSE) {
  config <- check_codecs(class, sfunc, ufunc, vec, sys.call())
  check_tags(config[[1L]], sys.call())
  config
}

#' @rdname serial_config
#' @details Of classes registered twice the first registration stays.
#' @export
register_serial <- function(class, sfunc, ufunc, vec = FALSE) {
  config <- check_codecs(class, sfunc, ufunc, vec, sys.call())
  check_tags(config[[1L]], sys.call())
  old <- registered_serial()
  if (length(old)) {
    config <- Map(c, old, config)
  }
  is_first <- !duplicated(config[[1L]])
  serial_registry$config <- lapply(unname(config), `[`, is_first)
  invisible()
}

# The registered configuration; an empty list is none.
registered_serial <- function() {
  config <- serial_registry$config
  if (length(config[[1L]])) config else list()
}

# A configuration that a user gives as `arg`: made by serial_config(), also by mirai's, which has
# three elements; or an empty list, for none. Returns it complete.
serial_check <- function(x, arg = "serial") {
  if (identical(x, "auto")) {
    return(auto_serial())
  }
  if (is.list(x) && length(x) == 0L) {
    return(list())
  }
  if (!is.list(x) || !length(x) %in% 3:4) {
    text <- "` must be made by serial_config(), or an empty list, or \"auto\""
    stop("`", arg, text, call. = FALSE)
  }
  tryCatch(
    do.call(serial_config, unname(x), quote = TRUE),
    error = function(e) {
      stop("`", arg, "` is not a serial configuration: ", conditionMessage(e), call. = FALSE)
    }
  )
}

check_codecs <- function(class, sfunc, ufunc, vec, call) {
  fail <- function(text) stop(simpleError(text, call))
  as_functions <- function(x, name) {
    x <- if (is.list(x)) x else list(x)
    if (!all(vapply(x, is.function, NA))) {
      fail(sprintf("`%s` must be a function or list of functions", name))
    }
    unname(x)
  }
  if (!is.character(class)) {
    fail("`class` must be a character vector")
  }
  sfunc <- as_functions(sfunc, "sfunc")
  ufunc <- as_functions(ufunc, "ufunc")
  if (length(sfunc) != length(class) || length(ufunc) != length(class)) {
    fail("`class`, `sfunc` and `ufunc` must all be the same length")
  }
  if (!is.logical(vec) || anyNA(vec) || !length(vec) %in% c(1L, length(class))) {
    fail("`vec` must be TRUE or FALSE, one or as many as classes")
  }
  list(as.vector(class), sfunc, ufunc, rep_len(as.vector(vec), length(class)))
}

# A class travels as the tag of its frames: the rule is the protocol's.
check_tags <- function(class, call) {
  utf8 <- enc2utf8(class)
  size <- nchar(utf8, "bytes")
  is_text <- !is.na(class) & validEnc(class) & validUTF8(utf8)
  is_tag <- is_text & size >= 1L & size <= 255L
  is_tag[is_tag] <-
    !grepl("[[:cntrl:]\u0080-\u009f\u2028\u2029\"'`\\\\/]", utf8[is_tag], perl = TRUE)
  if (!all(is_tag)) {
    text <- paste(
      "`class` must have names of 1 to 255 printable bytes without quotes and slashes, not",
      encodeString(class[!is_tag][1L], quote = "\"")
    )
    stop(simpleError(text, call))
  }
}

# Called from C: a list of one, the value; or the text of the error.
try_codec <- function(fun, x) {
  tryCatch(list(fun(x)), error = function(e) as.character(conditionMessage(e))[1L])
}

# Raised from C when an sfunc fails at a daemon.
stop_codec <- function(message, class_tag, side) {
  stop(structure(
    class = c("crossdock_codec_error", "error", "condition"),
    list(message = message, call = NULL, class_tag = class_tag, side = side)
  ))
}
