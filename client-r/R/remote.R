# Daemons on other hosts: how they are started there.

#' Launch daemons on other hosts
#'
#' Starts daemons of a profile elsewhere, or says how: `launch_remote()` returns the shell
#' commands that start them, and runs these commands through `remote` if that names one.
#'
#' The profile must listen where the other hosts can reach it: `daemons(url = host_url())`, or
#' be one of a broker that does. A command holds the address and the *public* key of the
#' broker, no secret. For its own key a daemon looks in the environment variable
#' `CROSSDOCK_KEY_FILE`, then for the key of the user it runs as (`user.key`, see *Keys* in
#' [daemons()]). So with a home directory that the hosts share nothing needs to be done. Where
#' it is not shared, make a key on the other host with `crossdock keys new`, and admit its
#' public key here with `crossdock keys add NAME PUBLIC-KEY`; or copy the key file, and name
#' it in `CROSSDOCK_KEY_FILE`.
#'
#' The other hosts need R and crossdock, of the same first two version numbers.
#'
#' `ssh_config()` runs them over SSH, one connection for each. With `tunnel = TRUE` the daemons
#' reach the broker through that connection, so that no port of this host has to be open to
#' the others; the profile listens on the loopback address: `daemons(url = local_url(tcp =
#' TRUE))`. The three ports of the broker are then taken on the other host, too, under the same
#' numbers, whichever they are.
#'
#' `cluster_config()` hands a job to a resource manager: `"sbatch"` (Slurm), `"qsub"` (SGE,
#' Torque, PBS), `"bsub"` (LSF). A job that is not accepted is an error.
#'
#' `http_config()` sends a request over HTTP for each daemon, to Posit Workbench or another service
#' that starts jobs; it needs the packages curl and jsonlite. Without arguments it is for an R
#' session of Posit Workbench, which says where that is in the environment variables
#' `RS_SERVER_ADDRESS` and `RS_SESSION_RPC_COOKIE`. What stands in `data` for `"%s"` is the call of
#' [daemon()], as in the quotes of a JSON string; any other `%` is written `%%`. A request has five
#' seconds. What cannot be reached, or refuses, is no error, but a value.
#'
#' `remote_config()` is for everything else.
#'
#' @section Daemons that do not come:
#' Where every launcher has failed (a program with its exit code, a service with the status of its
#' answer) and no daemon has connected, tasks of the profile end as errors with what the launcher
#' said last, and [status()] says it as `fault`. Daemons that are missing after ten seconds are told
#' of in a message, once, with what is known: the last lines of a launcher's output, in which SSH
#' has also what the daemon said.
#'
#' @section Launchers that still run:
#' A program that is to bring a daemon runs in the background, without a terminal: SSH has to find
#' its keys without asking. What still runs when the profile ends, or the session, is asked to end,
#' and killed after a second; but where a daemon has come that may go on without the session (of a
#' broker that runs by itself, or with `autoexit` `FALSE` or `NA`) all are left alone.
#'
#' @param n how many daemons; or a cluster made by [make_cluster()], or one of its nodes. With
#'   `ssh_config()` of several hosts: 1, which means one on each host, or as many as there are
#'   hosts.
#' @param remote made by one of the functions here.
#' @param ... arguments for [daemon()], instead of those given to [daemons()]. Of
#'   `http_config()`: for `data`, where that is a function; the default's are `rscript`,
#'   `job_name`, `cluster`, `resource_profile`, or `cpus` and `memory` (megabytes).
#' @inheritParams mirai
#' @param command a program to run with `args`; `NULL`: none, the commands are only returned.
#'   Of `cluster_config()`: the one that takes a job's script from its standard input.
#' @param args a character vector, with `"."` for the command that starts a daemon; or a list
#'   of such vectors, one for each daemon.
#' @param rscript the R program on the other hosts, with its path where that is needed.
#' @param quote whether that command must be quoted once more for a shell on the other side.
#' @param remotes hosts, as `"ssh://user@@host:port"` or short forms such as `"ssh://host"`.
#' @param tunnel whether daemons connect through the SSH connection.
#' @param timeout of making an SSH connection, in seconds.
#' @param options of the job, lines for the head of its script: `"#SBATCH --mem=16G"`. Other
#'   shell commands may follow, such as `"module load R"`. Spaces before a line are taken away.
#' @param url of the service; here and in what follows a value, or a function that gives it when
#'   daemons are launched.
#' @param method of the request.
#' @param headers of the request, a named character vector.
#' @param data of the request, a string with `"%s"` in it.
#' @param cookie,token `NULL`, or a string for a header `Cookie`, or `Authorization: Bearer`.
#' @return `launch_remote()`: the commands, of class `miraiLaunchCmd`; their printed form can
#'   be copied into a shell on another host. With `http_config()` a list of the answers, invisibly:
#'   lists of `status`, an integer, `headers` (`NULL`) and `data`, a string; where no answer came
#'   `status` and `data` are an `errorValue`, 5 (no answer in time) or 6, whose attribute `message`
#'   says why. The other functions: a list, for `remote` of `launch_remote()` and [daemons()].
#' @seealso [host_url()], [local_url()], [daemon()]
#' @examples
#' \donttest{
#' daemons(url = local_url(tcp = TRUE))
#' launch_remote(2)
#' daemons(0)
#' }
#' remote_config(command = "ssh", args = c("-fTp 22 user@@host", "."), quote = TRUE)
#' ssh_config(c("ssh://10.75.32.90:222", "ssh://user@@nodename"), timeout = 5)
#' cluster_config("sbatch", options = "#SBATCH --job-name=daemons\n#SBATCH --mem=16G")
#' http_config("https://example.org/jobs", data = "{\"r\": \"%s\"}", token = "secret")
#' \dontrun{
#' # the daemons are reached through SSH, this host needs no open port
#' daemons(
#'   n = 2, url = local_url(tcp = TRUE),
#'   remote = ssh_config("ssh://user@@nodename", tunnel = TRUE)
#' )
#' # four jobs of a Slurm cluster
#' daemons(n = 4, url = host_url(), remote = cluster_config("sbatch"))
#' }
#' @export
launch_remote <- function(n = 1L, remote = remote_config(), ..., .compute = NULL) {
  if (inherits(n, c("miraiCluster", "miraiNode"))) {
    return(cluster_commands(n, remote, ...))
  }
  profile <- get_profile(.compute)
  check_not_sync(profile)
  check_remote(remote)
  args <- if (...length()) daemon_args(...) else profile$args
  check_many(n)
  if (is_http(remote)) {
    return(invisible(launch_http(profile, remote, args, n, sys.call())))
  }
  commands <- launch_commands(profile, remote$rscript, args, n)
  if (length(remote$command)) {
    runs <- launch_args(remote, n, profile)
    if (length(runs) > length(commands)) { # one daemon on each host
      commands <- launch_commands(profile, remote$rscript, args, length(runs))
    }
    Map(run_remote, list(profile), list(remote), runs, commands)
  }
  structure(commands, class = launch_class)
}

