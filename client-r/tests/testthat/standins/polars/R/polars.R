# SPDX-License-Identifier: MIT
# A data frame is an environment with a class: its methods, and a pointer to what only this
# process has.

memory <- new.env()
memory$last <- 0

as_polars_df <- function(x) {
  memory$last <- memory$last + 1
  at <- paste(Sys.getpid(), memory$last)
  memory[[at]] <- x
  self <- new.env(parent = topenv())
  self$at <- at
  self$serialize <- eval(quote(function() base::serialize(content(at), NULL)), self)
  structure(self, class = c("polars_data_frame", "polars_object"))
}

pl <- list(deserialize_df = function(data) as_polars_df(unserialize(data)))

content <- function(at) {
  if (is.null(memory[[at]])) {
    stop("external pointer is not valid")
  }
  memory[[at]]
}

as.data.frame.polars_data_frame <- function(x, ...) content(x$at)

head.polars_data_frame <- function(x, n = 6L, ...) as_polars_df(utils::head(content(x$at), n))

print.polars_data_frame <- function(x, ...) {
  data <- content(x$at)
  type <- vapply(data, function(column) if (is.factor(column)) "cat" else "f64", "")
  text <- lapply(data, function(column) if (is.factor(column)) column else sprintf("%.1f", column))
  cells <- rbind(names(data), "---", type, do.call(cbind, lapply(text, as.character)))
  width <- apply(nchar(cells), 2, max)
  rule <- function(left, line, cross, right) {
    cat(left, paste(strrep(line, width + 2), collapse = cross), right, "\n", sep = "")
  }
  cat("shape: (", nrow(data), ", ", ncol(data), ")\n", sep = "")
  rule("\u250c", "\u2500", "\u252c", "\u2510")
  for (i in seq_len(nrow(cells))) {
    row <- paste(sprintf("%-*s", width, cells[i, ]), collapse = " \u2506 ")
    cat("\u2502 ", row, " \u2502\n", sep = "")
    if (i == 3) {
      rule("\u255e", "\u2550", "\u256a", "\u2561")
    }
  }
  rule("\u2514", "\u2500", "\u2534", "\u2518")
  invisible(x)
}
