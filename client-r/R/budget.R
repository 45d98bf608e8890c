# SPDX-License-Identifier: MIT
# daemons(memory = ): how many bytes of tasks may wait in a profile.

check_memory <- function(memory) {
  if (is.null(memory)) {
    return(NULL)
  }
  if (!is.numeric(memory) && !identical(memory, NA) || length(memory) != 1L) {
    stop_option("memory", "a number of megabytes or NULL", memory)
  }
  if (is.finite(memory) && memory > 0) memory * 1e6 # bytes
}

# Of this session's tasks that no daemon has begun.
waiting_bytes <- function(profile, queued = profile_counts(profile)[["queued"]]) {
  bytes <- .Call(C_rxd_profile_waiting, profile$pointer, queued)
  profile$peak <- max(profile$peak, bytes)
  bytes
}

# What was there before a task counts, so that one which is too large alone gets through.
has_room <- function(profile) {
  is.null(profile$memory) || waiting_bytes(profile) < profile$memory
}

wait_for_room <- function(profile) {
  while (!has_room(profile)) {
    if (in_later()) {
      stop_crossdock("busy", sprintf(
        paste(
          "tasks of %g MB wait in the compute profile '%s', and its budget is %g MB",
          "(`daemons(memory = )`); there is no waiting inside a callback: use try_mirai()"
        ),
        waiting_bytes(profile) / 1e6, profile$name, profile$memory / 1e6
      ))
    }
    .Call(C_rxd_profile_wait, profile$pointer)
  }
}

# Is this code called by an event loop? Waiting would keep everything else that it serves.
in_later <- function() {
  if (!isNamespaceLoaded("later")) {
    return(FALSE)
  }
  later <- asNamespace("later")
  for (i in seq_len(sys.nframe())) {
    place <- environment(sys.function(i))
    if (!is.null(place) && identical(topenv(place), later)) {
      return(TRUE)
    }
  }
  is.function(sys.call(1L)[[1L]]) # R, being idle, has called a function without a name
}

# Megabytes, for status().
memory_status <- function(profile, queued) {
  used <- waiting_bytes(profile, queued)
  capacity <- if (is.null(profile$memory)) NA_real_ else profile$memory
  c(used = used, peak = profile$peak, capacity = capacity) / 1e6
}
