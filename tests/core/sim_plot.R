# SPDX-License-Identifier: MIT
# Waits by run time and policy, from the simulator's file: Rscript sim_plot.R sim.csv sim.png
arguments <- commandArgs(trailingOnly = TRUE)
stopifnot(length(arguments) == 2L)
waits <- utils::read.csv(arguments[[1L]])
colours <- c(bands = "#0072b2", fifo = "#d55e00", sjf = "#009e73")
titles <- c(class = "class given, run times learned", size = "run times given", nothing = "nothing given")

# A wait of nothing has no place on a logarithmic axis.
floor_s <- 1e-3

draw_panel <- function(known, load) {
  rows <- waits[waits$known == known & waits$load == load, ]
  graphics::plot(
    NULL, log = "xy", xlim = range(waits$from), ylim = c(floor_s, max(waits$p99)),
    xlab = "run time, s", ylab = "wait, s", main = sprintf("%s, load %g", titles[[known]], load)
  )
  graphics::grid()
  for (policy in names(colours)) {
    bins <- rows[rows$policy == policy, ]
    middle <- sqrt(bins$from * bins$to)
    graphics::lines(middle, pmax(bins$p99, floor_s), col = colours[[policy]], lwd = 2)
    graphics::lines(middle, pmax(bins$mean, floor_s), col = colours[[policy]], lwd = 2, lty = 3)
  }
  graphics::legend(
    "bottomright", c(names(colours), "99th percentile", "mean"), bty = "n", cex = 0.8,
    col = c(colours, "black", "black"), lty = c(1, 1, 1, 1, 3), lwd = 2
  )
}

grDevices::png(arguments[[2L]], width = 1500, height = 900, res = 110)
graphics::par(mfrow = c(2L, 3L), mar = c(4, 4, 2, 1))
for (load in c(0.9, 1.1)) {
  for (known in names(titles)) {
    draw_panel(known, load)
  }
}
invisible(grDevices::dev.off())
