# SPDX-License-Identifier: MIT
# Launches of daemons elsewhere, until these have come: what their launchers said, and how they
# ended. Nothing tells that a daemon has not come; so it is looked at, ever less often.

# The profile expects a daemon. `code` NA: its launcher runs, and will leave its exit code in the
# file `status`; `said`: lines, or NULL: they are in the file `output`. `pid`: of a launcher that
# runs; `stays`: its daemon may go on when the profile is gone.
expect_launch <- function(
  profile,
  what,
  code = NA,
  said = NULL,
  output = NULL,
  status = NULL,
  pid = NULL,
  stays = FALSE
) {
  if (!length(profile$launches)) {
    profile$joined_before <- profile_counts(profile)[["joined"]]
    profile$told_launches <- FALSE
  }
  launch <- list2env(list(
    what = what, code = code, said = said, output = output, status = status, pid = pid,
    stays = stays, began = proc.time()[[3L]]
  ))
  profile$launches <- c(profile$launches, list(launch))
  .Call(C_rxd_starts_expect, 0)
}

# Runs a command in the background, its output in a file: a connection that SSH leaves behind
# has one to write to as long as it likes.
run_launcher <- function(profile, command, args) {
  output <- tempfile("launch-")
  status <- paste0(output, ".status")
  line <- paste(c(shQuote(command), args), collapse = " ")
  shell <- sprintf( # when told to end it stays until the command has
    "exec </dev/null >%s 2>&1\ntrap : TERM\n(%s\n)\necho $? >%s",
    shQuote(output), line, shQuote(status)
  )
  pid <- .Call(C_rxd_launcher_start, shell)
  the$launchers <- c(running_launchers(the$launchers), pid)
  expect_launch(
    profile, sprintf("`%s`", command), output = output, status = status, pid = pid,
    stays = any(grepl("autoexit=(NA|FALSE)", args))
  )
}

# Those of these processes that run, after they were told to end ("kindly", "hard").
running_launchers <- function(pids, end = "") {
  pids[.Call(C_rxd_launchers, pids, match(end, c("kindly", "hard"), 0L))]
}

# Ends the launchers of profiles that end: kindly, then hard after `grace` seconds.
stop_launches <- function(profiles, grace = 1) {
  pids <- as.integer(unlist(lapply(profiles, launchers_to_stop)))
  end <- proc.time()[[3L]] + grace
  pids <- running_launchers(pids, "kindly")
  while (length(pids) && proc.time()[[3L]] < end) {
    Sys.sleep(0.002)
    pids <- running_launchers(pids)
  }
  running_launchers(pids, "hard")
  lapply(profiles, drop_launches)
  invisible()
}

# Which launcher has brought which daemon is not known. So where some have come that may go on
# without this session, all launchers stay: one may be what its daemon lives by.
launchers_to_stop <- function(profile) {
  launches <- profile$launches
  if (!length(launches)) {
    return(NULL)
  }
  may_stay <- is_shared(profile) || any(vapply(launches, function(launch) launch$stays, NA))
  come <- tryCatch(launches_come(profile), crossdock_error = function(e) 1L)
  if (!may_stay || come == 0) {
    lapply(launches, function(launch) launch$pid)
  }
}

is_shared <- function(profile) !is_own_broker(profile$address) && nzchar(profile$address)

# Its exit code now; NA: it still runs.
launch_code <- function(launch) {
  if (is.na(launch$code) && isTRUE(file.size(launch$status) > 0)) {
    launch$code <- as.integer(readLines(launch$status, 1L, warn = FALSE))
  }
  launch$code
}

# The last lines of what it said.
launch_tail <- function(launch, lines = 12L, bytes = 4096) {
  if (is.null(launch$said) && isTRUE(file.size(launch$output) > 0)) {
    file <- file(launch$output, "rb")
    on.exit(close(file))
    seek(file, max(0, file.size(launch$output) - bytes))
    text <- readBin(file, "raw", bytes)
    text <- iconv(rawToChar(text[text != 0]), "UTF-8", "UTF-8", sub = "byte")
    utils::tail(strsplit(text, "\n", fixed = TRUE)[[1L]], lines)
  } else {
    utils::tail(launch$said, lines)
  }
}

# How many of its daemons have come.
launches_come <- function(profile) {
  min(profile_counts(profile)[["joined"]] - profile$joined_before, length(profile$launches))
}

# Those that are there need nobody to look after them.
drop_launches <- function(profile) {
  for (launch in profile$launches) {
    unlink(c(launch$output, launch$status))
  }
  profile$launches <- NULL
}

# Why no launch will bring a daemon: a text. NULL: there are none, or one may.
launch_fault <- function(profile) {
  launches <- profile$launches
  if (!length(launches)) {
    return(NULL)
  }
  codes <- vapply(launches, launch_code, 0L)
  come <- launches_come(profile)
  if (come >= length(launches)) {
    drop_launches(profile)
    NULL
  } else if (come == 0 && !anyNA(codes) && all(codes != 0L)) {
    launch_text(launches[[length(launches)]])
  }
}

launch_text <- function(launch) {
  how <- if (is.null(launch$status)) "was refused" else "ended with exit code %d"
  said <- launch_tail(launch)
  paste(c(
    sprintf(
      "a daemon could not start: %s %s%s", launch$what, sprintf(how, launch$code),
      if (length(said)) "; its last lines:" else ""
    ),
    said
  ), collapse = "\n")
}

# Says once how many are missing after their time, with what a launcher said last. Returns in how
# many seconds to look again; Inf: not at all.
tell_launches <- function(profile) {
  launches <- profile$launches
  if (!length(launches)) {
    return(Inf)
  }
  age <- proc.time()[[3L]] - launches[[length(launches)]]$began
  come <- launches_come(profile)
  if (!profile$told_launches && age >= slow_start && come < length(launches)) {
    profile$told_launches <- TRUE
    said <- Filter(length, lapply(launches, launch_tail))
    message(sprintf(
      "crossdock: %d of %d launched daemons have connected within %.0f seconds%s",
      as.integer(come), length(launches), age,
      if (length(said)) {
        paste(c("; a launcher said last:", said[[length(said)]]), collapse = "\n")
      } else {
        ""
      }
    ))
  }
  min(30, max(0.5, age / 20))
}
