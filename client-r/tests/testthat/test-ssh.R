# SPDX-License-Identifier: MIT
# Daemons launched over SSH: a real sshd, on the loopback address and in a network of its own.

test_that("daemons come over SSH, work, and leave with daemons(0)", {
  needs_programs("sshd", "ssh", "ssh-keygen")
  use_state()
  ssh <- new_ssh()
  server <- start_sshd(ssh)
  use_daemons(
    n = 2, url = local_url(tcp = TRUE),
    remote = ssh_config(server$url, command = ssh$program, rscript = rscript())
  )
  expect_true(eventually(connections() == 2L))
  found <- everywhere(c(Sys.getpid(), nzchar(Sys.getenv("SSH_CONNECTION"))))[]
  pids <- vapply(found, `[[`, 0L, 1)
  expect_length(unique(pids), 2)
  expect_true(all(vapply(found, `[[`, 0L, 2) == 1L))
  expect_identical(mirai_map(1:50, function(i) i)[.flat], 1:50)
  daemons(0)
  expect_true(eventually(!any(is_alive(pids))))
})

test_that("one daemon on each of several hosts", {
  needs_programs("sshd", "ssh", "ssh-keygen")
  use_state()
  ssh <- new_ssh()
  urls <- c(start_sshd(ssh)$url, start_sshd(ssh)$url)
  expect_length(unique(urls), 2)
  use_daemons(url = local_url(tcp = TRUE))
  remote <- ssh_config(urls, command = ssh$program, rscript = rscript())
  expect_length(launch_remote(1, remote), 2)
  expect_true(eventually(connections() == 2L))
  ports <- everywhere(strsplit(Sys.getenv("SSH_CONNECTION"), " ")[[1]][[4]])[]
  expect_setequal(unlist(ports), sub(".*:", "", urls))
})

# A host that shares no network with this one: its sshd talks to ssh through a pipe. The
# configurations that lead there, and the process that keeps its network.
new_distant_host <- function(frame = parent.frame()) {
  network <- start_network(frame)
  ssh <- new_ssh()
  inside <- sprintf("nsenter --target %d --net", network$pid)
  config <- file.path(dirname(ssh$program), "ssh_config")
  proxy <- sprintf("ProxyCommand %s %s -i -f %s", inside, sshd(frame), ssh$sshd_config)
  cat(proxy, "\n", file = config, append = TRUE)
  through <- function(tunnel) {
    ssh_config("ssh://root@testhost", tunnel, command = ssh$program, rscript = rscript())
  }
  list(network = network, through = through)
}

expect_tunnel_of_all_ports <- function(...) {
  expect_true(eventually(connections(...) == 1L))
  x <- as.raw(seq_len(5e6) %% 251L) # on the third port
  expect_identical(mirai(rev(x), x = x, ...)[], rev(x))
}

test_that("through a tunnel daemons reach a broker they have no other way to", {
  needs_programs("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip")
  skip_without_namespaces()
  use_state()
  host <- new_distant_host()
  use_daemons(url = local_url(tcp = TRUE))
  command <- launch_remote(1, remote_config(rscript = rscript()))
  arguments <- c("--target", host$network$pid, "--net", "sh", "-c", command)
  direct <- start_program("nsenter", arguments, r_environment())
  expect_true(eventually(says(direct, "no broker answers")))
  launch_remote(1, host$through(tunnel = TRUE))
  expect_tunnel_of_all_ports()
})

test_that("also a standalone broker, whichever its ports are", {
  needs_programs("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip")
  skip_without_namespaces()
  skip_without_programs()
  use_state()
  host <- new_distant_host()
  broker <- start_cramped_broker()
  use_daemons(broker = broker$url, .compute = "far")
  ports <- get_profile("far")$ports
  expect_identical(ports[[1]], url_port(broker$url))
  expect_false(ports[[2]] == ports[[1]] + 1L)
  launch_remote(1, host$through(tunnel = TRUE), .compute = "far")
  expect_tunnel_of_all_ports(.compute = "far")
})
