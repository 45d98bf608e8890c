# SPDX-License-Identifier: MIT
# R sessions, R daemons and brokers killed in the middle of a payload, again and again, over ipc
# and tcp: the values that are documented, and afterwards no memory, descriptor or file more than
# before. CROSSDOCK_LONG=1: a hundred times each, else four.

kills <- if (is_long) 100L else 4L
warm_up <- 1L # rounds after which what is kept for use again has been made
payload <- function() raw(32 * 2^20)
samples <- 3L # rounds in which it is measured how long a payload takes
slack <- 64 * 1024 # KiB: two payloads; garbage of R is collected late

urls <- c(ipc = NA, tcp = "tcp://127.0.0.1:0")
broker_on <- function(transport, frame = parent.frame()) {
  url <- urls[[transport]]
  start_broker(if (is.na(url)) local_url() else url, frame)
}

daemon_at <- function(url) bquote(daemon(.(url), autoexit = FALSE, .compute = "broken"))

# R with no more packages than it needs.
start_lean <- function(code, frame) start_r(code, "R_DEFAULT_PACKAGES=NULL", frame)

# To start takes R longer than all else here: one that begins when it is told to.
start_ahead <- function(code) {
  gate <- tempfile("gate-")
  process <- start_lean(bquote({
    while (!file.exists(.(gate))) Sys.sleep(0.005)
    .(code)
  }), NULL)
  c(process, gate = gate)
}

begin <- function(process) file.create(process$gate)

send_one <- function() mirai(x, x = payload(), .compute = "broken")[]

# How long one takes in seconds, if that is less than so far.
shortest <- function(so_far = Inf) min(so_far, system.time(send_one())[["elapsed"]])

# So long that most payloads are still on their way.
nap <- function(seconds) Sys.sleep(stats::runif(1, 0, seconds / 2))

expect_nothing_left <- function(url) {
  left <- c("queued", "leased", "bytes", "relaying")
  expect_true(eventually(all(counter(url, left) == 0)), label = "nothing left")
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
    seconds <- Inf
    ahead <- start_ahead(daemon_at(broker$url))
    at_end(stop_program(ahead))
    for (i in seq_len(kills)) {
      daemon <- ahead
      begin(daemon)
      expect_true(has_workers("broken", 1L))
      ahead <- start_ahead(daemon_at(broker$url))
      if (i <= samples) seconds <- shortest(seconds)
      m <- mirai(x, x = payload(), .compute = "broken")
      nap(seconds)
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
    daemon <- start_lean(daemon_at(broker$url), environment())
    use_daemons(broker = broker$url, .compute = "broken")
    expect_true(has_workers("broken", 1L))
    seconds <- Inf
    for (i in seq_len(samples)) seconds <- shortest(seconds)
    send <- bquote({
      daemons(broker = .(broker$url), .compute = "broken")
      x <- raw(.(length(payload())))
      repeat mirai(x, x = x, .compute = "broken")[]
    })
    ahead <- start_ahead(send)
    at_end(stop_program(ahead))
    for (i in seq_len(kills)) {
      chunks <- counter(broker$url, "chunks")
      sender <- ahead
      begin(sender)
      ahead <- start_ahead(send)
      expect_true(eventually(counter(broker$url, "chunks") > chunks))
      nap(seconds)
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
    daemon <- start_lean(daemon_at(url), environment())
    gone <- 0L
    seconds <- Inf
    files <- function() length(list.files(dirname(sub("^ipc://", "", url)), all.files = TRUE))
    for (i in seq_len(kills)) {
      use_daemons(broker = url, .compute = "broken")
      expect_true(eventually(connections("broken") == 1L, 60))
      if (i <= samples) seconds <- shortest(seconds)
      if (i == warm_up) {
        mirai(gc(), .compute = "broken")[]
        survivor <- take_stock(daemon$pid)
        gc()
        own <- take_stock(Sys.getpid())
        if (transport == "ipc") before <- files()
      }
      m <- mirai(x, x = payload(), .compute = "broken")
      nap(seconds)
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
