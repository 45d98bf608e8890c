# SPDX-License-Identifier: MIT
# A tensor is an external pointer with a class. Its numbers lie in this process, where no
# serialization of R's finds them.

memory <- new.env()
memory$last <- 0

# `values` has dimensions.
torch_tensor <- function(values, requires_grad = FALSE) {
  pointer <- unserialize(serialize(methods::new("externalptr"), NULL)) # not an older one again
  memory$last <- memory$last + 1
  attr(pointer, "at") <- paste(Sys.getpid(), memory$last)
  memory[[attr(pointer, "at")]] <- list(values = values, requires_grad = requires_grad)
  structure(pointer, class = c("torch_tensor", "R7"))
}

content <- function(x) {
  found <- memory[[attr(x, "at")]]
  if (is.null(found)) {
    stop("external pointer is not valid")
  }
  found
}

tensor_values <- function(x) content(x)$values

# The same for two variables that hold the same tensor, and only then.
tensor_id <- function(x) {
  content(x)
  attr(x, "at")
}

# Of one tensor, or of a list of them.
torch_serialize <- function(obj) {
  is_one <- inherits(obj, "torch_tensor")
  serialize(if (is_one) content(obj) else lapply(obj, content), NULL)
}

torch_load <- function(path) {
  made <- unserialize(path)
  tensor <- function(x) torch_tensor(x$values, x$requires_grad)
  if (is.null(names(made))) lapply(made, tensor) else tensor(made)
}

# As torch prints: planes of the last two dimensions, thirty lines at most.
print.torch_tensor <- function(x, ...) {
  values <- tensor_values(x)
  size <- dim(values)
  planes <- expand.grid(lapply(rev(size[-(3:4)]), seq_len))
  lines <- unlist(lapply(seq_len(nrow(planes)), function(i) {
    plane <- matrix(values[planes[[2]][[i]], planes[[1]][[i]], , ], size[[3]])
    title <- sprintf("(%d,%d,.,.) =", planes[[2]][[i]], planes[[1]][[i]])
    rows <- apply(formatC(plane, digits = 4, format = "f"), 1, paste, collapse = " ")
    c(title, paste0(" ", rows), "")
  }))
  cat("torch_tensor\n")
  cat(utils::head(lines, 30), sep = "\n")
  if (length(lines) > 30) {
    cat("... [the output was truncated (use n=-1 to disable)]\n")
  }
  grad <- if (content(x)$requires_grad) "[ requires_grad = TRUE ]" else ""
  cat("[ CPUFloatType{", paste(size, collapse = ","), "} ]", grad, "\n", sep = "")
  invisible(x)
}

# ---- modules: functions, whose environment holds `self` ----

nn_module <- function(initialize, forward, name = "nn_module") {
  force(name)
  function(...) {
    self <- new.env()
    environment(initialize) <- environment(forward) <- list2env(list(self = self))
    initialize(...)
    structure(function(x) forward(x), self = self, class = c(name, "nn_module"))
  }
}

is_tensor <- function(x) inherits(x, "torch_tensor")
self_of <- function(x) attr(x, "self", exact = TRUE)

# All tensors of a module, by name.
parameters_of <- function(module) {
  members <- mget(sort(ls(self_of(module))), self_of(module))
  own <- Filter(is_tensor, members)
  inner <- lapply(Filter(function(x) inherits(x, "nn_module"), members), parameters_of)
  c(own, unlist(inner, recursive = FALSE))
}

`$.nn_module` <- function(x, name) {
  if (name == "parameters") parameters_of(x) else self_of(x)[[name]]
}

print.nn_module <- function(x, ...) {
  count <- function(module) {
    sum(vapply(parameters_of(module), function(p) length(tensor_values(p)), 0))
  }
  cat("An `nn_module` containing ", format(count(x), big.mark = ","), " parameters.\n\n", sep = "")
  cat("\u2500\u2500 Modules ", strrep("\u2500", 60), "\n", sep = "")
  for (name in sort(ls(self_of(x)))) {
    module <- self_of(x)[[name]]
    cat("\u2022 ", name, ": <", class(module)[[1]], "> #", count(module), " parameters\n", sep = "")
  }
  invisible(x)
}

nn_conv2d <- nn_module(
  function(in_channels, out_channels, size) {
    weight <- stats::runif(out_channels * in_channels * size * size, -0.2, 0.2)
    self$weight <- torch_tensor(array(weight, c(out_channels, in_channels, size, size)), TRUE)
    self$bias <- torch_tensor(array(stats::runif(out_channels, -0.2, 0.2), out_channels), TRUE)
  },
  function(x) x,
  name = "nn_conv2d"
)

nnf_relu <- function(x) x

# ---- optimizers: objects as of R6 ----

optim_rmsprop <- function(params, lr = 0.01, alpha = 0.99, eps = 1e-08, weight_decay = 0) {
  self <- new.env()
  self$defaults <- list(lr = lr, alpha = alpha, eps = eps, weight_decay = weight_decay)
  self$param_groups <- list(c(list(params = params), self$defaults))
  self$state <- structure(new.env(), class = c("State", "R6"))
  self$initialize <- function(params, lr = 0.01, alpha = 0.99, ...) NULL
  self$add_param_group <- function(param_group) NULL
  self$clone <- function(deep = FALSE) NULL
  self$load_state_dict <- function(state_dict, ..., .refer_to_state_dict = FALSE) NULL
  self$state_dict <- function() NULL
  self$step <- function(closure = NULL) NULL
  self$zero_grad <- function(set_to_none = FALSE) NULL
  structure(self, class = c("optim_rmsprop", "torch_optimizer", "R6"))
}

print.torch_optimizer <- function(x, ...) {
  cat("<", class(x)[[1]], ">\n  Inherits from: <", class(x)[[2]], ">\n  Public:\n", sep = "")
  for (name in sort(ls(x))) {
    member <- x[[name]]
    what <- if (is.function(member)) {
      trimws(sub("NULL$", "", paste(deparse(args(member), width.cutoff = 85)[[1]], collapse = "")))
    } else if (is.list(member)) {
      "list"
    } else {
      paste(class(member), collapse = ", ")
    }
    cat("    ", name, ": ", what, "\n", sep = "")
  }
  cat("  Private:\n    deep_clone: function (name, value) \n")
  cat("    step_helper: function (closure, loop_fun) \n")
  invisible(x)
}
