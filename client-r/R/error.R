# A task's error as a value: its text, with all fields of the condition as attributes.

# condition: what was signalled. calls: sys.calls() at that time, NULL when unknown.
error_value <- function(condition, calls) {
  call <- conditionCall(condition)
  message <- conditionMessage(condition)
  where <- if (is.null(call) || identical(call, own_call)) {
    "Error: "
  } else {
    sprintf("Error in %s: ", deparse(call, backtick = TRUE, control = NULL, nlines = 1L)[[1L]])
  }
  fields <- unclass(condition)
  fields <- fields[nzchar(names(fields))]
  if (identical(call, own_call)) {
    fields["call"] <- list(NULL)
  }
  value <- structure(paste0(where, message), class = error_class)
  attributes(value) <- c(
    attributes(value),
    fields[!names(fields) %in% c("class", "names", "stack.trace", "condition.class")],
    list(condition.class = class(condition)),
    if (!is.null(calls)) list(stack.trace = task_trace(calls))
  )
  value
}

# The call by which tasks are evaluated (daemon.R): no place a user would look for.
own_call <- quote(eval(task_expression, task_environment, .GlobalEnv))

# The calls of the task's own code, innermost first, without source references: between the
# evaluation's frames (ours, then one of eval's) and the handler that took them, which R calls
# by way of another function for errors of its own and of stop("text").
task_trace <- function(calls) {
  calls <- calls[-length(calls)]
  if (length(calls) && identical(calls[[length(calls)]][[1L]], as.name(".handleSimpleError"))) {
    calls <- calls[-length(calls)]
  }
  own <- which(vapply(calls, identical, NA, own_call))
  if (length(own)) {
    calls <- calls[-seq_len(max(own))]
  }
  lapply(rev(as.list(calls)), function(call) {
    attributes(call) <- NULL
    call
  })
}

# The error of a task that is no R: a sentence.
plain_error <- function(message) {
  structure(paste0("Error: ", message), class = error_class, message = message)
}

#' @export
`$.crossdock_task_error` <- function(x, name) attr(x, name, exact = TRUE)

#' @export
print.crossdock_task_error <- function(x, ...) {
  cat("'miraiError' chr ", x, "\n", sep = "")
  invisible(x)
}

#' @export
conditionCall.crossdock_task_error <- function(c) attr(c, "call", exact = TRUE)

#' @export
conditionMessage.crossdock_task_error <- function(c) attr(c, "message", exact = TRUE)

#' @exportS3Method utils::.DollarNames crossdock_task_error
.DollarNames.crossdock_task_error <- function(x, pattern = "") {
  grep(pattern, names(attributes(x)), value = TRUE)
}

#' @export
print.crossdock_interrupt <- function(x, ...) {
  cat("'miraiInterrupt' chr \"\"\n")
  invisible(x)
}

# Texts of the codes that an errorValue can have here.
value_texts <- c(
  "5" = "Timed out", "6" = "Connection refused", "7" = "Object closed",
  "19" = "Connection reset", "20" = "Operation canceled", "1000" = "Internal error detected"
)

#' @export
print.crossdock_value <- function(x, ...) {
  text <- value_texts[as.character(unclass(x))]
  cat("'errorValue' int ", unclass(x), " | ", text, "\n", sep = "")
  if (!is.null(attr(x, "message"))) {
    cat(attr(x, "message"), "\n", sep = "")
  }
  invisible(x)
}
