# SPDX-License-Identifier: MIT
# Clusters for package parallel. A node is a compute profile with one daemon, so that what is
# sent to a node reaches that very process, in whatever order nodes are used.

#' A cluster for package parallel
#'
#' Makes a cluster of daemons which all functions of package parallel take, such as
#' [parallel::parLapply()] or [parallel::clusterApplyLB()], and what builds on them (foreach
#' with doParallel).
#'
#' Each node is a daemon of its own. What is sent to a node stays there: `cleanup` is off.
#'
#' With R from version 4.4 on, [parallel::makeCluster()] makes one, too: `makeCluster(2, type =
#' "CROSSDOCK")`, or `"MIRAI"` where package mirai has not taken that name.
#'
#' @param n how many nodes.
#' @param url an address to listen on for daemons of other hosts, see [daemons()]; `NULL`: the
#'   nodes are local. Without `remote` the commands that start the nodes are printed; see also
#'   [launch_remote()], which takes a cluster or a node.
#' @param remote how to launch them there at once, see [launch_remote()]; with a list of
#'   arguments the cluster has as many nodes as that has elements.
#' @param ... arguments for [daemon()].
#' @param cl a cluster.
#' @return `make_cluster()`: a cluster, of classes `miraiCluster` and `cluster`.
#'   `stop_cluster()`: `NULL`, invisibly.
#' @examples
#' \donttest{
#' cl <- make_cluster(2)
#' parallel::parLapply(cl, 1:4, function(x) x^2)
#' stop_cluster(cl)
#' }
#' @export
make_cluster <- function(n, url = NULL, remote = NULL, ...) {
  url <- check_url(url, "url")
  if (is.null(url)) {
    n # the usual error where it is missing
  }
  if (!is.null(remote)) {
    check_remote(remote)
  }
  if (!is.null(url) && missing(n)) {
    n <- 1L
  }
  if (!is.null(url) && is.list(remote$args)) {
    n <- length(remote$args)
  }
  check_count(n, 1)
  id <- sprintf("`%d`", the$clusters)
  the$clusters <- the$clusters + 1L
  nodes <- sprintf("%s.%d", id, seq_len(n))
  ready <- FALSE
  on.exit(if (!ready) lapply(nodes, reset_profile))
  args <- add_args(daemon_args(...), "cleanup=FALSE")
  new_nodes(nodes, if (is.null(url)) "" else session_key(id, url, NULL), args)
  the$cluster_nodes[[id]] <- nodes
  cluster <- lapply(seq_len(n), new_node, id = id)
  cluster <- structure(cluster, class = cluster_class, id = id)
  if (is.null(url)) {
    lapply(nodes, function(name) launch(the$profiles[[name]], 1L, the$profiles[[name]]$args))
    lapply(nodes, function(name) wait_local(the$profiles[[name]], 1L))
  } else if (is.null(remote)) {
    cat("Shell commands for deployment on nodes:\n\n")
    print(cluster_commands(cluster, remote_config()))
  } else {
    cluster_commands(cluster, remote)
  }
  ready <- TRUE
  cluster
}

# Profiles of nodes, with streams of random numbers one after the other.
new_nodes <- function(names, address, args) {
  stream <- first_stream(NULL)
  for (i in seq_along(names)) {
    place <- gsub("[`.]+", "-", paste0("cluster", names[[i]])) # "cluster-0-1": the broker is strict
    profile <- add_profile(make_profile(names[[i]], address, TRUE, place = place))
    profile$n <- 1L
    profile$stream <- profile$daemon_stream <- stream
    profile$args <- add_args(args, stream_argument(stream))
    stream <- parallel::nextRNGStream(stream)
  }
}

# ID is by the profile's name in the session, so the node can be asked for whether it is active.
new_node <- function(number, id) {
  node <- new.env(parent = emptyenv())
  node$tasks <- list() # sent, and not received
  structure(node, class = node_class, node = number, id = id)
}

node_profile <- function(node) sprintf("%s.%d", attr(node, "id"), attr(node, "node"))

