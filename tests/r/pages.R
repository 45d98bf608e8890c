# SPDX-License-Identifier: MIT
# Every exported object has a help page with an example that runs, and a place in the reference index of the site, which
# names no page that is not there.
#   Rscript pages.R PACKAGE      PACKAGE: client-r. The last line: "P passed, F failed, S skipped"

package <- commandArgs(trailingOnly = TRUE)[1L]
passed <- failed <- 0L

judge <- function(ok, claim) {
  if (ok) passed <<- passed + 1L else failed <<- failed + 1L
  if (!ok) cat("failed:", claim, "\n")
}

tags <- function(x) vapply(x, function(part) attr(part, "Rd_tag"), "")
texts_of <- function(rd, tag) vapply(rd[tags(rd) == tag], function(part) trimws(unlist(part)[1L]), "")

# Some code outside \dontrun.
has_example <- function(rd) {
  example <- rd[tags(rd) == "\\examples"]
  if (!length(example)) return(FALSE)
  runs <- example[[1L]][!tags(example[[1L]]) %in% c("\\dontrun", "COMMENT")]
  code <- unlist(runs)
  any(nzchar(trimws(sub("^[[:space:]]*#.*", "", code))))
}

pages <- lapply(list.files(file.path(package, "man"), "[.]Rd$", full.names = TRUE), tools::parse_Rd)
names(pages) <- vapply(pages, texts_of, "", "\\name")
exports <- parseNamespaceFile(basename(package), dirname(normalizePath(package)))$exports
for (name in exports) {
  page <- Filter(function(rd) name %in% texts_of(rd, "\\alias"), pages)
  judge(length(page) == 1L, paste(name, "has a help page"))
  judge(length(page) == 1L && has_example(page[[1L]]), paste(name, "has an example that runs"))
}

# The index is a list of names, one a line: "    - daemons".
lines <- readLines(file.path(package, "_pkgdown.yml"))
entries <- sub("^ *- *\"?([^\"]*)\"?$", "\\1", grep("^    - ", lines, value = TRUE))
is_article <- seq_along(entries) > length(entries) - length(grep("^    - ", lines[-seq_len(match("articles:", lines))]))
internal <- vapply(pages, function(rd) "internal" %in% texts_of(rd, "\\keyword"), NA)
aliases <- lapply(pages, texts_of, "\\alias")
for (name in names(pages)[!internal]) {
  judge(any(entries[!is_article] %in% c(name, aliases[[name]])), paste(name, "is in the index, _pkgdown.yml"))
}
for (entry in entries[!is_article]) {
  judge(entry %in% unlist(aliases), paste("the index names a page that is there:", entry))
}
vignettes <- sub("[.]Rmd$", "", list.files(file.path(package, "vignettes"), "[.]Rmd$"))
judge(setequal(entries[is_article], vignettes), "the index has each vignette, and no other")
cat(sprintf("%d passed, %d failed, 0 skipped\n", passed, failed))
quit(status = as.integer(failed > 0L))
