# What happens when the package is loaded and unloaded.

# The name that a task's `data` function finds in its task.
utils::globalVariables("aio")

.onLoad <- function(libname, pkgname) {
  namespace <- parent.env(environment())
  .Call(C_rxd_attach, namespace)
  # function() task_value(aio, parent.env(environment())), with the function itself in the call:
  # its environment will be a task, where only `aio` and what package base has can be found
  body <- as.call(list(task_value, as.name("aio"), quote(parent.env(environment()))))
  namespace$task_data <- as.function(list(body), envir = baseenv())
  version <- getNamespaceInfo(namespace, "spec")[["version"]]
  namespace$versions <- c(paste("R", getRversion()), paste("crossdock", version))
  the$series <- sub("^([0-9]+[.-][0-9]+).*", "\\1", version)
  if (isNamespaceLoaded("parallel")) {
    register_cluster()
  } else {
    setHook(packageEvent("parallel", "onLoad"), register_cluster)
  }
  reg.finalizer(the, end_session, onexit = TRUE)
}

.onUnload <- function(libpath) {
  end_session(the)
  the$unloaded <- TRUE # the finalizer must not call code that is gone
  library.dynam.unload("crossdock", libpath)
}

end_session <- function(the) {
  if (!isTRUE(the$unloaded)) {
    stop_launches(the$profiles)
    .Call(C_rxd_shutdown)
  }
}
