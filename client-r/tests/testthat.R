# SPDX-License-Identifier: MIT
library(testthat)
library(crossdock)

test_check("crossdock")