launch_class <- c("crossdock_launch", "miraiLaunchCmd")

#' @export
print.crossdock_launch <- function(x, ...) {
  cat(sprintf("[%d]\n%s\n\n", seq_along(x), unclass(x)), sep = "")
  invisible(x)
}

check_remote <- function(remote) {
  if (!is.list(remote) || !is_http(remote) && !all(c("args", "rscript") %in% names(remote))) {
    stop_argument(
      "`remote` must be made by remote_config(), ssh_config(), cluster_config() or http_config()"
    )
  }
}

# The shell commands that start daemons of this profile on other hosts.
launch_commands <- function(profile, rscript, args, n) {
  calls <- daemon_calls(profile, args, n)
  sprintf("%s -e %s", rscript, vapply(calls, shQuote, "", USE.NAMES = FALSE))
}

# What they evaluate. Without dispatcher each has its random numbers from here.
daemon_calls <- function(profile, args, n) {
  vapply(seq_len(n), function(i) {
    own <- if (!profile$dispatcher) {
      add_args(args, stream_argument(daemon_streams(profile, 1L)[[1L]]))
    }
    daemon_call(profile, if (is.null(own)) args else own)
  }, "")
}

daemon_call <- function(profile, args) {
  arguments <- c(
    deparse(reachable_url(profile$url)),
    if (!profile$dispatcher) "dispatcher=FALSE",
    if (profile$place != "default") sprintf(".compute=%s", deparse(profile$place)),
    args[nzchar(args)],
    if (is_tcp(profile$url)) sprintf("tlscert=\"%s\"", .Call(C_rxd_server_key, profile$tlscert))
  )
  sprintf("crossdock::daemon(%s)", paste(arguments, collapse = ","))
}