#' @rdname make_cluster
#' @export
stop_cluster <- function(cl) {
  if (!inherits(cl, "miraiCluster")) {
    stop_option("cl", "a cluster made by make_cluster()", cl)
  }
  id <- attr(cl, "id")
  lapply(the$cluster_nodes[[id]], reset_profile)
  the$cluster_nodes[[id]] <- NULL
  invisible()
}

#' @exportS3Method parallel::stopCluster crossdock_cluster
stopCluster.crossdock_cluster <- function(cl) stop_cluster(cl)

#' @exportS3Method parallel::sendData crossdock_node
sendData.crossdock_node <- function(node, data) {
  profile <- the$profiles[[node_profile(node)]]
  if (is.null(profile)) {
    stop("cluster is no longer active")
  }
  call <- data$data
  if (is.null(call)) { # the end, which stop_cluster() sees to
    return(invisible())
  }
  args <- list(.f = call$fun, .x = call$args, .return = !isFALSE(call$return))
  task <- submit_task(profile, node_call, args, NULL)
  node$tasks <- c(node$tasks, list(list(task = task, tag = call$tag)))
}

node_call <- quote(
  if (.return) {
    do.call(.f, .x, quote = TRUE)
  } else {
    do.call(.f, .x, quote = TRUE)
    NULL
  }
)

#' @exportS3Method parallel::recvData crossdock_node
recvData.crossdock_node <- function(node) {
  sent <- node$tasks[[1L]]
  value <- collect_mirai(sent$task)
  node$tasks <- node$tasks[-1L]
  list(type = "VALUE", value = value, success = !is_error_value(value), tag = sent$tag)
}

#' @exportS3Method parallel::recvOneData crossdock_cluster
recvOneData.crossdock_cluster <- function(cl) {
  busy <- which(vapply(cl, function(node) length(node$tasks) > 0L, NA))
  if (!length(busy)) {
    stop("no node of the cluster has been sent anything")
  }
  first <- lapply(cl[busy], function(node) node$tasks[[1L]]$task)
  node <- busy[[.Call(C_rxd_task_race, first, Inf)]]
  list(node = node, value = recvData.crossdock_node(cl[[node]]))
}

#' @export
`[.crossdock_cluster` <- function(x, i) {
  structure(unclass(x)[i], class = cluster_class, id = attr(x, "id"))
}

#' @export
print.crossdock_cluster <- function(x, ...) {
  id <- attr(x, "id")
  active <- !is.null(the$cluster_nodes[[id]])
  cat(sprintf("< miraiCluster | ID: %s nodes: %d active: %s >\n", id, length(x), active))
  invisible(x)
}

#' @export
print.crossdock_node <- function(x, ...) {
  cat(sprintf("< miraiNode | node: %d cluster ID: %s >\n", attr(x, "node"), attr(x, "id")))
  invisible(x)
}

# status() of a cluster: of all its nodes together.
cluster_status <- function(cl) {
  nodes <- the$cluster_nodes[[attr(cl, "id")]]
  all <- lapply(nodes, status)
  if (!length(all)) {
    return(list(connections = 0L, daemons = 0L))
  }
  connections <- vapply(all, function(one) one$connections, 0L)
  list(connections = sum(connections), daemons = all[[1L]]$daemons)
}

# launch_remote() of a cluster or a node: a daemon for each.
cluster_commands <- function(x, remote, ...) {
  nodes <- if (inherits(x, "miraiNode")) list(x) else unclass(x)
  commands <- lapply(seq_along(nodes), function(i) {
    one <- remote
    if (is.list(remote$args)) {
      one$args <- remote$args[[1L + (i - 1L) %% length(remote$args)]]
    }
    launch_remote(1L, one, ..., .compute = node_profile(nodes[[i]]))
  })
  if (is_http(remote)) {
    return(invisible(unlist(commands, recursive = FALSE)))
  }
  structure(unlist(commands), class = launch_class)
}

# Where R has it, makeCluster() of package parallel knows the type.
register_cluster <- function(...) {
  parallel <- asNamespace("parallel")
  if (exists("registerClusterType", parallel)) {
    parallel$registerClusterType("CROSSDOCK", make_cluster)
    if (!isNamespaceLoaded("mirai")) {
      parallel$registerClusterType("MIRAI", make_cluster)
    }
  }
}
