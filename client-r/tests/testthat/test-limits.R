# SPDX-License-Identifier: MIT
# Other ways to have daemons: bound without dispatcher, listening, daemons with limits.

test_that("without dispatcher tasks are bound in turn, and mirai's reporting holds", {
  use_daemons(2, dispatcher = FALSE)
  expect_identical(info()[["connections"]], 2L)
  expect_true(all(is.na(info()[-1])))
  expect_named(status(), c("connections", "daemons"))
  gate <- new_gate()
  tasks <- lapply(1:4, function(i) mirai(wait_at(path), wait_at = wait_at, path = gate$path))
  stopped <- mirai(Sys.sleep(60))
  expect_false(stop_mirai(stopped))
  expect_true(stopped$data == 20L)
  gate$open()
  expect_identical(as.vector(table(unlist(collect_mirai(tasks)))), c(2L, 2L))
  open <- mirai(Sys.sleep(60))
  daemons(0)
  expect_true(open$data == 19L)
})

test_that("without dispatcher, tasks that never met a daemon end as 7", {
  use_daemons(url = local_url(), dispatcher = FALSE)
  m <- mirai(1)
  daemons(0)
  expect_true(m$data == 7L)
})

test_that("a session listens, daemons are launched or come by themselves", {
  url <- local_url()
  use_daemons(url = url)
  expect_identical(status()$daemons, url)
  expect_identical(connections(), 0L)
  m <- mirai(Sys.getpid())
  expect_identical(launch_local(1), 1)
  first <- m[]
  own <- start_r(bquote(quit(status = 10L + daemon(.(url), maxtasks = 2))))
  expect_true(eventually(connections() == 2L))
  pids <- unlist(everywhere(Sys.getpid())[])
  expect_setequal(pids, c(first, own$pid))
  # it leaves after its second task, and takes no third one with it
  values <- mirai_map(1:40, function(i) c(i, Sys.getpid()))[]
  expect_identical(vapply(values, `[[`, 0L, 1), 1:40)
  expect_true(eventually(connections() == 1L))
  expect_lte(sum(vapply(values, `[[`, 0L, 2) == own$pid), 1)
  expect_true(eventually(!is_alive(own$pid)))
  expect_identical(info()[["cumulative"]], 2L)
})

test_that("daemon() returns the reason of its end", {
  url <- local_url()
  use_daemons(url = url)
  here <- environment()
  code <- function(...) {
    call <- bquote(cat("code", daemon(.(url), ..(list(...))), "\n"), splice = TRUE)
    start_r(call, frame = here)
  }
  idle <- code(idletime = 100)
  wall <- code(walltime = 100)
  tasks <- code(maxtasks = 1)
  expect_true(eventually(says(idle, "code 1")))
  expect_true(eventually(says(wall, "code 2")))
  expect_identical(mirai("on")[], "on")
  expect_true(eventually(says(tasks, "code 3")))
  stays <- code()
  expect_true(eventually(connections() == 1L))
  daemons(0)
  expect_true(eventually(says(stays, "code 0")))
})

test_that("limits given to daemons() hold for its daemons, and are not crashes", {
  use_daemons(1, maxtasks = 1)
  expect_identical(mirai("on")[], "on")
  expect_true(eventually(connections() == 0L))
  launch_local(1, maxtasks = 2)
  expect_identical(collect_mirai(list(mirai(1), mirai(2))), list(1, 2))
  expect_true(eventually(connections() == 0L))
  expect_identical(info()[["cumulative"]], 2L)
})

test_that("with autoexit = FALSE a daemon waits for the next session's broker", {
  url <- local_url()
  daemons(url = url)
  daemon <- start_r(bquote(cat("code", daemon(.(url), autoexit = FALSE), "\n")))
  pid <- mirai(Sys.getpid())[]
  daemons(0)
  use_daemons(url = url)
  expect_identical(mirai(Sys.getpid())[], pid)
  daemons(NULL)
  expect_true(eventually(says(daemon, "code 0")))
})

test_that("with .wait = FALSE tasks wait for the daemons instead", {
  use_daemons(1, .wait = FALSE)
  expect_identical(connections(), 0L)
  expect_identical(mirai("on")[], "on")
  expect_identical(connections(), 1L)
  expect_error(daemons(1, .wait = NA), "`.wait` must be TRUE or FALSE")
})

test_that("with autoexit = NA a daemon ends after its task, else it interrupts that", {
  skip_without_programs()
  for (autoexit in c(NA, TRUE)) {
    broker <- start_broker()
    use_daemons(broker = broker$url, .compute = "lost")
    gate <- new_gate()
    done <- tempfile()
    m <- mirai(
      {
        wait_at(path)
        file.create(done)
      },
      wait_at = wait_at, path = gate$path, done = done, .compute = "lost"
    )
    daemon <- start_r(bquote(
      cat("code", daemon(.(broker$url), autoexit = .(autoexit), .compute = "lost"), "\n")
    ))
    expect_true(eventually(gate$is_entered()))
    tools::pskill(broker$pid, tools::SIGKILL)
    expect_true(m[] == 7L)
    if (is.na(autoexit)) {
      expect_false(eventually(!is_alive(daemon$pid), 4)) # longer than a deaf task would have
      gate$open()
    }
    expect_true(eventually(says(daemon, "code 0")))
    expect_identical(file.exists(done), is.na(autoexit))
  }
})

test_that("a local daemon with autoexit = NA outlives a crash of its session by its task", {
  skip_without_proc()
  folder <- tempfile("run-")
  dir.create(folder, mode = "0700")
  for (autoexit in c(NA, TRUE)) {
    gate <- new_gate()
    done <- tempfile()
    session <- start_r(bquote({
      daemons(1, autoexit = .(autoexit))
      cat("pid", mirai(Sys.getpid())[], "\n")
      m <- mirai(
        {
          wait_at(path)
          file.create(done)
        },
        wait_at = .(wait_at), path = .(gate$path), done = .(done)
      )
      m[]
    }), paste0("XDG_RUNTIME_DIR=", folder)) # in which its sockets stay
    expect_true(eventually(gate$is_entered()))
    pid <- as.integer(sub("pid ", "", grep("^pid", output_of(session), value = TRUE)))
    tools::pskill(session$pid, tools::SIGKILL)
    if (is.na(autoexit)) {
      expect_false(eventually(!is_alive(pid), 4))
      gate$open()
    }
    expect_true(eventually(!is_alive(pid)))
    expect_identical(file.exists(done), is.na(autoexit))
  }
})

test_that("autoexit is TRUE, FALSE or NA", {
  expect_error(daemon(local_url(), autoexit = "no"), "`autoexit` must be TRUE, FALSE or NA")
})