# The vectors of arguments for `n` runs, a list.
launch_args <- function(remote, n, profile) {
  args <- if (is.list(remote$args)) remote$args else list(remote$args)
  if (isTRUE(remote$tunnel)) {
    args <- tunnel_args(args, profile)
  }
  if (length(args) > 1L && n != 1L && n != length(args)) {
    stop_argument("`n` must equal the length of `args`, or either must be 1")
  }
  rep(args, length.out = max(n, if (n > 0) length(args)))
}

tunnel_args <- function(args, profile) {
  url <- profile$url
  if (!is_tcp(url) || url_parts(url)$host != "127.0.0.1") {
    stop_argument("SSH tunnelling requires daemons `url` hostname to be `127.0.0.1`")
  }
  forwards <- paste(sprintf("-R %1$d:127.0.0.1:%1$d", profile$ports), collapse = " ")
  lapply(args, function(one) c(forwards, one))
}

# Run it with the daemon's command in the place of the dot. A job is waited for: it is either
# taken or not. An SSH connection is not: it may take its time, and others wait behind it.
run_remote <- function(profile, remote, args, command) {
  args[args == "."] <- if (isTRUE(remote$quote)) shQuote(command) else command
  if (!is.null(remote$quote)) {
    return(run_launcher(profile, remote$command, args))
  }
  said <- suppressWarnings(
    system2(remote$command, input = paste(args, collapse = ""), stdout = TRUE, stderr = TRUE)
  )
  status <- attr(said, "status")
  if (!is.null(status)) {
    stop_crossdock("system", paste(
      c(sprintf("the job was not accepted (exit code %d):", status), said),
      collapse = "\n"
    ))
  }
  expect_launch(profile, "the job", code = 0L, said = said)
}

#' @rdname launch_remote
#' @export
remote_config <- function(command = NULL, args = c("", "."), rscript = "Rscript", quote = FALSE) {
  has_dot <- vapply(if (is.list(args)) args else list(args), function(x) "." %in% x, NA)
  if (!all(has_dot)) {
    stop_argument("`.` must be an element of the character vector(s) supplied to `args`")
  }
  list(command = command, args = args, rscript = rscript, quote = quote, tunnel = FALSE)
}

#' @rdname launch_remote
#' @export
ssh_config <- function(
  remotes,
  tunnel = FALSE,
  timeout = 10,
  command = "ssh",
  rscript = "Rscript"
) {
  parts <- regmatches(remotes, regexec("^(ssh://)?(.*?)(:([0-9]+))?/?$", remotes, perl = TRUE))
  args <- lapply(parts, function(part) {
    port <- if (nzchar(part[[5L]])) part[[5L]] else "22"
    c(sprintf("-o ConnectTimeout=%d -fTp %s", as.integer(timeout), port), part[[3L]], ".")
  })
  list(command = command, args = args, rscript = rscript, quote = TRUE, tunnel = isTRUE(tunnel))
}

#' @rdname launch_remote
#' @export
cluster_config <- function(command = "sbatch", options = "", rscript = "Rscript") {
  options <- gsub("(^|\n)[ \t]+", "\\1", options)
  # quoted, so that no shell here looks into it
  head <- sprintf("%s <<'crossdock'\n#!/bin/sh\n%s\n", command[[1L]], options)
  list( # a `quote` of NULL says that it is a job
    command = "/bin/sh", args = c(head, ".", "\ncrossdock\n"), rscript = rscript, quote = NULL
  )
}
