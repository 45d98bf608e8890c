# Tasks without daemons: each gets a profile of its own and an R process that ends after it.

ephemeral_profile <- function(name) {
  if (name != "default" && name != the$current) {
    known <- paste(sprintf("'%s'", names(the$profiles)), collapse = ", ")
    stop_crossdock("not_found", sprintf(
      "no daemons are set for the compute profile '%s'; this session has %s",
      name, if (nzchar(known)) known else "none"
    ))
  }
  sweep_ephemeral()
  profile <- new_ephemeral()
  # A crash ends its one task; what is started in its place finds none, and goes.
  launch(profile, 1L, "maxtasks=1,idletime=5000,rs=NA")
  profile
}

new_ephemeral <- function() {
  profile <- make_profile(sprintf(".ephemeral-%d", the$groups + 1L), "", TRUE)
  the$ephemeral <- c(the$ephemeral, list(profile))
  profile
}

# Where the process has ended its slot is given free, and its profile.
sweep_ephemeral <- function() {
  lives <- vapply(the$ephemeral, function(p) {
    .Call(C_rxd_launched_stop, p$group, NA_real_) > 0L
  }, NA)
  for (profile in the$ephemeral[!lives]) {
    .Call(C_rxd_profile_close, profile$pointer, 19L)
  }
  the$ephemeral <- the$ephemeral[lives]
}
