# SPDX-License-Identifier: MIT
# R sessions, R daemons and brokers killed in the middle of a payload, again and again, over ipc
# and tcp: the values that are documented, and afterwards no memory, descriptor or file more than
# before. CROSSDOCK_LONG=1: a hundred times each, else four.

kills <- if (is_long) 100L else 4L
warm_up <- 1L # rounds after which what is kept for use again has been made
payload <- function() raw(32 * 2^20)
slack <- 64 * 1024 # KiB: two payloads; garbage of R is collected late

urls <- c(ipc = NA, tcp = "tcp://127.0.0.1:0")
broker_on <- function(transport, frame = parent.frame()) {
  url <- urls[[transport]]
  start_broker(if (is.na(url)) local_url() else url, frame)
}

start_daemon_at <- function(url, frame = parent.frame()) {
  start_r(bquote(daemon(.(url), autoexit = FALSE, .compute = "broken")), frame = frame)
}

# How long one takes, in seconds.
send_one <- function() {
  system.time({
    value <- mirai(x, x = payload(), .compute = "broken")[]
  })[["elapsed"]]
}

expect_nothing_left <- function(url) {
  for (name in c("queued", "leased", "bytes", "relaying")) {
    expect_true(eventually(counter(url, name) == 0), label = paste("no", name))
  }
}

has_broken <- function(value, code) is_error_value(value) && unclass(value)[[1]] == code

for (transport in names(urls)) {
  test_that(paste("a daemon that is killed loses its task and nothing else,", transport), {
    skip_without_proc()
    skip_without_programs()
    use_state()
    broker <- broker_on(transport)
    use_daemons(broker = broker$url, .compute = "broken")
    lost <- 0L
    for (i in seq_len(kills)) {
      daemon <- start_daemon_at(broker$url, NULL)
      expect_true(has_workers("broken", 1L))
      if (i <= warm_up) seconds <- send_one()
      m <- mirai(x, x = payload(), .compute = "broken")
      Sys.sleep(stats::runif(1, 0, seconds / 2))
      tools::pskill(daemon$pid, tools::SIGKILL)
      value <- m[]
      expect_true(is.raw(value) || has_broken(value, 19L), label = printed(value))
      lost <- lost + !is.raw(value)
      rm(m, value)
      gc()
      expect_nothing_left(broker$url)
      if (i == warm_up) {
        before <- take_stock(broker$pid)
        own <- take_stock(Sys.getpid())
      }
    }
    cat(sprintf("  %s: %d of %d payloads broke off\n", transport, lost, kills))
    expect_gt(lost, 0L)
    expect_no_more("broker", before, broker$pid, slack)
    expect_no_more("session", own, Sys.getpid(), slack)
  })

  test_that(paste("a session that is killed frees its daemon for the next,", transport), {
    skip_without_proc()
    skip_without_programs()
    use_state()
    broker <- broker_on(transport)
    daemon <- start_daemon_at(broker$url)
    use_daemons(broker = broker$url, .compute = "broken")
    expect_true(has_workers("broken", 1L))
    seconds <- send_one()
    for (i in seq_len(kills)) {
      chunks <- counter(broker$url, "chunks")
      sender <- start_r(bquote({
        daemons(broker = .(broker$url), .compute = "broken")
        x <- raw(.(length(payload())))
        repeat mirai(x, x = x, .compute = "broken")[]
      }), frame = NULL)
      expect_true(eventually(counter(broker$url, "chunks") > chunks))
      Sys.sleep(stats::runif(1, 0, seconds / 2))
      tools::pskill(sender$pid, tools::SIGKILL)
      expect_true(eventually(counter(broker$url, "clients") == 2)) # we, and who asks
      expect_nothing_left(broker$url)
      if (i == warm_up) {
        mirai(gc(), .compute = "broken")[]
        before <- take_stock(broker$pid)
        survivor <- take_stock(daemon$pid)
      }
    }
    send_one() # it serves
    mirai(gc(), .compute = "broken")[]
    expect_no_more("broker", before, broker$pid, slack)
    expect_no_more("daemon", survivor, daemon$pid, slack)
  })

  test_that(paste("a broker that is killed leaves no file, and both sides go on,", transport), {
    skip_without_proc()
    skip_without_programs()
    use_state()
    broker <- broker_on(transport, NULL)
    at_end(stop_program(broker))
    url <- broker$url
    daemon <- start_daemon_at(url)
    gone <- 0L
    files <- function() length(list.files(dirname(sub("^ipc://", "", url)), all.files = TRUE))
    for (i in seq_len(kills)) {
      use_daemons(broker = url, .compute = "broken")
      expect_true(eventually(connections("broken") == 1L, 60))
      if (i <= warm_up) seconds <- send_one()
      if (i == warm_up) {
        mirai(gc(), .compute = "broken")[]
        survivor <- take_stock(daemon$pid)
        gc()
        own <- take_stock(Sys.getpid())
        if (transport == "ipc") before <- files()
      }
      m <- mirai(x, x = payload(), .compute = "broken")
      Sys.sleep(stats::runif(1, 0, seconds / 2))
      tools::pskill(broker$pid, tools::SIGKILL)
      value <- m[]
      expect_true(is.raw(value) || has_broken(value, 7L), label = printed(value))
      gone <- gone + !is.raw(value)
      rm(m, value)
      daemons(0, .compute = "broken")
      broker <- start_broker(url, NULL)
    }
    use_daemons(broker = url, .compute = "broken")
    expect_true(eventually(connections("broken") == 1L, 60))
    send_one()
    mirai(gc(), .compute = "broken")[]
    gc()
    cat(sprintf("  %s: %d of %d payloads broke off\n", transport, gone, kills))
    expect_gt(gone, 0L)
    expect_no_more("daemon", survivor, daemon$pid, slack)
    expect_no_more("session", own, Sys.getpid(), slack)
    if (transport == "ipc") expect_identical(files(), before)
  })
}
