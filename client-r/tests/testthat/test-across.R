# SPDX-License-Identifier: MIT
# Sessions, brokers and daemons on tcp: always with keys.

# In a process of its own, as on another host: what a launch command does.
start_daemon <- function(command, env = character(), frame = parent.frame()) {
  start_program("sh", c("-c", command), r_environment(env), frame = frame)
}

here <- function() remote_config(rscript = rscript())

test_that("a session listens on tcp, its broker is a child; daemons come by the command", {
  state <- use_state()
  use_daemons(url = local_url(tcp = TRUE))
  url <- status()$daemons
  expect_match(url, "^tcp://127\\.0\\.0\\.1:[1-9][0-9]*$")
  expect_setequal(list.files(state), c("server.key", "server.pub", "user.key"))
  command <- launch_remote(1, here())
  expect_match(command, sprintf(
    "crossdock::daemon\\(\"%s\",tlscert=\"[0-9a-f]{64}\"\\)'$", url
  ))
  start_daemon(command)
  expect_true(eventually(connections() == 1L))
  launch_local(1)
  expect_true(eventually(connections() == 2L))
  x <- as.raw(seq_len(3e7) %% 251L)
  expect_identical(mirai(rev(x), x = x)[], rev(x))
  expect_identical(mirai_map(1:100, function(i) i)[.flat], 1:100)
  expect_named(status(), c("connections", "daemons", "mirai", "memory"))
})

test_that("daemons(0) ends broker and daemons", {
  skip_without_proc()
  use_state()
  use_daemons(url = "tls+tcp://127.0.0.1:0")
  broker <- broker_pid()
  expect_length(broker, 1)
  daemon <- start_daemon(launch_remote(1, here()))
  expect_true(eventually(connections() == 1L))
  m <- mirai(Sys.sleep(60))
  daemons(0)
  expect_true(m$data == 19L)
  expect_false(is_alive(broker))
  expect_true(eventually(!is_alive(daemon$pid)))
})

test_that("a broker that is killed ends open tasks as 7, then errors say what to do", {
  skip_without_proc()
  use_state()
  use_daemons(url = local_url(tcp = TRUE))
  launch_local(1)
  gate <- new_gate()
  running <- mirai(wait_at(path), wait_at = wait_at, path = gate$path)
  expect_true(eventually(gate$is_entered()))
  waiting <- mirai(1)
  tools::pskill(broker_pid(), tools::SIGKILL)
  expect_true(running[] == 7L && waiting[] == 7L)
  expect_error(mirai(1), "call daemons() again", fixed = TRUE, class = "crossdock_error_gone")
  expect_error(status(), "call daemons() again", fixed = TRUE)
  daemons(url = local_url(tcp = TRUE))
  launch_local(1)
  expect_identical(mirai("again")[], "again")
})

test_that("a session that crashes takes its broker along", {
  skip_without_proc()
  state <- use_state()
  mark <- paste0("CROSSDOCK_TEST=", basename(tempfile("crash-")))
  session <- start_r(quote({
    daemons(url = local_url(tcp = TRUE))
    launch_local(2)
    unlist(everywhere(1, .min = 2)[])
    cat("up\n")
    Sys.sleep(60)
  }), c(mark, paste0("CROSSDOCK_STATE=", state), paste0("TMPDIR=", tempdir())))
  expect_true(eventually(says(session, "up"), 60))
  expect_length(processes_with(mark), 4) # Rscript is replaced by R
  tools::pskill(session$pid, tools::SIGKILL)
  expect_true(eventually(length(processes_with(mark)) == 0L))
})

test_that("a session attaches to a broker on tcp, with daemons of its own as well", {
  skip_without_programs()
  use_state()
  broker <- start_broker("tcp://127.0.0.1:0")
  use_daemons(1, broker = broker$url, .compute = "far")
  expect_identical(status("far")$daemons, broker$url)
  expect_identical(mirai("here", .compute = "far")[], "here")
  command <- launch_remote(1, here(), .compute = "far")
  expect_match(command, ",.compute=\"far\",tlscert=", fixed = TRUE)
  start_daemon(command)
  expect_true(has_workers("far", 2L))
  daemons(0, .compute = "far")
  expect_true(is_alive(broker$pid))
})

