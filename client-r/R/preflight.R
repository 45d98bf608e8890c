# SPDX-License-Identifier: MIT
# Looking through a value for what cannot travel: where in it are external pointers that no
# class of the configuration covers, or S4 objects of a class that it has.

# Called from C when a task of this session holds such a pointer: what to tell with the error
# that the task probably ends in, or NULL. With options(crossdock.preflight = "error") it is an
# error here and now, before any function of the configuration has run.
note_pointers <- function(body, config) {
  found <- body_pointers(body, config)
  if (length(found) && identical(getOption("crossdock.preflight"), "error")) {
    stop_crossdock("unregistered", sprintf(
      "`%s` is an external pointer%s, which does not work in another process; see serial_config()",
      names(found)[[1L]],
      if (is.na(found[[1L]])) "" else sprintf(" (class <%s>)", found[[1L]])
    ))
  }
  if (length(found)) found
}

# The classes to register, named by the paths; NA where there is none that could be.
body_pointers <- function(body, config) {
  found <- character()
  walk_body(body, function(x, path, holder) {
    if (typeof(x) == "externalptr" && !has_codec(x, config)) {
      found[[path]] <<- if (is.object(x)) class(x)[[1L]] else holder
    }
  })
  found
}

# An S4 object is met by R's serializer only as what it is made of, so its class cannot be
# looked up: an error, not something broken on arrival.
check_s4 <- function(body, config) walk_body(body, s4_visitor(config))

# The same of the value of a task, called from C on a daemon: list(value).
check_s4_value <- function(value, config) {
  if (has_s4(config)) {
    walk_body(list(NULL, list(value = value[[1L]])), s4_visitor(config))
  }
}

s4_visitor <- function(config) {
  force(config)
  function(x, path, holder) {
    if (isS4(x) && typeof(x) == "S4" && has_codec(x, config) && !is_reference(x)) {
      stop_crossdock("no_codec", sprintf(
        paste(
          "`%s` is an S4 object of the registered class <%s>, which R's serialization does not",
          "let be replaced; register the class of the pointer or environment in one of its slots"
        ),
        path, class(x)[[1L]]
      ))
    }
  }
}

is_reference <- function(x) is.environment(attr(x, ".xData")) && methods::is(x, "envRefClass")

has_codec <- function(x, config) {
  is.object(x) && length(config) > 0L && inherits(x, config[[1L]])
}

# Are there S4 classes among those of the configuration?
has_s4 <- function(config) {
  length(config) > 0L && isNamespaceLoaded("methods") &&
    any(vapply(config[[1L]], function(class) methods::isClass(class), NA))
}

# More would take longer than the answer is worth.
walk_limit <- 20000L

# `visit(x, path, holder)` for the arguments and globals of a task, and all that is in them;
# `holder`: the class of the environment around it that could be registered.
walk_body <- function(body, visit) {
  state <- new.env(parent = emptyenv())
  state$seen <- list() # environments
  state$left <- walk_limit
  for (part in body[2:min(3L, length(body))]) {
    for (name in names(part)) {
      walk(part[[name]], name, NA_character_, visit, state)
    }
  }
}

walk <- function(x, path, holder, visit, state) {
  state$left <- state$left - 1L
  if (state$left < 0L) {
    return(invisible())
  }
  visit(x, path, holder)
  is_slot <- isS4(x)
  for (name in setdiff(names(attributes(x)), c("names", "class", "dim", "dimnames", "row.names",
    "levels", "srcref", ".internal.selfref"))) {
    within <- if (is_slot) paste0(path, "@", name) else sprintf("attr(%s, \"%s\")", path, name)
    walk(attr(x, name, exact = TRUE), within, holder, visit, state)
  }
  switch(typeof(x),
    list = walk_list(x, path, holder, visit, state),
    environment = walk_environment(x, path, holder, visit, state),
    closure = walk_environment(
      environment(x), sprintf("environment(%s)", path), holder, visit, state
    )
  )
}

walk_list <- function(x, path, holder, visit, state) {
  names <- names(x)
  x <- unclass(x)
  for (i in seq_along(x)) {
    named <- !is.null(names) && nzchar(names[[i]])
    within <- if (named) paste0(path, "$", names[[i]]) else sprintf("%s[[%d]]", path, i)
    walk(x[[i]], within, holder, visit, state)
  }
}

walk_environment <- function(x, path, holder, visit, state) {
  is_known <- nzchar(environmentName(x)) || any(vapply(state$seen, identical, NA, x))
  if (is_known) {
    return(invisible())
  }
  state$seen <- c(state$seen, list(x))
  if (is.object(x)) {
    holder <- class(x)[[1L]]
  }
  for (name in ls(x, all.names = TRUE)) {
    if (!bindingIsActive(name, x)) {
      value <- tryCatch(get(name, envir = x), error = function(e) NULL)
      walk(value, paste0(path, "$", name), holder, visit, state)
    }
  }
  walk_environment(parent.env(x), sprintf("parent.env(%s)", path), NA_character_, visit, state)
}
