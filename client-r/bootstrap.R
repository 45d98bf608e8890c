# SPDX-License-Identifier: MIT
# pkgbuild (so devtools) and pak run this before they build the package: the shared C comes in.
if (system2("sh", "tools/vendor.sh") != 0L) {
  stop("tools/vendor.sh failed", call. = FALSE)
}