test_that("two users: each has a key of its own, and the broker's comes as an argument", {
  skip_without_programs()
  theirs <- use_state()
  broker <- start_broker("tcp://127.0.0.1:0")
  key <- sub(".*tlscert=\"([0-9a-f]*)\".*", "\\1", local({
    use_daemons(broker = broker$url)
    launch_remote()
  }))
  ours <- use_state()
  error <- tryCatch(daemons(broker = broker$url, tlscert = key), error = identity)
  expect_s3_class(error, "crossdock_error_not_found")
  expect_match(conditionMessage(error), "crossdock keys new", fixed = TRUE)
  expect_match(
    conditionMessage(tryCatch(daemon(broker$url, tlscert = key), error = identity)),
    "crossdock keys new", fixed = TRUE
  )
  shell(Sys.getenv("CROSSDOCK_PROGRAM"), "keys", "new") # ours, which they do not know
  refused <- tryCatch(daemons(broker = broker$url, tlscert = key), error = identity)
  expect_s3_class(refused, "crossdock_error_forbidden")
  expect_match(conditionMessage(refused), "crossdock keys", fixed = TRUE)
  expect_false(daemons_set())
  use_variables(CROSSDOCK_KEY_FILE = file.path(theirs, "user.key"))
  use_daemons(1, broker = broker$url, tlscert = key)
  expect_identical(mirai("in")[], "in")
})

test_that("what is no address on tcp, or no key, is told", {
  use_state()
  expect_error(daemons(url = "ws://127.0.0.1:5555"), "tcp://HOST:PORT", fixed = TRUE)
  expect_error(daemons(url = "wss://127.0.0.1:5555"), "tcp://HOST:PORT", fixed = TRUE)
  expect_error(daemons(url = "tcp://nonsense"), "HOST:PORT", fixed = TRUE)
  expect_error(daemons(url = "tcp://127.0.0.1:0", tls = "cert.pem"), "`tls`", fixed = TRUE)
  expect_error(daemons(url = "tcp://127.0.0.1:0", pass = "x"), "`tls`", fixed = TRUE)
  expect_error(
    daemon("tcp://127.0.0.1:9", tlscert = "-----BEGIN CERTIFICATE-----"), "64 hexadecimal digits"
  )
  expect_false(daemons_set())
  use_daemons(url = local_url(tcp = TRUE))
  expect_error(
    daemons(url = status()$daemons, .compute = "second"), "in use", class = "crossdock_error_exists"
  )
  expect_false(daemons_set("second"))
})

test_that("an address of every interface is told as one that others can dial", {
  use_state()
  use_daemons(url = "tcp://0.0.0.0:0")
  port <- sub(".*:", "", status()$daemons)
  expect_match(launch_remote(), sub("0$", port, host_url()[[1]]), fixed = TRUE)
})

test_that("a daemon of another version is told, and the session is", {
  use_daemons(1)
  everywhere({
    space <- asNamespace("crossdock")
    assign("series", "99.1", envir = space$the)
  })
  value <- mirai(1)[]
  expect_s3_class(value, "miraiError")
  own <- sub("^([0-9]+\\.[0-9]+).*", "\\1", as.character(packageVersion("crossdock")))
  expect_match(value, sprintf("the session has crossdock %s and this daemon", own), fixed = TRUE)
  expect_match(value, "must have the same version", fixed = TRUE)
})

test_that("an abstract name is a socket that only this user reaches", {
  folder <- use_state()
  use_variables(XDG_RUNTIME_DIR = folder)
  url <- "abstract://by-name"
  use_daemons(url = url)
  expect_identical(status()$daemons, paste0("ipc://", folder, "/crossdock/by-name"))
  launch_local(1, url = url)
  expect_identical(mirai(6 * 7)[], 42)
  expect_error(daemons(url = "abstract://a/b", .compute = "second"), "abstract", fixed = TRUE)
})
