# Addresses: of this host, and what is in one.

#' Addresses to listen on
#'
#' Make an address for [daemons()] to listen on. `local_url()` is for daemons on this host: a
#' socket in this session's temporary directory, which only this user can reach. `host_url()`
#' is for daemons on other hosts: one address for each network interface of this host, of
#' which [daemons()] uses the first. What goes over tcp is always encrypted, see [daemons()].
#'
#' @param tcp `TRUE`: a tcp address of this host alone, as SSH tunnels need it.
#' @param tls as in mirai; it only changes how the address is spelled.
#' @param port of the address; 0: one that is free is taken when a session listens there.
#'   A session uses three ports: this one and, where they are free, the two behind it.
#' @return An address, character. `host_url()`: a vector, named after the interfaces.
#' @examples
#' local_url()
#' local_url(tcp = TRUE)
#' host_url()
#' host_url(port = 5555)
#' @export
local_url <- function(tcp = FALSE, port = 0) {
  if (tcp) {
    port <- check_port(port)
    return(sprintf("tcp://127.0.0.1:%d", port))
  }
  folder <- tempfile("crossdock-") # 0700, as the broker demands
  dir.create(folder, mode = "0700")
  paste0("ipc://", folder, "/broker")
}

#' @rdname local_url
#' @export
host_url <- function(tls = FALSE, port = 0) {
  port <- check_port(port)
  hosts <- .Call(C_rxd_host_addresses)
  if (!length(hosts)) {
    hosts <- Sys.info()["nodename"]
  }
  urls <- sprintf("%s://%s:%d", if (tls) "tls+tcp" else "tcp", hosts, port)
  structure(urls, names = names(hosts))
}

check_port <- function(port) {
  number <- suppressWarnings(as.integer(port))
  if (length(number) != 1L || is.na(number) || number < 0L || number > 65535L) {
    stop_option("port", "a number from 0 to 65535", port)
  }
  number
}

is_tcp <- function(url) grepl("^(tls\\+)?tcp://", url)

# list(host, port) of a tcp address.
url_parts <- function(url) {
  rest <- sub("^[a-z+]*://", "", url)
  list(host = sub(":[0-9]*$", "", rest), port = as.integer(sub("^.*:", "", rest)))
}

# The address under which others find who listens there: one that means every interface is
# none to dial.
reachable_url <- function(url) {
  if (!is_tcp(url)) {
    return(url)
  }
  parts <- url_parts(url)
  if (!parts$host %in% c("*", "0.0.0.0", "[::]")) {
    return(url)
  }
  host_url(startsWith(url, "tls+"), parts$port)[[1L]]
}
